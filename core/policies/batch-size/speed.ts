import type { BatchProgress } from "../../batch-progress.ts";
import { goodput } from "../../estimators/goodput.ts";
import {
  expectedSeconds,
  fitStepTime,
  type Layout,
  type StepTime,
  type Timing,
} from "../../estimators/step-time.ts";
import { splitBatch } from "../memory.ts";

/** A timing counts as measured from so many steps on: of fewer, one bad step decides the median. */
export const enoughSteps = 3;

/** A change that obtains less than this did not pay: medians of a few steps are good to a few percent, no better. */
export const leastGain = 0.95;

/** A step of a size, and what it takes. */
export interface Pace {
  readonly batchSize: number;
  readonly seconds: number;
}

/** How many times as much `to` gets done as `from`: of goodput where the noise scale is known, else of examples a second. */
export function gain(from: Pace, to: Pace, noiseScale: number | undefined): number {
  if (noiseScale === undefined) return to.batchSize / to.seconds / (from.batchSize / from.seconds);
  const reached = ({ batchSize, seconds }: Pace) => goodput(batchSize, seconds, noiseScale, from.batchSize);
  return reached(to) / reached(from);
}

/** What is known of the speed of the machine in use. */
export interface Speed {
  /** Sizes whose steps are timed, ascending. */
  readonly timed: readonly number[];
  /** What fits all that was timed; `undefined` without any. */
  model(): StepTime | undefined;
  /** Of a size as it was run last; `undefined` where it was not timed. */
  measured(batchSize: number): Pace | undefined;
  /** As measured in the layout that it would have now, else by the model; `undefined` without any timing. */
  expected(batchSize: number): Pace | undefined;
}

const sameLayout = (a: Layout, b: Layout): boolean =>
  a.batchSize === b.batchSize && a.microBatchSize === b.microBatchSize && a.workers === b.workers;

/** `microBatchLimit`: examples that fit at once, of all workers together, where that is known. */
export function speedOf(
  { timings, machine }: Pick<BatchProgress, "timings" | "machine">,
  microBatchLimit: number | undefined,
): Speed {
  const known: readonly Timing[] = (timings[machine] ?? []).filter(({ steps }) => steps >= enoughSteps);
  const workers = known.at(-1)?.workers ?? 1;
  let fit: StepTime | undefined;
  const model = () => {
    fit ??= fitStepTime(known);
    return fit;
  };
  const paceOf = (timing: Timing | undefined) =>
    timing === undefined ? undefined : { batchSize: timing.batchSize, seconds: timing.stepSeconds };
  return {
    timed: [...new Set(known.map(({ batchSize }) => batchSize))].sort((a, b) => a - b),
    model,
    measured: (batchSize) => paceOf(known.findLast((timing) => timing.batchSize === batchSize)),
    expected: (batchSize) => {
      const together = splitBatch(batchSize, microBatchLimit).microBatchSize;
      const layout = { batchSize, workers, microBatchSize: Math.ceil(together / workers) };
      const measured = paceOf(known.findLast((timing) => sameLayout(timing, layout)));
      const line = measured === undefined ? model() : undefined;
      return line === undefined ? measured : { batchSize, seconds: expectedSeconds(line, known, layout) };
    },
  };
}
