import { stat } from "node:fs/promises";
import { PawlError } from "../core/errors.ts";
import { folderOf } from "../core/source.ts";
import type { JournalHead } from "../lambdas/journalled.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { stackOfStore } from "./stack-option.ts";

/**
 * Before anything is started: a run that came from another machine names a folder of that one. Throws JOB_NOT_FOUND
 * where the job's folder is not here. A finished run needs none.
 */
export async function checkJobFolder({ state, source }: JournalHead, store: ObjectStore): Promise<void> {
  const folder = folderOf(source);
  if (folder === undefined || state.status === "finished") return;
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  const { run } = state;
  const stack = stackOfStore(store.address)?.stackName;
  const command =
    stack === undefined
      ? `pawl train FILE --run ${run} --store ${store.address}`
      : `pawl start FILE --run ${run} --stack ${stack}`;
  throw new PawlError("JOB_NOT_FOUND", `the folder of run ${run}'s job is not here: ${folder}`, {
    next: `Go to where its job file is now: ${command} goes on from there.`,
    details: { run, folder },
  });
}
