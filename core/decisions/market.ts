import type { Circumstances } from "../decision.ts";
import type { FailureClass } from "../failure.ts";
import type { Market } from "../market.ts";
import { chooseMarket, type MarketHistory, type MarketPolicy, spotPaysAgain } from "../policies/market.ts";
import type { RunState } from "../run-state.ts";

/** Whether the attempts run on the machine of whoever drives the run, where there is no market. */
export const isLocal = ({ driver }: Pick<RunState, "driver">): boolean => driver.id.startsWith("local:");

type At = Pick<Circumstances, "job" | "at">;

/** A machine of one's own is never left for another market. */
const policyOf = (state: RunState, { job }: At): MarketPolicy =>
  isLocal(state) ? "spot" : job.compute.market;

const historyOf = ({ market }: RunState): MarketHistory | undefined =>
  market && { now: market.now, falls: market.falls, sinceMilliseconds: Date.parse(market.since) };

/** `state` with the market of the next attempt; `reason` where that is another than before. */
export function withMarket(
  state: RunState,
  around: At,
  failed?: { readonly class: FailureClass; readonly elsewhere: boolean },
): { state: RunState & { market: NonNullable<RunState["market"]> }; reason: string | undefined } {
  const { history, reason } = chooseMarket({
    policy: policyOf(state, around),
    history: historyOf(state),
    atMilliseconds: Date.parse(around.at),
    failed: failed?.class,
    elsewhere: failed?.elsewhere ?? false,
    reclaims: state.failures.byClass?.["spot-reclaim"] ?? 0,
  });
  const since = new Date(history.sinceMilliseconds).toISOString();
  return { state: { ...state, market: { now: history.now, since, falls: history.falls } }, reason };
}

/** Whether a run that is on demand only since spot brought nothing is to try spot again. */
export function triesSpotAgain(state: RunState, around: At): boolean {
  const history = historyOf(state);
  return history !== undefined && spotPaysAgain(policyOf(state, around), history, Date.parse(around.at));
}

export const marketWords = (market: Market): string => (market === "spot" ? "on spot" : "on demand");
