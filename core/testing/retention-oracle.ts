import type { MetricGoal } from "../metric-goal.ts";
import type { KeptCheckpoint } from "../run-state.ts";

/**
 * Which checkpoints have to stay, worked out by another way than the policy's: each is asked for its reasons. `keep`: how
 * many of the newest; of equally good ones the earliest is the best.
 */
export function mustStay(
  policy: { readonly keep: number; readonly best?: MetricGoal | undefined },
  checkpoints: readonly KeptCheckpoint[],
): string[] {
  const judged =
    policy.best === undefined ? [] : checkpoints.filter(({ bestValue }) => bestValue !== undefined);
  const sign = policy.best?.mode === "max" ? -1 : 1;
  const [best] = judged.toSorted((a, b) => sign * ((a.bestValue ?? 0) - (b.bestValue ?? 0)));
  const wanted = checkpoints.filter(
    (checkpoint) =>
      checkpoint === best || checkpoints.filter(({ epoch }) => epoch > checkpoint.epoch).length < policy.keep,
  );
  return checkpoints
    .map(({ name }) => name)
    .filter((name) =>
      wanted.some((checkpoint) => checkpoint.name === name || checkpoint.refersTo.includes(name)),
    );
}
