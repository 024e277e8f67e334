import type { Norms } from "./stretch.ts";

/** What whoever observes gradients asks of the epoch that is being trained, and tells it. */
export interface ObservedEpoch {
  /** Steps of it that are trained. */
  readonly steps: number;
  /** Examples of the step that is being trained; `undefined` where nobody knows. */
  readonly stepExamples: number | undefined;
  /** Whether its micro-batches come from `batches`, which splits what is to be measured. */
  readonly isBatched: boolean;
  /** Whether the norms of this step's gradients are wanted. */
  readonly normsDue: boolean;
  /** This step's norms are being measured, which takes longer than a step. */
  measures(): void;
  observed(norms: Norms): void;
}

/** Between `observe`, which the trainer calls once, and the epoch that is being trained. One trainer trains in a process. */
export const observing: {
  epoch: ObservedEpoch | undefined;
  /** Whether gradients are observed at all. */
  isOn: boolean;
  optimizer: string | undefined;
} = { epoch: undefined, isOn: false, optimizer: undefined };
