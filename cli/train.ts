import { dirname } from "node:path";
import { type ExitCode, PawlError } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import { jobChanges } from "../core/job-digest.ts";
import type { RunState } from "../core/run-state.ts";
import { readHead } from "../lambdas/journalled.ts";
import { originFor } from "../lambdas/origin.ts";
import { openJournal } from "../store/journal.ts";
import { openStore } from "../store/open-store.ts";
import type { CommandRun, Console } from "./commands.ts";
import { type Following, follow } from "./follow.ts";
import { announceChanges } from "./job-changes.ts";
import { readJobFile } from "./job-file.ts";
import { checkJobFolder } from "./job-folder.ts";
import { shellWord } from "./next-command.ts";
import { checkRunName, chooseRun, openStoreToChange, runNotFound } from "./runs.ts";
import { isDefaultStore, storeAddress, storeIn } from "./store-address.ts";

/** `pawl train [file]`. */
export const train: CommandRun = async ({ args, options, console }) => {
  const file = await readJobFile(args[0] ?? "pawl.yaml");
  const name = typeof options.run === "string" ? checkRunName(options.run) : undefined;
  const acceptChanges = options.acceptChanges === true;
  const given = { job: file.input, source: { folder: file.folder }, acceptChanges };
  const address = storeAddress(options);
  // Opening makes it: not for a job that has nothing to begin from.
  if (hasOrigin(file.job) && !(await isStore(address))) await originFor(undefined, undefined, given);
  // Only a note: what keeps from looking is told where the store is opened.
  const isNew = isDefaultStore(options) && !(await isStore(address).catch(() => true));
  if (isNew) await tellOfOthers(address, file.folder, console);
  const store = await openStore(address);
  const journal = openJournal(store);
  const another = options.new === true;
  const run = await chooseRun(journal, file.job.name, { name, another });
  const head = await readHead({ journal }, run, 0);
  if (head !== undefined) {
    announceChanges(jobChanges(TrainingJob.parse(head.job), file.job), run, acceptChanges, console);
  }
  // Open looks for it too; here nothing is started yet, and the words are the command line's.
  await originFor(store, head, given);
  for (const field of file.awsOnly)
    console.err(`note: ${field} acts only on AWS; it has no effect on this machine`);
  if (options.startAgain === true && head !== undefined) tellOfKept(head.state, console);
  const following = { store, job: file.job, given, options, console };
  if (!another || name !== undefined) return await follow({ ...following, run });
  return await followNew(run, following, (taken) =>
    chooseRun(journal, file.job.name, { name, another, taken }),
  );
};

const hasOrigin = ({ checkpoint }: TrainingJob): boolean =>
  checkpoint.policy === "keep" && checkpoint.from !== undefined;

/** Whether there is a store at `address`. Throws what keeps from looking. */
async function isStore(address: string): Promise<boolean> {
  try {
    await openStore(address, "read");
    return true;
  } catch (error) {
    if (error instanceof PawlError && error.code === "STORE_NOT_FOUND") return false;
    throw error;
  }
}

/** A person who trained from another folder before looks for that run, and would not find it here. */
async function tellOfOthers(address: string, jobFolder: string, console: Console): Promise<void> {
  const above: string[] = [];
  for (let folder = dirname(process.cwd()); ; folder = dirname(folder)) {
    above.push(folder);
    if (folder === dirname(folder)) break;
  }
  for (const folder of [jobFolder, ...above]) {
    const other = storeIn(folder);
    // Of what cannot be read there is nothing to tell.
    if (other === address || !(await isStore(other).catch(() => false))) continue;
    console.err(
      `note: the store ${address} is new; there is a store in ${other} too: --store ${shellWord(other)} goes on with its runs`,
    );
    return;
  }
}

/** Begins a run under the name that is free, or the next: others that begin one at this moment choose the same. */
async function followNew(
  run: string,
  following: Omit<Following, "run" | "onEntry">,
  otherName: (taken: string) => Promise<string>,
): Promise<ExitCode> {
  let begun = false;
  const onEntry = () => {
    begun = true;
  };
  try {
    return await follow({ ...following, run, onEntry });
  } catch (error) {
    if (begun || !(error instanceof PawlError) || error.code !== "RUN_HELD") throw error;
    following.console.err(`somebody else begins ${run} at this moment`);
    return await followNew(await otherName(run), following, otherName);
  }
}

/** `pawl resume <name>`. */
export const resume: CommandRun = async ({ args, options, console, stack }) => {
  const run = args[0] ?? "";
  if (stack !== undefined) return await (await import("./start.ts")).resumeOn(stack, run, options, console);
  const store = await openStoreToChange(options, run);
  const journal = openJournal(store);
  const head = await readHead({ journal }, run, 0);
  if (head === undefined) throw await runNotFound(journal, run, store.address);
  await checkJobFolder(head, store);
  if (options.startAgain === true) tellOfKept(head.state, console);
  return await follow({ store, run, job: TrainingJob.parse(head.job), given: undefined, options, console });
};

/** Whoever says --start-again may think that a run is begun anew whatever it has. */
function tellOfKept({ run, kept }: RunState, console: Console): void {
  const newest = kept.at(-1);
  if (newest === undefined) return;
  console.err(
    `note: run ${run} has checkpoint ${newest.name}; --start-again begins at epoch 1 only where none is undamaged, and --new begins another run`,
  );
}
