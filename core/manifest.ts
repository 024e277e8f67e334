import * as z from "zod";
import { CheckpointName, Digest, Moment, Name, Ordinal } from "./names.ts";
import { EpochReport } from "./report.ts";

/**
 * A path inside a checkpoint: relative, `/` between segments, and never out of its folder. Read by restore and pull
 * before they write anything, since a manifest may come from a store that others write to.
 */
export const CheckpointPath = z
  .string()
  .min(1)
  .max(700)
  .refine(
    (path) =>
      !path.includes("\0") &&
      !path.includes("\\") &&
      path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    { error: "must be a relative path that stays in its folder" },
  )
  .refine((path) => path !== "manifest.json", { error: "manifest.json is the checkpoint's own" });

export const ManifestFile = z.strictObject({
  path: CheckpointPath,
  /** Where the bytes are: under this checkpoint, or under the earlier one whose file has not changed since. */
  key: z.string().min(1).max(1024),
  sizeBytes: z.int().min(0),
  sha256: Digest,
});
export type ManifestFile = z.infer<typeof ManifestFile>;

/** `manifest.json`, written last and only if absent: with it a checkpoint is complete. */
export const Manifest = z.strictObject({
  version: z.literal(1),
  run: Name,
  name: CheckpointName,
  attempt: Ordinal,
  /** The last epoch whose training is in these files. */
  epoch: Ordinal,
  at: Moment,
  jobDigest: Digest,
  /** Free words of the trainer on what wrote the files ("pytorch 2.9"). */
  framework: z.string().max(100).optional(),
  files: z.array(ManifestFile),
  /** The reports of the epochs that this checkpoint completes, in order: with them it can be adopted. */
  reports: z.array(EpochReport).min(1),
});
export type Manifest = z.infer<typeof Manifest>;

/** What the run's state keeps of a manifest: small, whatever the number of files. */
export const CheckpointSummary = z.strictObject({
  name: CheckpointName,
  attempt: Ordinal,
  epoch: Ordinal,
  at: Moment,
  files: z.int().min(0),
  sizeBytes: z.int().min(0),
  /** Names of the earlier checkpoints that hold files of this one. */
  refersTo: z.array(CheckpointName),
  reports: z.array(EpochReport).min(1),
});
export type CheckpointSummary = z.infer<typeof CheckpointSummary>;

const holder = (key: string): string | undefined => /^checkpoints\/[^/]+\/([^/]+)\//.exec(key)?.[1];

/** The other checkpoints that hold files of `manifest`, in the order of their first mention. */
export function referredCheckpoints(manifest: Manifest): string[] {
  const names = new Set<string>();
  for (const file of manifest.files) {
    const name = holder(file.key);
    if (name !== undefined && name !== manifest.name) names.add(name);
  }
  return [...names];
}

export function summarize(manifest: Manifest): CheckpointSummary {
  return {
    name: manifest.name,
    attempt: manifest.attempt,
    epoch: manifest.epoch,
    at: manifest.at,
    files: manifest.files.length,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    refersTo: referredCheckpoints(manifest),
    reports: manifest.reports,
  };
}
