import { rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { chooseCheckpoint } from "../core/choose-checkpoint.ts";
import { exitCodes, PawlError } from "../core/errors.ts";
import type { TrainingJob } from "../core/job.ts";
import type { KeptCheckpoint, RunState } from "../core/run-state.ts";
import { restoreCheckpoint } from "../store/checkpoints.ts";
import { folderError } from "../store/folder-errors.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { CommandRun } from "./commands.ts";
import { count, size } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { readRun } from "./read-run.ts";
import { openStoreToRead } from "./runs.ts";

/** `pawl pull <name> --to <folder>`: the folder is there whole, or not at all. */
export const pull: CommandRun = async ({ args, options, console }) => {
  const run = args[0] ?? "";
  const to = await checkDestination(options.to);
  const store = await openStoreToRead(options, run);
  const { state, job } = await readRun(openJournal(store), run, store);
  const checkpoint = choose(state, job, String(options.epoch ?? "last"));
  await fetchWhole(store, state, checkpoint, to);
  const { name, epoch, step, files, sizeBytes } = checkpoint;
  const part = step === undefined ? {} : { step };
  const result = { run: state.run, checkpoint: name, epoch, ...part, files, sizeBytes, folder: to };
  const place = step === undefined ? `epoch ${epoch}` : `epoch ${epoch}, step ${step}`;
  console.out(
    options.json === true
      ? JSON.stringify(result)
      : `checkpoint ${name} (${place}, ${count(files, "file")}, ${size(sizeBytes)}) is in ${to}`,
  );
  return exitCodes.done;
};

/**
 * Restores elsewhere on the same file system and then moves; whatever goes wrong, nothing is left. An empty folder that
 * is there already stays the same folder: it can be somebody's working directory, or a mount.
 */
async function fetchWhole(store: ObjectStore, state: RunState, checkpoint: KeptCheckpoint, to: string) {
  const there = await isFolder(to);
  const partial = there ? join(to, `.partial-${process.pid}`) : `${to}.partial-${process.pid}`;
  const interrupt = new AbortController();
  const stopped = new PawlError("INTERRUPTED", "stopped before the checkpoint was there whole", {
    next: "Run the same command again.",
  });
  const restore = onInterrupt(
    () => interrupt.abort(stopped),
    () => rmSync(partial, { recursive: true, force: true }),
  );
  const made: string[] = [];
  try {
    await makeFolders(partial, made);
    await restoreCheckpoint(store, state.run, checkpoint.name, partial, { signal: interrupt.signal });
    if (there) await moveContents(partial, to);
    else await rename(partial, to);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    for (const folder of made) await rmdir(folder).catch(() => {});
    if (error instanceof PawlError && error.code === "CHECKPOINT_DAMAGED")
      throw withOthers(error, state, checkpoint);
    throw folderError(error, "write to", to, { folder: to });
  } finally {
    restore();
  }
}

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

async function moveContents(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) await rename(join(from, name), join(to, name));
  await rmdir(from);
}

/** Makes `folder` and those above it; what it made is added to `made`, the innermost first. */
async function makeFolders(folder: string, made: string[]): Promise<void> {
  // Node's own recursive mkdir does not return where a folder can never be made, as in /proc.
  if (await isFolder(folder)) return;
  if (dirname(folder) !== folder) await makeFolders(dirname(folder), made);
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") return;
    if (error.code !== "ENOENT") throw error;
    throw new PawlError("STORE_UNWRITABLE", `cannot make the folder ${folder}: nothing can be made there`, {
      next: "Name another folder with --to.",
      details: { folder },
      cause: error,
    });
  });
  made.unshift(folder);
}

async function checkDestination(to: unknown): Promise<string> {
  if (typeof to !== "string" || to === "") {
    throw new PawlError("USAGE", "pull needs --to FOLDER", { next: "Name an absent or empty folder." });
  }
  const folder = resolve(to);
  const taken = await readdir(folder).then(
    (names) => names.length > 0,
    // A file, or something that cannot be looked at.
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
  if (taken) {
    throw new PawlError("DESTINATION_EXISTS", `${folder} is there already, and is not an empty folder`, {
      next: "Name an absent or empty folder with --to.",
      details: { folder },
    });
  }
  return folder;
}

function choose(state: RunState, job: TrainingJob, wanted: string): KeptCheckpoint {
  if (wanted === "last" || wanted === "best") return chooseCheckpoint(state, job, wanted);
  if (!/^[1-9]\d*$/.test(wanted)) {
    throw new PawlError("USAGE", `--epoch ${wanted}: must be a number, best or last`, {
      next: "Correct --epoch.",
    });
  }
  return chooseCheckpoint(state, job, Number(wanted));
}

const withOthers = (error: PawlError, state: RunState, tried: KeptCheckpoint): PawlError => {
  const others = state.kept
    .filter(({ name, step }) => name !== tried.name && step === undefined)
    .map((checkpoint) => checkpoint.epoch);
  const next =
    others.length === 0 ? "No other checkpoint is kept." : `Others are kept: --epoch ${others.join(", ")}.`;
  return new PawlError(error.code, error.message, { next, details: error.details, cause: error });
};
