/** What a run's instances may cost, and have cost. */
export interface CostBudget {
  readonly budgetUsd: number;
  readonly spentUsd: number;
  /** Of the instance that it trains on, or is going to. */
  readonly usdPerHour: number;
}

/** For how many seconds the instance can still be paid. */
export const affordableSeconds = ({ budgetUsd, spentUsd, usdPerHour }: CostBudget): number =>
  usdPerHour === 0 ? Number.POSITIVE_INFINITY : (Math.max(0, budgetUsd - spentUsd) / usdPerHour) * 3600;

/** As much notice as AWS gives of a reclaim: so long an attempt has to save and to leave before the money is spent. */
const longestNoticeSeconds = 120;

/** How long before the end of what can be paid an attempt is told to leave, where that is `seconds` away. */
export const budgetNoticeSeconds = (seconds: number): number => Math.min(longestNoticeSeconds, seconds / 2);

/**
 * Whether another epoch of `epochSeconds` can be paid, with the notice after it: else the run stops where it is, while all
 * that it has trained is committed.
 */
export function affordsEpoch(budget: CostBudget, epochSeconds: number): boolean {
  const whole = affordableSeconds({ ...budget, spentUsd: 0 });
  return affordableSeconds(budget) > epochSeconds + budgetNoticeSeconds(whole);
}
