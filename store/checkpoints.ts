import { PawlError } from "../core/errors.ts";
import { checkpointPrefix, checkpointsPrefix, manifestKey } from "../core/keys.ts";
import { type CheckpointSummary, type Manifest, summarize } from "../core/manifest.ts";
import { isFurther, reach } from "../core/position.ts";
import { readManifest } from "./checkpoints-manifest.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import type { ObjectStore } from "./object-store.ts";

/** A run's checkpoints in a store: `checkpoints/<run>/<name>/`, plain files and a manifest that is written last. */

export { readManifest } from "./checkpoints-manifest.ts";
export { restoreCheckpoint } from "./checkpoints-restore.ts";
export { type PartialEpoch, type SaveInput, saveCheckpoint } from "./checkpoints-save.ts";

/** So many keys are removed, and manifests looked for, at a time. */
const atATime = 8;

/**
 * Removes a checkpoint; no error where there is none. The manifest goes first, so that what a crash leaves is never a
 * complete checkpoint with files missing; calling again removes the rest, which is found by listing.
 */
export async function removeCheckpoint(store: ObjectStore, run: string, name: string): Promise<void> {
  await store.remove(manifestKey(run, name));
  const keys: string[] = [];
  for await (const { key } of store.list(checkpointPrefix(run, name))) keys.push(key);
  await inParallel(keys, { concurrency: atATime }, (key) => store.remove(key));
}

async function readable(store: ObjectStore, run: string, name: string): Promise<Manifest | undefined> {
  try {
    return await readManifest(store, run, name);
  } catch (error) {
    if (error instanceof PawlError && error.code === "CHECKPOINT_DAMAGED") return undefined;
    throw error;
  }
}

/** What the name of a checkpoint says. */
const namePattern = /^(\d+)-(\d+)(?:-\d+)?$/;

export interface FoundCheckpoints {
  /** In the order of how far they reach. */
  readonly complete: CheckpointSummary[];
  /** Names of those that have no manifest, or one that cannot be read. */
  readonly unfinished: string[];
}

/**
 * The checkpoints of one attempt with training of the epochs `fromEpoch` to `throughEpoch`, those taken in the middle of an
 * epoch among them, committed or not. An epoch may have none, since a checkpoint can complete several. Looks through the
 * names of what the run keeps.
 */
export async function findCheckpoints(
  store: ObjectStore,
  run: string,
  attempt: number,
  fromEpoch: number,
  throughEpoch: number = fromEpoch,
): Promise<FoundCheckpoints> {
  if (throughEpoch < fromEpoch) return { complete: [], unfinished: [] };
  const names: string[] = [];
  for await (const name of store.children(checkpointsPrefix(run))) {
    const [, epoch, by] = namePattern.exec(name) ?? [];
    if (Number(by) === attempt && Number(epoch) >= fromEpoch && Number(epoch) <= throughEpoch)
      names.push(name);
  }
  const manifests = await inParallel(names, { concurrency: atATime }, (name) => readable(store, run, name));
  return {
    complete: manifests
      .flatMap((manifest) => (manifest === undefined ? [] : [summarize(manifest)]))
      .sort((one, other) => (isFurther(reach(one), reach(other)) ? 1 : -1)),
    unfinished: names.filter((_, index) => manifests[index] === undefined),
  };
}
