import { stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { originOf } from "../core/decisions/origin.ts";
import { PawlError } from "../core/errors.ts";
import { attemptsPrefix, checkpointsPrefix, journalKey, journalPrefix } from "../core/keys.ts";
import { referredCheckpoints } from "../core/manifest.ts";
import { Name } from "../core/names.ts";
import {
  type FoundCheckpoint,
  type Heap,
  type PruneItem,
  parseCheckpointName,
  type RunSurvey,
} from "../core/prune.ts";
import type { RunState } from "../core/run-state.ts";
import { folderOf } from "../core/source.ts";
import { readManifest, removeCheckpoint } from "./checkpoints.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import { type Journal, openJournal } from "./journal.ts";
import type { ObjectStore } from "./object-store.ts";

const atATime = 8;

/** The names of all runs of which a store holds something, in ascending order. */
export async function runsWithObjects(store: ObjectStore): Promise<string[]> {
  const names = new Set<string>();
  for (const prefix of [journalPrefix, "checkpoints/", "attempts/"]) {
    for await (const name of store.children(prefix)) if (Name.safeParse(name).success) names.add(name);
  }
  return [...names].sort();
}

async function heap(store: ObjectStore, prefix: string): Promise<Heap> {
  let [objects, sizeBytes] = [0, 0];
  for await (const object of store.list(prefix)) {
    objects += 1;
    sizeBytes += object.sizeBytes;
  }
  return { objects, sizeBytes };
}

/** What a checkpoint refers to is older. So where they go in this order, none is complete at any moment that lacks files. */
function newestFirst(one: FoundCheckpoint, other: FoundCheckpoint): number {
  const [a, b] = [parseCheckpointName(one.name), parseCheckpointName(other.name)];
  return (b?.epoch ?? 0) - (a?.epoch ?? 0) || (b?.attempt ?? 0) - (a?.attempt ?? 0);
}

/** In the order in which they may be removed. */
async function listCheckpoints(store: ObjectStore, run: string): Promise<FoundCheckpoint[]> {
  const prefix = checkpointsPrefix(run);
  const found = new Map<string, FoundCheckpoint>();
  for await (const { key, sizeBytes } of store.list(prefix)) {
    const [name, ...path] = key.slice(prefix.length).split("/");
    if (name === undefined || path.length === 0) continue;
    const before = found.get(name);
    found.set(name, {
      name,
      complete: before?.complete === true || path.join("/") === "manifest.json",
      refersTo: [],
      objects: (before?.objects ?? 0) + 1,
      sizeBytes: (before?.sizeBytes ?? 0) + sizeBytes,
    });
  }
  return [...found.values()].sort(newestFirst);
}

/** What a checkpoint refers to; nothing where its manifest cannot be read, since nobody can restore it then. */
async function references(store: ObjectStore, run: string, name: string): Promise<string[]> {
  try {
    const manifest = await readManifest(store, run, name);
    return manifest === undefined ? [] : referredCheckpoints(manifest);
  } catch (error) {
    if (error instanceof PawlError && error.code === "CHECKPOINT_DAMAGED") return [];
    throw error;
  }
}

/** What the state says of those it keeps need not be read. */
const withReferences = (
  store: ObjectStore,
  run: string,
  found: readonly FoundCheckpoint[],
  kept: ReadonlySet<string>,
): Promise<FoundCheckpoint[]> =>
  inParallel(found, { concurrency: atATime }, async (checkpoint) =>
    checkpoint.complete && !kept.has(checkpoint.name)
      ? { ...checkpoint, refersTo: await references(store, run, checkpoint.name) }
      : checkpoint,
  );

/**
 * Looks at all that a store holds of a run. Lists first and reads the journal then, so that the state knows each attempt
 * that had written something; see `prunableCheckpoints`. Errors: JOURNAL_DAMAGED; the store's.
 */
export async function surveyRun(store: ObjectStore, run: string, now: Date): Promise<RunSurvey> {
  const listed = await listCheckpoints(store, run);
  const records = await heap(store, attemptsPrefix(run));
  const newest = await openJournal(store).newest(run);
  const journal = await heap(store, `${journalPrefix}${run}/`);
  if (newest === undefined) {
    if (journal.objects > 0) {
      const key = journalKey(run, 1);
      throw new PawlError("JOURNAL_DAMAGED", `the journal of run ${run} does not begin: ${key} is missing`, {
        next: "Restore the object from a backup.",
        details: { key },
      });
    }
    const checkpoints = await withReferences(store, run, listed, new Set());
    return { run, state: undefined, idleSeconds: 0, checkpoints, records, journal };
  }
  const { state } = newest;
  const kept = new Set(state.kept.map(({ name }) => name));
  const checkpoints = await withReferences(store, run, listed, kept);
  const idleSeconds = Math.max(0, (now.getTime() - Date.parse(newest.at)) / 1000);
  return { run, state, idleSeconds, checkpoints, records, journal };
}

const sameFolder = async (one: string, other: string): Promise<boolean> => {
  const [first, second] = await Promise.all([one, other].map((path) => stat(path).catch(() => undefined)));
  return first !== undefined && first.dev === second?.dev && first.ino === second.ino;
};

/** Whether `place`, as the job in force has it, is this store under whatever name. */
async function isThis(
  store: ObjectStore,
  journal: Journal,
  state: RunState,
  place: string,
): Promise<boolean> {
  if (place === store.address) return true;
  if (place.startsWith("s3://") || !isAbsolute(store.address)) return false;
  const opened = await journal.entry(state.run, state.job.sequence);
  const folder = opened?.event.type === "open" ? folderOf(opened.event.source) : undefined;
  return await sameFolder(folder === undefined ? place : resolve(folder, place), store.address);
}

/** The checkpoint in this store that `run` begins from, also where its job names this store by its address. */
async function wantedBy(
  store: ObjectStore,
  journal: Journal,
  run: string,
): Promise<{ run: string; checkpoint: string } | undefined> {
  try {
    const state = (await journal.newest(run))?.state;
    if (state === undefined) return undefined;
    const { origin } = originOf(state);
    if (origin === undefined || "place" in origin || origin.run === run) return undefined;
    const isHere = origin.store === undefined || (await isThis(store, journal, state, origin.store));
    return isHere ? origin : undefined;
  } catch (error) {
    if (error instanceof PawlError && error.code === "JOURNAL_DAMAGED") return undefined;
    throw error;
  }
}

/** Which checkpoints of each run others in this store begin from. Runs whose journal cannot be read are left out. */
export async function wantedByOthers(
  store: ObjectStore,
  runs: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const journal = openJournal(store);
  const origins = await inParallel(runs, { concurrency: atATime }, (run) => wantedBy(store, journal, run));
  const wanted = new Map<string, Set<string>>();
  for (const from of origins) {
    if (from === undefined) continue;
    const names = wanted.get(from.run) ?? new Set();
    wanted.set(from.run, names.add(from.checkpoint));
  }
  return wanted;
}

async function removeBelow(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  await inParallel(keys, { concurrency: atATime, signal }, (key) => store.remove(key));
}

/**
 * Throws STORE_DENIED where nobody may remove journal entries, as on AWS, before anything else of the run is gone. Asks
 * with a number that no entry has, since they count from 1.
 */
async function checkRemovable(store: ObjectStore, run: string): Promise<void> {
  try {
    await store.remove(journalKey(run, 0));
  } catch (cause) {
    if (!(cause instanceof PawlError) || cause.code !== "STORE_DENIED") throw cause;
    throw new PawlError(
      "STORE_DENIED",
      `the journal of run ${run} may not be removed from ${store.address}`,
      {
        next: "Its history is kept for good there. Prune without --whole-runs frees what nobody needs.",
        details: { run, store: store.address },
        cause,
      },
    );
  }
}

/**
 * Removes one item of a plan; what is gone already is no error, and calling again goes on. Of a whole run its checkpoints
 * go first and its journal last, from its newest entry down, so that what a crash leaves is the beginning of it.
 */
export async function removeItem(store: ObjectStore, item: PruneItem, signal: AbortSignal): Promise<void> {
  const { kind, run } = item;
  signal.throwIfAborted();
  if (kind === "checkpoint") return await removeCheckpoint(store, run, item.name);
  if (kind === "records") return await removeBelow(store, attemptsPrefix(run), signal);
  await checkRemovable(store, run);
  for (const { name } of await listCheckpoints(store, run)) {
    signal.throwIfAborted();
    await removeCheckpoint(store, run, name);
  }
  await removeBelow(store, checkpointsPrefix(run), signal);
  await removeBelow(store, attemptsPrefix(run), signal);
  const newest = await openJournal(store).newest(run);
  for (let sequence = newest?.sequence ?? 0; sequence >= 1; sequence -= 1) {
    signal.throwIfAborted();
    await store.remove(journalKey(run, sequence));
  }
}
