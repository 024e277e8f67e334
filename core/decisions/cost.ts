import type { Cost } from "../cost.ts";
import { usdWords } from "../cost.ts";
import type { Circumstances } from "../decision.ts";
import { secondsBetween } from "../duration.ts";
import { affordableSeconds, affordsEpoch } from "../policies/cost-budget.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";
import type { StopIntent } from "../stop.ts";

const none: Cost = { usd: 0, hours: {} };

/**
 * For how many hours the run has had the attempt's instance at `until`: from its start on, but not from before the attempt was
 * asked for, since what was there already was somebody else's. 0 where nothing is known of it.
 */
function hoursUntil({ instance, claimedAt, submittedAt }: LiveAttempt, until: string): number {
  if (instance === undefined || claimedAt === undefined) return 0;
  const waited = secondsBetween(submittedAt, claimedAt);
  return (Math.min(waited, instance.upSeconds) + secondsBetween(claimedAt, until)) / 3600;
}

/** `state` with what the attempt's instance has cost until `until`, when the attempt was over. */
export function charged(state: RunState, attempt: LiveAttempt, until: string): RunState {
  const { instance, price } = attempt;
  if (instance === undefined) return state;
  const hours = hoursUntil(attempt, until);
  const cost = state.cost ?? none;
  const { market } = instance;
  return {
    ...state,
    cost: {
      ...cost,
      usd: cost.usd + hours * (price?.usdPerHour ?? 0),
      hours: { ...cost.hours, [market]: (cost.hours[market] ?? 0) + hours },
      ...(price === undefined
        ? { unpricedHours: (cost.unpricedHours ?? 0) + hours }
        : { usdPerHour: price.usdPerHour }),
    },
  };
}

/** What the run has cost at `at`, with the attempts that live. */
export const costAt = (state: RunState, at: string): Cost =>
  state.live.reduce((sum, attempt) => charged(sum, attempt, at), state).cost ?? none;

/** For how many seconds from `at` on the job's budget pays for the attempt's instance; `undefined` where nothing bounds it. */
export function secondsInBudget(
  state: RunState,
  { price }: LiveAttempt,
  { job: { budgetUsd }, at }: Circumstances,
): number | undefined {
  if (budgetUsd === undefined || price === undefined) return undefined;
  const seconds = affordableSeconds({
    budgetUsd,
    spentUsd: costAt(state, at).usd,
    usdPerHour: price.usdPerHour,
  });
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** Whether the job's budget pays for one more epoch on the instance at hand, or on one like the last. */
export function paysForMore(state: RunState, { job: { budgetUsd }, at }: Circumstances): boolean {
  const { usd: spentUsd, usdPerHour } = costAt(state, at);
  if (budgetUsd === undefined || usdPerHour === undefined) return true;
  const epochSeconds =
    state.live.at(-1)?.pending.at(-1)?.report.seconds ?? state.recent.at(-1)?.report.seconds ?? 0;
  return affordsEpoch({ budgetUsd, spentUsd, usdPerHour }, epochSeconds);
}

/** What stops a run for its budget, as a person's intent would. */
export const budgetStop = ({ sequence }: RunState, budgetUsd: number, at: string, why = ""): StopIntent => ({
  id: `budget-${sequence + 1}`,
  by: `its budget of ${usdWords(budgetUsd)} (budgetUsd)${why}`,
  at,
});
