import type { BatchProgress } from "../../batch-progress.ts";
import type { StepTime } from "../../estimators/step-time.ts";

/** What a policy may look at. */
export interface Seen {
  /** The epoch that the size is for. */
  readonly epoch: number;
  /** What was learnt so far; absent before the first stretch. */
  readonly learnt: BatchProgress | undefined;
  /** Examples that fit into memory at once, where that is known. */
  readonly microBatchLimit: number | undefined;
}

/** What a policy chooses, and why. */
export interface Choice {
  readonly size: number;
  /** `batch size 64, fixed`. Goes on where it was: `batch size 64 held: …`. */
  readonly reason: string;
  /** What the choice was made from, for the record of a change. */
  readonly noiseScale?: number;
  readonly stepTime?: StepTime;
  /** Of what the policy follows, if it is another size than now. */
  readonly predictedGain?: number;
}

/** A policy: a pure function of its parameters and of what was learnt. */
export type Rule<Parameters> = (parameters: Parameters, seen: Seen) => Choice;
