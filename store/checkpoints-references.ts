import { hash } from "node:crypto";
import type { Manifest, ManifestFile } from "../core/manifest.ts";
import { inParallel, type ParallelOptions, untilAborted } from "./checkpoints-parallel.ts";
import { digestOf, isSmall, type SourceFile, sourceBytes, sourceChunks } from "./checkpoints-source.ts";

/** A checkpoint refers to so many others at most: retention must keep each of them. */
const maxReferences = 4;

export const sourceDigest = async (file: SourceFile, signal: AbortSignal): Promise<string> =>
  isSmall(file)
    ? hash("sha256", await sourceBytes(file), "hex")
    : await digestOf(untilAborted(sourceChunks(file), signal));

export interface Comparison {
  /** What an earlier checkpoint holds already, by path. */
  readonly references: ReadonlyMap<string, ManifestFile>;
  /** The digests that were found on the way, by path. */
  readonly digests: ReadonlyMap<string, string>;
}

interface Unchanged {
  readonly held: ManifestFile;
  readonly holder: string;
}

/** The prefix of the checkpoint that has `key` among its own; `undefined` where it is none of `run`. */
function holderOf(run: string, key: string): string | undefined {
  const [holder, of] = /^checkpoints\/([^/]+)\/[^/]+\//.exec(key) ?? [];
  return of === run ? holder : undefined;
}

/** The holders that save most bytes. */
function bestHolders(unchanged: readonly Unchanged[]): Set<string> {
  const bytes = new Map<string, number>();
  for (const { holder, held } of unchanged) bytes.set(holder, (bytes.get(holder) ?? 0) + held.sizeBytes);
  const ranked = [...bytes].sort(([, a], [, b]) => b - a);
  return new Set(ranked.slice(0, maxReferences).map(([holder]) => holder));
}

/** Finds the files that have not changed since `previous`: same path, size and digest. */
export async function compare(
  files: readonly SourceFile[],
  run: string,
  previous: Manifest | undefined,
  options: ParallelOptions,
): Promise<Comparison> {
  const before = new Map(previous?.files.map((file) => [file.path, file]));
  const candidates = files.flatMap((file) => {
    const held = before.get(file.name);
    if (held === undefined || held.sizeBytes !== file.facts.sizeBytes) return [];
    const holder = holderOf(run, held.key);
    return holder === undefined ? [] : [{ file, held, holder }];
  });
  const digests = new Map<string, string>();
  await inParallel(candidates, options, async ({ file }, signal) => {
    digests.set(file.name, await sourceDigest(file, signal));
  });
  const unchanged = candidates.filter(({ file, held }) => digests.get(file.name) === held.sha256);
  const holders = bestHolders(unchanged);
  const references = new Map(
    unchanged.filter(({ holder }) => holders.has(holder)).map(({ held }) => [held.path, held]),
  );
  return { references, digests };
}
