import type { EpochPlan } from "../core/report.ts";

/** What the learning rate is multiplied with in the step that follows `done` steps of a plan. */
export function scaleAfter(
  { learningRateScale, warmUp }: Pick<EpochPlan, "learningRateScale" | "warmUp">,
  done: number,
): number {
  if (warmUp === undefined || done >= warmUp.steps) return learningRateScale;
  return warmUp.from + ((learningRateScale - warmUp.from) * done) / warmUp.steps;
}
