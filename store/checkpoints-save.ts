import { PawlError } from "../core/errors.ts";
import { checkpointName, checkpointPrefix, manifestKey } from "../core/keys.ts";
import { Manifest, type ManifestFile } from "../core/manifest.ts";
import type { Measured } from "../core/measured.ts";
import type { DataPosition } from "../core/position.ts";
import type { EpochPlan, EpochReport } from "../core/report.ts";
import { readManifest } from "./checkpoints-manifest.ts";
import { inParallel, type ParallelOptions, untilAborted } from "./checkpoints-parallel.ts";
import { type Comparison, compare, sourceDigest } from "./checkpoints-references.ts";
import {
  digestOf,
  isSmall,
  type SourceFile,
  sourceBytes,
  sourceChunks,
  sourceFiles,
} from "./checkpoints-source.ts";
import type { ObjectStore } from "./object-store.ts";

/** How far an epoch was when it was saved in its middle. */
export interface PartialEpoch {
  readonly step: number;
  /** From where in the data the rest of the epoch is to be trained. */
  readonly position: DataPosition;
  /** For how long the epoch was trained up to there, in all attempts that are in the files. */
  readonly seconds: number;
  /** How the rest of the epoch is trained, and what was measured of it up to there. */
  readonly plan?: EpochPlan;
  readonly measured?: Measured;
}

export interface SaveInput {
  readonly run: string;
  readonly attempt: number;
  /** The last epoch whose training is in the files, as a whole or in part. */
  readonly epoch: number;
  /** Where only a part of `epoch` is in the files. */
  readonly partial?: PartialEpoch;
  /** What to save; nothing in it may change meanwhile. */
  readonly folder: string;
  readonly jobDigest: string;
  /** ISO 8601 with milliseconds. */
  readonly at: string;
  readonly framework?: string;
  /** Of the epochs that this checkpoint completes, in order; there may be none where it is partial. */
  readonly reports: readonly EpochReport[];
  /**
   * An earlier checkpoint of the run. Files that have not changed since are referred to, so it and what it refers to
   * must be kept until this one is committed, and retention then keeps what is referred to.
   */
  readonly previous?: Manifest;
}

/**
 * Saves a folder as checkpoint `<epoch>-<attempt>[-<step>]`; it is complete, and durable, when this returns. May be repeated
 * after a failure or a kill at any point, with the same files. Errors: CHECKPOINT_PATH for what cannot be in a
 * checkpoint, and for no file at all; CHECKPOINT_DAMAGED where other bytes have that name already; the store's.
 */
export async function saveCheckpoint(
  store: ObjectStore,
  input: SaveInput,
  options: ParallelOptions = {},
): Promise<Manifest> {
  const name = checkpointName(input.epoch, input.attempt, input.partial?.step);
  const sources = await sourceFiles(input.folder);
  const previous = input.previous?.name === name ? undefined : input.previous;
  const comparison = await compare(sources, input.run, previous, options);
  const prefix = checkpointPrefix(input.run, name);
  const files = await inParallel(sources, options, async (source, signal) => {
    const held = comparison.references.get(source.name);
    return held ?? (await write(store, prefix, name, source, comparison, signal));
  });
  const { run, attempt, epoch, at, jobDigest, framework, reports } = input;
  const manifest = Manifest.parse({
    version: 1,
    run,
    name,
    attempt,
    epoch,
    ...input.partial,
    at,
    jobDigest,
    ...(framework === undefined ? {} : { framework }),
    files,
    reports,
  });
  options.signal?.throwIfAborted();
  const written = await store.create(manifestKey(run, name), `${JSON.stringify(manifest, undefined, 1)}\n`);
  return written === undefined ? await existing(store, manifest) : manifest;
}

const taken = (checkpoint: string, path: string): PawlError =>
  new PawlError("CHECKPOINT_DAMAGED", `checkpoint ${checkpoint} holds another ${path} already`, {
    next: "Two processes must not save the same checkpoint; a new attempt saves one of its own.",
    details: { checkpoint, path },
  });

/** Writes a file's bytes; those of an earlier try stay, if they are the same. */
async function write(
  store: ObjectStore,
  prefix: string,
  checkpoint: string,
  source: SourceFile,
  { digests }: Comparison,
  signal: AbortSignal,
): Promise<ManifestFile> {
  const key = `${prefix}${source.name}`;
  const known = digests.get(source.name);
  const body = isSmall(source) ? await sourceBytes(source) : untilAborted(sourceChunks(source), signal);
  const written = await store.create(key, body, known === undefined ? {} : { sha256: known });
  if (written !== undefined) {
    return { path: source.name, key, sizeBytes: written.sizeBytes, sha256: written.sha256 };
  }
  const sha256 = known ?? (await sourceDigest(source, signal));
  const object = await store.open(key);
  const there = object === undefined ? undefined : await digestOf(untilAborted(object.body, signal));
  if (there !== sha256) throw taken(checkpoint, source.name);
  return { path: source.name, key, sizeBytes: source.facts.sizeBytes, sha256 };
}

const contents = (manifest: Manifest): string =>
  manifest.files.map((file) => `${file.sha256} ${file.path}`).join("\n");

/** The manifest that is there already, if it is of the same files. */
async function existing(store: ObjectStore, manifest: Manifest): Promise<Manifest> {
  const there = await readManifest(store, manifest.run, manifest.name);
  if (there === undefined || contents(there) !== contents(manifest))
    throw taken(manifest.name, "manifest.json");
  return there;
}
