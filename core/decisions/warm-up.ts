import type { TrainingJob } from "../job.ts";
import type { CheckpointSummary } from "../manifest.ts";
import type { Measured } from "../measured.ts";
import type { EpochPlan, EpochReport } from "../report.ts";
import { type LiveAttempt, type Progress, planInForce, type RunState } from "../run-state.ts";

/** Where the learning rate is, and where it goes. */
export type Rate = Pick<EpochPlan, "learningRateScale" | "warmUp">;
/** The same, of training with one batch size. */
export type SizedRate = NonNullable<Progress["rate"]>;
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

/** `rate` with `factor` in it, which a remedy multiplies it with; with 1 / factor, without. */
export function multiplied({ learningRateScale, warmUp }: Rate, factor: number): Rate {
  return {
    learningRateScale: learningRateScale * factor,
    ...(warmUp === undefined ? {} : { warmUp: { ...warmUp, from: warmUp.from * factor } }),
  };
}

/** Two ways of calculating the same can differ in the last digits. */
export const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.abs(b);

/**
 * The warm-up to the scale of what comes next, from the factor in force: what is left of the one under way where nothing has
 * changed, `steps` where the batch size has. Where only the scale has, such as with the noise scale between two epochs, the one under way
 * goes on as fast as it went, in no more than `steps`. So the factor never jumps, and is never kept from arriving.
 */
export function warmUpTo(
  inForce: SizedRate | undefined,
  { size, scale }: { readonly size: number | undefined; readonly scale: number },
  steps: number,
): EpochPlan["warmUp"] {
  if (steps === 0 || inForce === undefined) return undefined;
  const from = warmUpAt(inForce, 0);
  if (isNear(from, scale)) return undefined;
  const { warmUp: left, learningRateScale: aim } = inForce;
  if (size !== inForce.size || left === undefined) return { from, steps };
  const goesOn = left.steps * Math.max(1, Math.abs((scale - from) / (aim - from)));
  return isNear(aim, scale) ? left : { from, steps: Math.min(steps, Math.ceil(goesOn)) };
}

/** Steps of the epoch that were trained with the size that was trained last, since it was another one. */
export function stepsAtSize({ stretches }: Measured): number {
  const size = stretches.at(-1)?.batchSize;
  const since = stretches.findLastIndex(({ batchSize }) => batchSize !== size);
  return stretches.slice(since + 1).reduce((sum, { steps }) => sum + steps, 0);
}

/** How far an epoch is: so many steps, and what was measured of them. */
interface Trained {
  readonly step: number;
  readonly measured?: Measured | undefined;
}

/**
 * How an epoch is trained after so many of its steps, by the plan in force, without the `factor` of a remedy, since a later one
 * goes another way. A plan's warm-up begins with the first step of its batch size: a loader can give those before for a while.
 * `earlier` is what was in of the same epoch before: a plan of a size that was in force there goes on from there; any other
 * began where the size changed.
 */
export function rateAfter(
  { batchSize, ...plan }: Rate & Pick<EpochPlan, "batchSize">,
  { step, measured }: Trained,
  { earlier, factor }: { readonly earlier: Part | undefined; readonly factor: number },
): SizedRate | undefined {
  const trained = measured?.stretches.at(-1)?.batchSize;
  const size = batchSize ?? trained;
  if (size === undefined) return undefined;
  const told = multiplied(plan, 1 / factor);
  if (trained !== undefined && trained !== size) return { size, ...told };
  const atSize = measured === undefined ? step : stepsAtSize(measured);
  const since = Math.max(0, step - (earlier?.step ?? 0));
  const before = measured === undefined || atSize >= since ? earlier?.batch : undefined;
  return { size, ...(before?.size === size ? restOf(before, since) : restOf(told, atSize)) };
}

/**
 * How the last step of an epoch was trained that `attempt` reports, or has reported. Where nobody counted the steps, a warm-up has
 * ended with the epoch. `undefined` where the job has no warm-up, or nobody knows.
 */
export function rateAtEnd(
  { progress, numeric }: Pick<RunState, "progress" | "numeric">,
  attempt: LiveAttempt,
  { epoch, measured }: EpochReport,
  { learningRate }: TrainingJob,
): SizedRate | undefined {
  if (learningRate.warmUp === 0) return undefined;
  const reported = attempt.pending.find(({ report }) => report.epoch === epoch);
  if (reported !== undefined) return reported.rate;
  const plan = planInForce(attempt);
  if (plan.epoch !== epoch) return undefined;
  const counted = measured?.stretches.some(({ examples }) => examples > 0) === true ? measured : undefined;
  const steps = counted?.stretches.reduce((sum, stretch) => sum + stretch.steps, 0);
  return rateAfter(
    plan,
    { step: steps ?? Number.POSITIVE_INFINITY, measured: counted },
    {
      earlier: epoch === progress.epoch + 1 ? progress.partial : undefined,
      factor: numeric?.learningRateFactor ?? 1,
    },
  );
}

/** What is in of the epoch that `checkpoint` was taken in the middle of; `earlier` and `factor` as in `rateAfter`. */
export function partOf(
  { step, seconds = 0, plan, measured }: CheckpointSummary,
  earlier: Part | undefined,
  factor: number,
): Part | undefined {
  if (step === undefined) return undefined;
  const part: Part = { step, seconds };
  if (plan?.batchSize === undefined) return part;
  const batch = rateAfter(plan, { step, measured }, { earlier, factor });
  return batch === undefined ? part : { ...part, batch };
}
