import type { GradientNorms, Measured } from "./measured.ts";
import type { EpochPlan } from "./report.ts";

/** An epoch of which nobody says how many examples it has counts as so many steps: enough for a size to have been held. */
const unknownSteps = 1000;

/** What an epoch as a whole says of its steps. */
interface Whole {
  readonly examples?: number | undefined;
  readonly seconds: number;
  readonly norms?: GradientNorms | undefined;
}

/**
 * What can be known of an epoch whose steps nobody measured: all of them alike, and what came between them counts as theirs.
 * `undefined` where nobody knows its batch size.
 */
export function unmeasuredEpoch(
  { batchSize, microBatchSize = batchSize }: Pick<EpochPlan, "batchSize" | "microBatchSize">,
  { examples = 0, seconds, norms }: Whole,
): Measured | undefined {
  if (batchSize === undefined || microBatchSize === undefined) return undefined;
  const steps = examples > 0 ? Math.ceil(examples / batchSize) : unknownSteps;
  const isTimed = examples > 0 && seconds > 0;
  const stretch = {
    batchSize,
    microBatchSize,
    workers: 1,
    steps,
    examples,
    ...(isTimed ? { timed: { stepSeconds: seconds / steps, steps } } : {}),
    ...(norms === undefined ? {} : { norms }),
  };
  return { stretches: [stretch], resizes: false };
}
