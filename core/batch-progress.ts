import * as z from "zod";
import { NoiseEstimate } from "./estimators/noise-scale.ts";
import { StepTime, Timing } from "./estimators/step-time.ts";
import { Ordinal } from "./names.ts";

const Size = z.int().min(1);

/** A change of the batch size: why, and what came of it. */
export const BatchChange = z.strictObject({
  /** Counted from 1 in a run. */
  number: Ordinal,
  epoch: Ordinal,
  /** After so many steps of the epoch; 0 at its beginning. */
  step: z.int().min(0),
  from: Size,
  to: Size,
  /** In examples, as it was measured when the change was decided. */
  noiseScale: z.number().optional(),
  stepTime: StepTime.optional(),
  /** Of goodput, or of what the policy follows: 1.2 is a fifth faster. */
  predictedGain: z.number().optional(),
  obtainedGain: z.number().optional(),
  /** `open` until enough steps are measured; `back`: it took an earlier change back. */
  outcome: z.enum(["open", "kept", "undone", "back"]),
  /** Why it was undone, in words. */
  because: z.string().max(200).optional(),
});
export type BatchChange = z.infer<typeof BatchChange>;

/** How many changes the state keeps; the journal has all. */
export const keptChanges = 6;

/** Timings of one machine that are kept: the newest of each layout. */
export const keptTimings = 12;

/** Machines whose timings are kept. */
export const keptMachines = 4;

/** Bars that are kept: the newest. */
export const keptBars = 8;

/** What did not pay, and what lies beyond it, for as long as fewer examples are trained. */
export const Bar = z.strictObject({
  size: Size,
  direction: z.enum(["up", "down"]),
  untilExamples: z.int().min(0),
  /** Where it was for the times of steps: on another machine it may pay. */
  machine: z.string().optional(),
});
export type Bar = z.infer<typeof Bar>;

/**
 * What a run has learnt of its batch size from what its trainer measured: the sum over all its stretches, in order, so that it is
 * the same whether training was interrupted or not. Kept with each checkpoint. Bounded.
 */
export const BatchProgress = z.strictObject({
  /** Of the first step, and of the newest. */
  first: Size,
  size: Size,
  /** Steps since it changed, and those of them whose times were taken. */
  stepsAtSize: z.int().min(0),
  timedAtSize: z.int().min(0),
  /** The size that training had when the newest epoch was begun: growth within an epoch is bounded by it. */
  epochStart: z.strictObject({ epoch: Ordinal, size: Size }),
  /** Examples in all stretches; where nobody told them, those that as many whole steps have. */
  examples: z.int().min(0),
  /** Those of the newest epoch that is whole. */
  epochExamples: z.int().min(0).optional(),
  noise: NoiseEstimate.optional(),
  /** The newest noise scale that could be trusted, in examples: the learning rate does not jump where it is in doubt. */
  noiseScale: z.number().optional(),
  /** What the newest steps ran on; `local` on a machine of one's own. */
  machine: z.string(),
  timings: z.record(z.string(), z.array(Timing).max(keptTimings)),
  /** A timing that was too far off to be believed: believed where the next one says the same. */
  suspect: Timing.optional(),
  changeCount: z.int().min(0),
  /** Oldest first. */
  changes: z.array(BatchChange).max(keptChanges),
  /** Sizes that did not pay, and those beyond them, are not tried until so many examples are trained. */
  barred: z.array(Bar).max(keptBars),
  /** Changes that were undone, in all, by their direction: each makes the bar that it leaves twice as long. */
  failures: z.strictObject({ up: z.int().min(0), down: z.int().min(0) }).optional(),
  /**
   * Of the metric that the policy follows, else of the one that tells whether training got worse: the best value, the epoch that had
   * it, the newest value and epoch, and how much it changes from epoch to epoch, the newest counted most.
   */
  metric: z
    .strictObject({
      name: z.string(),
      best: z.number(),
      bestEpoch: Ordinal,
      last: z.number(),
      lastEpoch: Ordinal,
      swing: z.number().min(0).optional(),
    })
    .optional(),
  /** Whether that metric was no number when it was reported last. */
  metricLost: z.boolean().optional(),
  optimizer: z.string().optional(),
  /** Whether the trainer takes another size between two steps. */
  resizes: z.boolean(),
  /** Steps since norms came, where some are missed. */
  stepsWithoutNorms: z.int().min(0).optional(),
  /** Whether the newest noise scale fell so far that the next one has to bear it out. */
  noiseFell: z.boolean().optional(),
  /** What of the newest measurements could not be used, and why. */
  trouble: z.string().max(300).optional(),
});
export type BatchProgress = z.infer<typeof BatchProgress>;

/** What an epoch begins with before anything was learnt. */
export const nothingLearnt = (first: number, machine: string): BatchProgress => ({
  first,
  size: first,
  stepsAtSize: 0,
  timedAtSize: 0,
  epochStart: { epoch: 1, size: first },
  examples: 0,
  machine,
  timings: {},
  changeCount: 0,
  changes: [],
  barred: [],
  resizes: true,
});
