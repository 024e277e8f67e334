import { checkpointPrefix, checkpointsPrefix, manifestKey } from "../core/keys.ts";
import type { Manifest, ManifestFile } from "../core/manifest.ts";
import { beginsFrom, isAdoptable } from "../core/prune.ts";
import type { RunState } from "../core/run-state.ts";
import { damaged, parseManifest } from "./checkpoints-manifest.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import type { ObjectStore } from "./object-store.ts";

/** A checkpoint that is to be in the destination: its files, and then its manifest. */
export interface CheckpointCopy {
  readonly run: string;
  readonly name: string;
  /** Whether the run could not go on without it. */
  readonly required: boolean;
  /** As it is, byte for byte. */
  readonly manifest: Uint8Array;
  readonly files: readonly ManifestFile[];
}

/** A checkpoint that stays behind since it is damaged in the source. */
export interface LeftOut {
  readonly checkpoint: string;
  /** What is wrong with which of its files, in words. */
  readonly why: string;
}

export interface CheckpointPlan {
  /** Oldest first. */
  readonly checkpoints: readonly CheckpointCopy[];
  readonly leftOut: readonly LeftOut[];
}

interface Wanted {
  readonly run: string;
  readonly name: string;
  readonly required: boolean;
  /** Whether training can go on from it: one that is kept only for its files may refer to what is gone. */
  readonly restorable: boolean;
}

/** What the run keeps, what it can still adopt, and what it begins from. */
async function wantedCheckpoints(from: ObjectStore, state: RunState): Promise<Wanted[]> {
  const { run, kept } = state;
  const names = new Set(kept.map(({ name }) => name));
  const wanted: Wanted[] = [];
  const origin = beginsFrom(state);
  if (origin !== undefined) {
    wanted.push({ run: origin.run, name: origin.checkpoint, required: true, restorable: true });
  }
  for (const [index, { name, refersTo }] of kept.entries()) {
    const restorable = refersTo.every((reference) => names.has(reference));
    wanted.push({ run, name, required: index === kept.length - 1, restorable });
  }
  for await (const name of from.children(checkpointsPrefix(run))) {
    if (!isAdoptable(state, name) || names.has(name)) continue;
    if (await from.has(manifestKey(run, name))) wanted.push({ run, name, required: false, restorable: true });
  }
  return wanted;
}

const words = (path: string, is: string): string => `${path} ${is}`;

/** What must be in the destination before the manifest; or what is wrong. */
function filesOf({ run, name, restorable }: Wanted, manifest: Manifest): ManifestFile[] | string {
  const own = checkpointPrefix(run, name);
  const files = manifest.files.filter(({ key }) => restorable || key.startsWith(own));
  // A manifest may come from a store that others write to: it must not name an object of another kind.
  const foreign = files.find(({ key }) => !key.startsWith(checkpointsPrefix(run)));
  return foreign === undefined
    ? files
    : words(foreign.path, `has the key ${foreign.key}, which is none of ${run}`);
}

async function look(from: ObjectStore, wanted: Wanted): Promise<CheckpointCopy | LeftOut> {
  const { run, name, required } = wanted;
  const bad = (path: string, is: string) => {
    if (required) throw damaged(name, path, is);
    return { checkpoint: name, why: words(path, is) };
  };
  const object = await from.read(manifestKey(run, name));
  if (object === undefined) return bad("manifest.json", "is missing");
  let manifest: Manifest;
  try {
    ({ manifest } = parseManifest(object.bytes, name));
  } catch {
    return bad("manifest.json", "cannot be read");
  }
  if (manifest.run !== run || manifest.name !== name)
    return bad("manifest.json", `says that it is of checkpoint ${manifest.name} of run ${manifest.run}`);
  const files = filesOf(wanted, manifest);
  if (typeof files === "string") return bad("manifest.json:", files);
  return { run, name, required, manifest: object.bytes, files };
}

/**
 * What of a run's checkpoints goes over: those that it keeps and, where an attempt may have died behind the journal, what
 * can still be adopted. Errors: CHECKPOINT_DAMAGED where one is damaged that the run could not go on without.
 */
export async function planCheckpoints(
  from: ObjectStore,
  state: RunState,
  signal: AbortSignal,
): Promise<CheckpointPlan> {
  const wanted = await wantedCheckpoints(from, state);
  const seen = await inParallel(wanted, { concurrency: 8, signal }, (each) => look(from, each));
  return {
    checkpoints: seen.flatMap((each) => ("files" in each ? [each] : [])),
    leftOut: seen.flatMap((each) => ("why" in each ? [each] : [])),
  };
}
