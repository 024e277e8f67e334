import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { codeOf, folderOf, type JobSource } from "../core/source.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { AttemptError } from "./attempt-error.ts";

/**
 * The folder with the job's code: the job's own, or one inside the attempt's `folder` that packed code is unpacked into.
 * `undefined` where the job has none. Throws AttemptError `image-or-command-error` where the code is missing, damaged or not
 * ours, which no attempt would find better; the store's errors.
 */
export async function sourceFolder(
  store: ObjectStore,
  source: JobSource | undefined,
  folder: string,
): Promise<string | undefined> {
  const key = codeOf(source);
  if (key === undefined) return folderOf(source);
  const into = join(folder, "code");
  // Not loaded by the agents of a folder of one's own.
  const { unpackCode } = await import("../store/code.ts");
  try {
    await unpackCode(store, key, into);
  } catch (error) {
    if (!(error instanceof PawlError) || !error.code.startsWith("CODE_")) throw error;
    const next = error.next === undefined ? "" : `. ${error.next}`;
    throw new AttemptError("image-or-command-error", `${error.message}${next}`);
  }
  return into;
}
