import * as z from "zod";
import { Measured } from "./measured.ts";
import { MetricValue } from "./metric-value.ts";
import { Ordinal } from "./names.ts";

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
  /** Of the whole epoch, where the trainer or the agent measured it. */
  measured: Measured.optional(),
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
  /** The scale goes from this one to `learningRateScale` over so many steps, from where this plan begins to hold. */
  warmUp: z.strictObject({ from: z.number().positive(), steps: z.int().min(1) }).optional(),
  /** What the trainer is to measure, where it can: what its steps take, or the norms of their gradients too. */
  measure: z.enum(["times", "norms"]).optional(),
  /** Whether a checkpoint is due at the end of this epoch. */
  checkpoint: z.boolean(),
});
export type EpochPlan = z.infer<typeof EpochPlan>;
