import type { MetricGoal } from "../metric-goal.ts";
import { isFurther, reach } from "../position.ts";
import type { KeptCheckpoint } from "../run-state.ts";

/**
 * Which checkpoints have to stay, worked out by another way than the policy's: each is asked for its reasons. `keep`: how
 * many of the newest whole epochs; of equally good ones the earliest is the best.
 */
export function mustStay(
  policy: { readonly keep: number; readonly best?: MetricGoal | undefined },
  checkpoints: readonly KeptCheckpoint[],
): string[] {
  const judged =
    policy.best === undefined ? [] : checkpoints.filter(({ bestValue }) => bestValue !== undefined);
  const sign = policy.best?.mode === "max" ? -1 : 1;
  const [best] = judged.toSorted((a, b) => sign * ((a.bestValue ?? 0) - (b.bestValue ?? 0)));
  const wanted = checkpoints.filter((checkpoint) => {
    const newer = checkpoints.filter((other) => isFurther(reach(other), reach(checkpoint)));
    const newerWhole = newer.filter(({ step }) => step === undefined).length;
    if (checkpoint.step !== undefined) return newerWhole === 0 && newer.length < 2;
    return checkpoint === best || newerWhole < policy.keep;
  });
  return checkpoints
    .map(({ name }) => name)
    .filter((name) =>
      wanted.some((checkpoint) => checkpoint.name === name || checkpoint.refersTo.includes(name)),
    );
}
