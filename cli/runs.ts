import { PawlError } from "../core/errors.ts";
import { automaticRun, Name, nameRule, runNumber } from "../core/names.ts";
import type { Journal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore, type StoreAccess } from "../store/open-store.ts";
import type { OptionValues } from "./commands.ts";
import type { Stack } from "./stack.ts";
import { stackOfStore } from "./stack-option.ts";
import { storeAddress } from "./store-address.ts";

/**
 * The store that `run` is to be read from: it is neither made nor written to. `flag` is the option that names it. Throws
 * RUN_NOT_FOUND.
 */
export const openStoreToRead = (
  options: OptionValues,
  run: string,
  flag?: "--store" | "--from",
): Promise<ObjectStore> => openStoreOf(options, run, "read", flag);

/** The store that holds `run`, to be written to; one that is not there is not made. Throws RUN_NOT_FOUND. */
export async function openStoreToChange(options: OptionValues, run: string): Promise<ObjectStore> {
  await openStoreOf(options, run, "read");
  return await openStore(storeAddress(options));
}

async function openStoreOf(
  options: OptionValues,
  run: string,
  access: StoreAccess,
  flag: "--store" | "--from" = "--store",
): Promise<ObjectStore> {
  checkRunName(run);
  const address = storeAddress(options);
  try {
    return await openStore(address, access);
  } catch (error) {
    if (!(error instanceof PawlError) || error.code !== "STORE_NOT_FOUND") throw error;
    throw new PawlError("RUN_NOT_FOUND", `there is no run ${run}: ${error.message}`, {
      next:
        flag === "--from"
          ? "Correct --from: name the store that the run is in."
          : "Give the --store or the --stack that the run is in, or go to the folder that it was started from.",
      details: { run, store: address },
      cause: error,
    });
  }
}

/** Throws NAME_INVALID where `name` cannot be a run's. */
export function checkRunName(name: string): string {
  if (!Name.safeParse(name).success) {
    throw new PawlError(
      "NAME_INVALID",
      `${JSON.stringify(name)} cannot be a run's name: it must be ${nameRule}`,
      {
        next: "Name a run by such a name.",
        details: { name },
      },
    );
  }
  return name;
}

interface Found {
  readonly run: string;
  readonly startedAt: string;
  readonly finished: boolean;
}

async function runsOf(journal: Journal, job: string): Promise<Found[]> {
  const found: Found[] = [];
  for await (const run of journal.runs()) {
    const first = await journal.entry(run, 1);
    if (first?.event.type !== "open" || first.event.job?.name !== job) continue;
    const newest = await journal.newest(run);
    if (newest === undefined) continue;
    found.push({ run, startedAt: newest.state.startedAt, finished: newest.state.status === "finished" });
  }
  return found.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
}

/**
 * Which run a job trains: the one that is named; else its newest unfinished one; else, where it has runs and all are
 * finished, the newest; else its first. With `another`, one that does not exist yet, and that comes after `taken`.
 */
export async function chooseRun(
  journal: Journal,
  job: string,
  { name, another, taken }: { name: string | undefined; another: boolean; taken?: string },
): Promise<string> {
  if (name !== undefined) {
    checkRunName(name);
    if (another && (await journal.newest(name)) !== undefined) {
      throw new PawlError("RUN_EXISTS", `there is a run ${name} already`, {
        next: "Give another --run, or leave --new out to go on with it.",
        details: { run: name },
      });
    }
    return name;
  }
  if (another) {
    let highest = taken === undefined ? 0 : (runNumber(job, taken) ?? 0);
    for await (const run of journal.runs()) highest = Math.max(highest, runNumber(job, run) ?? 0);
    return automaticRun(job, highest + 1);
  }
  const runs = await runsOf(journal, job);
  const chosen = runs.find((run) => !run.finished) ?? runs[0];
  return chosen?.run ?? automaticRun(job, 1);
}

/** Throws RUN_NOT_FOUND with the names that there are. */
export async function runNotFound(journal: Journal, name: string, store: string): Promise<PawlError> {
  const names: string[] = [];
  for await (const run of journal.runs()) names.push(run);
  const known = names.length === 0 ? "it holds no run" : `it holds ${names.slice(-10).join(", ")}`;
  const stack = stackOfStore(store);
  const next = "Name a run that is there, or give the --store or the --stack that it is in.";
  const ended = stack === undefined ? undefined : await endedBeforeItBegan(stack, name);
  return new PawlError("RUN_NOT_FOUND", `there is no run ${name} in ${store}: ${ended ?? known}`, {
    next: ended === undefined ? next : "Put right what it says, and start it again.",
    details: { run: name, store },
  });
}

/** Why an execution that was to begin the run could not; what only Step Functions knows. */
async function endedBeforeItBegan(stack: Stack, run: string): Promise<string | undefined> {
  const { refusedExecution } = await import("./refused-execution.ts");
  return await refusedExecution(stack, run);
}
