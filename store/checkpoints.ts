import { PawlError } from "../core/errors.ts";
import { checkpointName, checkpointPrefix, manifestKey } from "../core/keys.ts";
import { type CheckpointSummary, type Manifest, summarize } from "../core/manifest.ts";
import { readManifest } from "./checkpoints-manifest.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import type { ObjectStore } from "./object-store.ts";

/** A run's checkpoints in a store: `checkpoints/<run>/<name>/`, plain files and a manifest that is written last. */

export { readManifest } from "./checkpoints-manifest.ts";
export { restoreCheckpoint } from "./checkpoints-restore.ts";
export { type SaveInput, saveCheckpoint } from "./checkpoints-save.ts";

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

/**
 * The complete checkpoints of one attempt that end with the epochs `fromEpoch` to `throughEpoch`, in order, committed or
 * not. An epoch may have none, since a checkpoint can complete several. Damaged manifests are left out.
 */
export async function findCheckpoints(
  store: ObjectStore,
  run: string,
  attempt: number,
  fromEpoch: number,
  throughEpoch: number = fromEpoch,
): Promise<CheckpointSummary[]> {
  const epochs = Array.from({ length: Math.max(0, throughEpoch - fromEpoch + 1) }, (_, i) => fromEpoch + i);
  const manifests = await inParallel(epochs, { concurrency: atATime }, (epoch) =>
    readable(store, run, checkpointName(epoch, attempt)),
  );
  return manifests.flatMap((manifest) => (manifest === undefined ? [] : [summarize(manifest)]));
}
