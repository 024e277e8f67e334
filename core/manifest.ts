import * as z from "zod";
import { Measured } from "./measured.ts";
import { CheckpointName, Digest, Moment, Name, Ordinal } from "./names.ts";
import { DataPosition, Step } from "./position.ts";
import { EpochPlan, EpochReport } from "./report.ts";

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

/** What a checkpoint that was taken in the middle of an epoch knows of that epoch. */
const partial = {
  /** So many steps of `epoch` are in the files; absent where the whole epoch is. */
  step: Step.optional(),
  /** Seconds that `epoch` has been trained for up to there, in all attempts that are in the files. */
  seconds: z.number().min(0).optional(),
  /** How `epoch` is trained there, and what was measured of it. */
  plan: EpochPlan.optional(),
  measured: Measured.optional(),
};

/** A whole epoch's has that epoch's report; a part's has a position, and reports of epochs before it only. */
const isConsistent = ({
  epoch,
  step,
  seconds,
  position,
  plan,
  measured,
  reports,
}: {
  readonly epoch: number;
  readonly step?: number | undefined;
  readonly seconds?: number | undefined;
  readonly position?: DataPosition | undefined;
  readonly plan?: EpochPlan | undefined;
  readonly measured?: Measured | undefined;
  readonly reports: readonly EpochReport[];
}): boolean => {
  const last = reports.at(-1)?.epoch;
  if (step === undefined) {
    const ofAPart = [seconds, position, plan, measured];
    return ofAPart.every((each) => each === undefined) && last === epoch;
  }
  if (plan !== undefined && plan.epoch !== epoch) return false;
  return seconds !== undefined && position !== undefined && (last === undefined || last === epoch - 1);
};

/** `manifest.json`, written last and only if absent: with it a checkpoint is complete. */
export const Manifest = z
  .strictObject({
    version: z.literal(1),
    run: Name,
    name: CheckpointName,
    attempt: Ordinal,
    /** The last epoch whose training is in these files, as a whole or up to `step`. */
    epoch: Ordinal,
    ...partial,
    /** From where in the data the rest of the epoch is to be trained; with `step` only. */
    position: DataPosition.optional(),
    at: Moment,
    jobDigest: Digest,
    /** Free words of the trainer on what wrote the files ("pytorch 2.9"). */
    framework: z.string().max(100).optional(),
    files: z.array(ManifestFile),
    /** The reports of the epochs that this checkpoint completes, in order: with them it can be adopted. */
    reports: z.array(EpochReport),
  })
  .refine(isConsistent, { error: "says of a step, a position and reports what does not go together" });
export type Manifest = z.infer<typeof Manifest>;

/** What the run's state keeps of a manifest: small, whatever the number of files. */
export const CheckpointSummary = z.strictObject({
  name: CheckpointName,
  attempt: Ordinal,
  epoch: Ordinal,
  ...partial,
  at: Moment,
  files: z.int().min(0),
  sizeBytes: z.int().min(0),
  /** Names of the earlier checkpoints that hold files of this one. */
  refersTo: z.array(CheckpointName),
  reports: z.array(EpochReport),
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
    ...(manifest.step === undefined ? {} : { step: manifest.step }),
    ...(manifest.seconds === undefined ? {} : { seconds: manifest.seconds }),
    ...(manifest.plan === undefined ? {} : { plan: manifest.plan }),
    ...(manifest.measured === undefined ? {} : { measured: manifest.measured }),
    at: manifest.at,
    files: manifest.files.length,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    refersTo: referredCheckpoints(manifest),
    reports: manifest.reports,
  };
}
