import type { CheckpointSummary } from "../manifest.ts";
import type { Measured } from "../measured.ts";
import type { EpochPlan } from "../report.ts";
import type { Progress } from "../run-state.ts";

type Rate = Pick<EpochPlan, "learningRateScale" | "warmUp">;
type Part = NonNullable<Progress["partial"]>;

/** The factor in force after so many steps of a plan: on its way where it warms up. */
export function warmUpAt({ learningRateScale: to, warmUp }: Rate, steps: number): number {
  if (warmUp === undefined || steps >= warmUp.steps) return to;
  return warmUp.from + ((to - warmUp.from) * steps) / warmUp.steps;
}

/** How a plan goes on after so many of its steps. */
export function restOf(rate: Rate, steps: number): Rate {
  const { learningRateScale, warmUp } = rate;
  if (warmUp === undefined || steps >= warmUp.steps) return { learningRateScale };
  return { learningRateScale, warmUp: { from: warmUpAt(rate, steps), steps: warmUp.steps - steps } };
}

/** Steps of the epoch that were trained with the size that was trained last, since it was another one. */
export function stepsAtSize({ stretches }: Measured): number {
  const size = stretches.at(-1)?.batchSize;
  const since = stretches.findLastIndex(({ batchSize }) => batchSize !== size);
  return stretches.slice(since + 1).reduce((sum, { steps }) => sum + steps, 0);
}

/**
 * What is in of the epoch that `checkpoint` was taken in the middle of. `earlier` is what was in of the same epoch before, and
 * `factor` what a remedy multiplies the learning rate with: it is left out, since a later one goes another way.
 */
export function partOf(
  { step, seconds = 0, plan, measured }: CheckpointSummary,
  earlier: Part | undefined,
  factor: number,
): Part | undefined {
  if (step === undefined) return undefined;
  const part: Part = { step, seconds };
  if (plan?.batchSize === undefined) return part;
  const { batchSize: size, warmUp } = plan;
  const told: Rate = {
    learningRateScale: plan.learningRateScale / factor,
    ...(warmUp === undefined ? {} : { warmUp: { ...warmUp, from: warmUp.from / factor } }),
  };
  const atSize = measured === undefined ? step : stepsAtSize(measured);
  const sinceEarlier = step - (earlier?.step ?? 0);
  // A plan of a size that was in force before goes on from there; any other began where the size changed.
  const left =
    earlier?.batch?.size === size && (measured === undefined || atSize > sinceEarlier)
      ? restOf(earlier.batch, sinceEarlier)
      : restOf(told, atSize);
  return { ...part, batch: { size, ...left } };
}
