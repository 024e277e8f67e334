import * as z from "zod";
import { Ordinal } from "./names.ts";

/** A metric as JSON can carry it: what is not finite travels as a word. */
export const MetricValue = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])]);
export type MetricValue = z.infer<typeof MetricValue>;

export const Metrics = z
  .record(z.string().min(1).max(100), MetricValue)
  .refine((metrics) => Object.keys(metrics).length <= 50, { error: "at most 50 metrics" });
export type Metrics = z.infer<typeof Metrics>;

/** What an attempt says about one epoch that it has trained. */
export const EpochReport = z.strictObject({
  epoch: Ordinal,
  metrics: Metrics,
  /** Examples seen in this epoch, where the trainer says so. */
  examples: z.int().min(0).optional(),
  /** Wall-clock time of the epoch, as the trainer says, else as the agent measured it. */
  seconds: z.number().min(0),
});
export type EpochReport = z.infer<typeof EpochReport>;

/** What an attempt is told about one epoch before it trains it. */
export const EpochPlan = z.strictObject({
  epoch: Ordinal,
  /** The run's seed; the order of the data is a function of it and the epoch. */
  seed: z.int(),
  /** Absent where the batch size is the trainer's own affair. */
  batchSize: z.int().min(1).optional(),
  microBatchSize: z.int().min(1).optional(),
  accumulation: z.int().min(1).optional(),
  learningRateScale: z.number().positive(),
  /** Whether a checkpoint is due at the end of this epoch. */
  checkpoint: z.boolean(),
});
export type EpochPlan = z.infer<typeof EpochPlan>;
