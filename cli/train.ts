import { PawlError } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import { type JobChange, jobChanges } from "../core/job-digest.ts";
import { readHead } from "../lambdas/journalled.ts";
import { openJournal } from "../store/journal.ts";
import { openStore } from "../store/open-store.ts";
import type { CommandRun, Console } from "./commands.ts";
import { follow } from "./follow.ts";
import { readJobFile } from "./job-file.ts";
import { checkRunName, chooseRun, openStoreToRead, runNotFound, storeAddress } from "./runs.ts";

/** `pawl train [file]`. */
export const train: CommandRun = async ({ args, options, console }) => {
  const file = await readJobFile(args[0] ?? "pawl.yaml");
  const name = typeof options.run === "string" ? checkRunName(options.run) : undefined;
  const store = await openStore(storeAddress(options));
  const journal = openJournal(store);
  const run = await chooseRun(journal, file.job.name, { name, another: options.new === true });
  const head = await readHead({ journal }, run, 0);
  const acceptChanges = options.acceptChanges === true;
  if (head !== undefined) {
    const changes = jobChanges(TrainingJob.parse(head.job), file.job);
    if (changes.length > 0) announce(changes, run, acceptChanges, console);
  }
  for (const field of file.awsOnly)
    console.err(`note: ${field} acts only on AWS; it has no effect on this machine`);
  return await follow({
    store,
    run,
    job: file.job,
    given: { job: file.input, source: { folder: file.folder }, acceptChanges },
    options,
    console,
  });
};

/** `pawl resume <name>`. */
export const resume: CommandRun = async ({ args, options, console }) => {
  const run = args[0] ?? "";
  const store = await openStoreToRead(options, run);
  const journal = openJournal(store);
  const head = await readHead({ journal }, run, 0);
  if (head === undefined) throw await runNotFound(journal, run, store.address);
  return await follow({ store, run, job: TrainingJob.parse(head.job), given: undefined, options, console });
};

/** Shows how the job file differs from the run's job. Throws JOB_CHANGED unless that is accepted. */
function announce(changes: readonly JobChange[], run: string, accepted: boolean, console: Console): void {
  const lines = changes.map(
    ({ field, before, after }) => `  ${field}: ${before ?? "absent"} → ${after ?? "absent"}`,
  );
  const text = `the job file differs from the job of run ${run}:\n${lines.join("\n")}`;
  if (!accepted) {
    throw new PawlError("JOB_CHANGED", text, {
      next: "Go on with --accept-changes, or begin another run with --new.",
      details: { run, changes },
    });
  }
  console.err(text);
}
