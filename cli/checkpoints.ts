import * as z from "zod";
import { bestCheckpoint } from "../core/decisions/progress.ts";
import { exitCodes, PawlError } from "../core/errors.ts";
import type { TrainingJob } from "../core/job.ts";
import { checkpointPrefix, checkpointsPrefix, manifestKey } from "../core/keys.ts";
import type { Manifest } from "../core/manifest.ts";
import type { RunState } from "../core/run-state.ts";
import { readManifest } from "../store/checkpoints.ts";
import { inParallel } from "../store/checkpoints-parallel.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { paintOut } from "./colour.ts";
import type { CommandRun } from "./commands.ts";
import { count, metric, size, table } from "./format.ts";
import { readRun } from "./read-run.ts";
import { openStoreToRead } from "./runs.ts";

/** So many manifests are read at a time. */
const atATime = 8;

const Kept = z.strictObject({
  name: z.string(),
  epoch: z.int(),
  /** Where it is from the middle of that epoch: after so many steps. */
  step: z.int().optional(),
  files: z.int(),
  sizeBytes: z.int(),
  /** The one that a run goes on from, and the one that `checkpoint.best` says is best. */
  last: z.boolean(),
  best: z.boolean(),
  /** The value of the metric that best is about. */
  bestValue: z.number().optional(),
  /** Others that hold files of this one. */
  refersTo: z.array(z.string()),
  address: z.string(),
  /** What is wrong with its manifest. */
  damaged: z.string().optional(),
});
type Kept = z.infer<typeof Kept>;

const Other = z.strictObject({
  name: z.string(),
  /**
   * `dropped`: retention let it go, and it is not removed yet; `uncommitted`: complete, and no decision counts it;
   * `incomplete`: without a manifest, so on its way or left by an attempt that died; `damaged`: its manifest cannot be read.
   */
  what: z.enum(["dropped", "uncommitted", "incomplete", "damaged"]),
  /** What is there, the manifest aside. */
  files: z.int(),
  sizeBytes: z.int(),
  address: z.string(),
  damaged: z.string().optional(),
});
type Other = z.infer<typeof Other>;

/** What `checkpoints --json` prints. */
export const CheckpointList = z.strictObject({
  run: z.string(),
  store: z.string(),
  /** What `best` is about. */
  metric: z.string().optional(),
  /** Those that are kept, oldest first. */
  checkpoints: z.array(Kept),
  /** What else of checkpoints is in the store. */
  others: z.array(Other),
});
export type CheckpointList = z.infer<typeof CheckpointList>;

/** `pawl checkpoints <name>`. */
export const checkpoints: CommandRun = async ({ args, options, console }) => {
  const run = args[0] ?? "";
  const store = await openStoreToRead(options, run);
  const { state, job } = await readRun(openJournal(store), run, store);
  const list: CheckpointList = {
    run,
    store: store.address,
    ...metricOf(job),
    checkpoints: await keptOnes(store, state, job),
    others: await otherOnes(store, state),
  };
  console.out(options.json === true ? JSON.stringify(list) : renderList(list));
  return exitCodes.done;
};

const goalOf = ({ checkpoint }: TrainingJob) => (checkpoint.policy === "keep" ? checkpoint.best : undefined);

const metricOf = (job: TrainingJob): { metric?: string } => {
  const goal = goalOf(job);
  return goal === undefined ? {} : { metric: goal.metric };
};

const addressOf = (store: ObjectStore, run: string, name: string): string =>
  `${store.address}/${checkpointPrefix(run, name)}`.replace(/\/$/, "");

/** A manifest, or why there is none. */
async function look(store: ObjectStore, run: string, name: string): Promise<Manifest | string | undefined> {
  try {
    return await readManifest(store, run, name);
  } catch (error) {
    if (error instanceof PawlError && error.code === "CHECKPOINT_DAMAGED") return error.message;
    throw error;
  }
}

function keptOnes(store: ObjectStore, { run, kept }: RunState, job: TrainingJob): Promise<Kept[]> {
  const goal = goalOf(job);
  const best = goal === undefined ? undefined : bestCheckpoint(goal, kept);
  return inParallel(kept, { concurrency: atATime }, async (checkpoint) => {
    const { name, epoch, step, files, sizeBytes, refersTo, bestValue } = checkpoint;
    const found = await look(store, run, name);
    const damaged = typeof found === "string" ? found : undefined;
    const gone = found === undefined ? `checkpoint ${name} is damaged: it has no manifest.json` : damaged;
    return {
      name,
      epoch,
      ...(step === undefined ? {} : { step }),
      files,
      sizeBytes,
      last: checkpoint === kept.at(-1),
      best: checkpoint === best,
      ...(bestValue === undefined ? {} : { bestValue }),
      refersTo,
      address: addressOf(store, run, name),
      ...(gone === undefined ? {} : { damaged: gone }),
    };
  });
}

async function otherOnes(store: ObjectStore, { run, kept, dropped }: RunState): Promise<Other[]> {
  const names: string[] = [];
  const known = new Set(kept.map(({ name }) => name));
  for await (const name of store.children(checkpointsPrefix(run))) if (!known.has(name)) names.push(name);
  return await inParallel(names, { concurrency: atATime }, async (name) => {
    const found = await look(store, run, name);
    let files = 0;
    let sizeBytes = 0;
    for await (const object of store.list(checkpointPrefix(run, name))) {
      if (object.key === manifestKey(run, name)) continue;
      files += 1;
      sizeBytes += object.sizeBytes;
    }
    const what = dropped.includes(name)
      ? "dropped"
      : found === undefined
        ? "incomplete"
        : typeof found === "string"
          ? "damaged"
          : "uncommitted";
    return {
      name,
      what,
      files,
      sizeBytes,
      address: addressOf(store, run, name),
      ...(typeof found === "string" ? { damaged: found } : {}),
    };
  });
}

const meanings: Record<Other["what"], string> = {
  dropped: "dropped, and not removed yet",
  uncommitted: "complete, and not committed",
  incomplete: "without a manifest: on its way, or left by an attempt that died",
  damaged: "its manifest is damaged",
};

function renderList({ run, store, checkpoints, others, metric: about }: CheckpointList): string {
  const rows = checkpoints.map(({ name, epoch, step, files, sizeBytes, bestValue, refersTo, ...is }) => [
    name,
    step === undefined ? String(epoch) : `${epoch}, step ${step}`,
    size(sizeBytes),
    String(files),
    bestValue === undefined ? "" : metric(bestValue),
    [is.best ? "best" : "", is.last ? "last" : "", is.damaged === undefined ? "" : "damaged"]
      .filter((word) => word !== "")
      .join(", "),
    refersTo.join(", "),
  ]);
  const head = ["checkpoint", "epoch", "size", "files", about ?? "", "", "refers to"];
  // A column without a word in it would only push the others apart.
  const used = head.map((title, column) =>
    title === "refers to" || title === "" ? rows.some((row) => row[column] !== "") : true,
  );
  const shown = [head, ...rows].map((row) => row.filter((_, column) => used[column]));
  const kept = table(shown, (cell, row) => (row === 0 ? paintOut("dim", cell) : cell));
  const otherRows = others.map(({ name, what, files, sizeBytes }) => [
    `  ${name}`,
    size(sizeBytes),
    count(files, "file"),
    meanings[what],
  ]);
  return [
    rows.length === 0 ? `run ${run} keeps no checkpoint` : kept,
    ...(others.length === 0 ? [] : [`Not kept, and in the store\n${table(otherRows)}`]),
    `They are in ${store}/${checkpointsPrefix(run)}`,
  ].join("\n\n");
}
