import * as z from "zod";
import { MetricValue } from "./metric-value.ts";

/** More than this is no count of anything: counts are added up and calculated with, which is not to take long, or overflow. */
const most = 2 ** 40;
const Count = z.int().min(1).max(most);

/** The type of a machine of one's own: what runs on it is remembered under this name. */
export const ownMachine = "local";

/**
 * What a measured step still counts in a stretch's mean norms after the next one: a long stretch tells the newest 100 or so, since the
 * noise scale changes within an epoch. The helpers (trainer/stretch.ts, python/pawl/_measuring.py) have the same.
 */
export const keptByStep = 1 - 1 / 128;

/**
 * Squared norms of gradients at two batch sizes, each the mean over `steps` steps: what tells noise from signal. As a trainer
 * measured them: what cannot be right travels too, so that a policy can say why it holds.
 */
export const GradientNorms = z.strictObject({
  small: z.strictObject({ examples: Count, squaredNorm: MetricValue }),
  large: z.strictObject({ examples: Count, squaredNorm: MetricValue }),
  steps: Count,
  /** What the steps count for together, the newest for 1 and older ones for less; absent where all count alike. */
  weight: z.number().positive().max(most).optional(),
});
export type GradientNorms = z.infer<typeof GradientNorms>;

/** A stretch: steps of one epoch that were trained alike, one after the other. */
export const Stretch = z.strictObject({
  /** Examples in a step of the optimizer, over all workers. */
  batchSize: Count,
  /** Examples that went through the model at once, in each worker. */
  microBatchSize: Count,
  /** Workers that shared each step. */
  workers: Count,
  steps: Count,
  examples: z.int().min(0).max(most),
  /** The median of what its timed steps took, in seconds, and how many were timed. */
  timed: z.strictObject({ stepSeconds: MetricValue, steps: Count }).optional(),
  norms: GradientNorms.optional(),
  /** The most memory of the device that was in use, and what it has, in bytes. */
  memory: z.strictObject({ peakBytes: z.int().min(0), totalBytes: z.int().min(1) }).optional(),
  /** The type of machine that all of it was trained on, `local` for one of one's own, where that is another one than the newest. */
  machine: z.string().min(1).max(50).optional(),
});
export type Stretch = z.infer<typeof Stretch>;

/** More stretches than this are not kept of one epoch: after so many its sizes stay as they are. */
export const maxStretches = 32;

/** What was measured of one epoch so far, or of all of it. */
export const Measured = z.strictObject({
  /** In their order. */
  stretches: z.array(Stretch).max(maxStretches),
  /** The optimizer's name, as the framework has it: `SGD`, `AdamW`. */
  optimizer: z.string().min(1).max(100).optional(),
  /** Whether the trainer takes another batch size between two steps. */
  resizes: z.boolean(),
  /** The instance's type; absent on a machine of one's own. The agent says it, not the trainer. */
  machine: z.string().min(1).max(50).optional(),
});
export type Measured = z.infer<typeof Measured>;
