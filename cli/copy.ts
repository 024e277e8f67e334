import { stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { exitCodes, PawlError } from "../core/errors.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { type CopyProgress, copyRun } from "../store/run-copy.ts";
import type { CommandRun, Console, OptionValues } from "./commands.ts";
import { count, size } from "./format.ts";
import { holdingBoth, isUnwritable } from "./hold-run.ts";
import { onInterrupt } from "./interrupt.ts";
import { nextCommand } from "./next-command.ts";
import { openStoreToRead, runNotFound } from "./runs.ts";
import { openStack, stackName } from "./stack-option.ts";
import { storeAddress } from "./store-address.ts";

/** `pawl copy <name> --from STORE --to STORE`. */
export const copy: CommandRun = async ({ args, options: given, console }) => {
  const run = args[0] ?? "";
  const options = await withStackStore(given);
  const [fromAddress, toAddress] = [addressOf(options, "from"), addressOf(options, "to")];
  const looking = await openStoreToRead({ store: fromAddress }, run, "--from");
  await checkThere(looking, run);
  const from = await openStore(fromAddress).catch((error: unknown) => {
    if (isUnwritable(error)) return looking;
    throw error;
  });
  const to = await openStore(toAddress);
  if (await isSame(from, to)) {
    throw new PawlError("USAGE", `--from and --to are the same store: ${to.address}`, {
      next: "Name two stores.",
      details: { from: from.address, to: to.address },
    });
  }
  const interrupt = new AbortController();
  const stopped = new PawlError("INTERRUPTED", `stopped before run ${run} was in ${to.address}`, {
    next: "Run the same command again: what is there is not copied again. Do not train it there before that.",
    details: { run, from: from.address, to: to.address },
  });
  const restore = onInterrupt(
    () => interrupt.abort(stopped),
    () => {},
  );
  const progress = progressOn(console);
  try {
    const result = await holdingBoth(run, from, to, console, (lost) => {
      const signal = AbortSignal.any([interrupt.signal, ...lost]);
      return copyRun({ run, from, to, signal, onProgress: progress.show });
    });
    progress.clear();
    tell(console, options, { run, from: from.address, to: to.address, ...result });
    return exitCodes.done;
  } finally {
    progress.clear();
    restore();
  }
};

/** Before anything is made or written. Throws RUN_NOT_FOUND. */
async function checkThere(from: ObjectStore, run: string): Promise<void> {
  const journal = openJournal(from);
  if ((await journal.newest(run)) === undefined) throw await runNotFound(journal, run, from.address);
}

/** A stack's store stands for the one of the two that is not named. */
async function withStackStore(options: OptionValues): Promise<OptionValues> {
  const { from, to, stack } = options;
  const name = stackName({ stack });
  if (from !== undefined && to !== undefined) {
    if (stack === undefined) return options;
    throw new PawlError("USAGE", "--stack, --from and --to name three places", {
      next: "Leave out --from to copy from the stack, or --to to copy to it.",
      details: { from, to, stack },
    });
  }
  // Without either there is nothing to look for on AWS yet.
  if (name === undefined || (from === undefined && to === undefined)) return options;
  const { store } = await openStack(name);
  return from === undefined ? { ...options, from: store } : { ...options, to: store };
}

function addressOf(options: OptionValues, name: "from" | "to"): string {
  const given = options[name];
  if (typeof given === "string" && given !== "") return storeAddress({ store: given });
  throw new PawlError("USAGE", `copy needs --${name} STORE`, {
    next: "Name both stores: pawl copy NAME --from STORE --to STORE; a stack's with --stack NAME.",
    details: { option: `--${name}` },
  });
}

/** Two folders are the same whatever leads to them. */
async function isSame(from: ObjectStore, to: ObjectStore): Promise<boolean> {
  if (from.address === to.address) return true;
  if (!isAbsolute(from.address) || !isAbsolute(to.address)) return false;
  const [one, other] = await Promise.all([stat(from.address), stat(to.address)]);
  return one.dev === other.dev && one.ino === other.ino;
}

const progressWords = ({ objects, totalObjects, bytes, totalBytes }: CopyProgress): string =>
  `${objects} of ${count(totalObjects, "object")}, ${size(bytes)} of ${size(totalBytes)}`;

/** How often a terminal is drawn on, and how often a line is written elsewhere. */
const everyMilliseconds = { drawn: 100, written: 10_000 };

/** One line, drawn over and over on a terminal; elsewhere a line now and then. */
function progressOn(console: Console) {
  let told = false;
  let toldAt = 0;
  let drawn = false;
  return {
    show(progress: CopyProgress) {
      if (progress.totalObjects === 0) return;
      if (!told)
        console.err(`copying ${count(progress.totalObjects, "object")}, ${size(progress.totalBytes)}`);
      const now = performance.now();
      if (!told) toldAt = now;
      told = true;
      if (now - toldAt < everyMilliseconds[console.interactive ? "drawn" : "written"]) return;
      toldAt = now;
      if (console.interactive) console.live(progressWords(progress));
      else console.err(progressWords(progress));
      drawn = console.interactive;
    },
    clear() {
      if (drawn) console.live("");
      drawn = false;
    },
  };
}

type Told = { run: string; from: string; to: string } & Awaited<ReturnType<typeof copyRun>>;

function tell(console: Console, options: OptionValues, told: Told): void {
  const { run, from, to, status, epoch, checkpoints, objects, sizeBytes, already, leftOut } = told;
  for (const { checkpoint, why } of leftOut) {
    console.err(`left out: checkpoint ${checkpoint} is damaged in ${from}: ${why}`);
  }
  console.out(
    options.json === true
      ? JSON.stringify(told)
      : already
        ? `run ${run} (epoch ${epoch}) is in ${to} already`
        : `run ${run} (epoch ${epoch}, ${count(checkpoints, "checkpoint")}) is in ${to}: ${count(objects, "object")}, ${size(sizeBytes)} copied`,
  );
  if (status === "finished") return;
  console.err(`go on there: ${nextCommand("resume", run, { address: to })}`);
  if (!already) console.err(`in ${from} it stays as it is: going on there as well would make two histories`);
}
