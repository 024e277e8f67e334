import * as z from "zod";
import type { FailureClass } from "../failure.ts";
import type { Market } from "../market.ts";

/** `spot-first`: on spot, but on demand while spot brings nothing. */
export const MarketPolicy = z
  .enum(["spot-first", "spot", "on-demand"])
  .default("spot-first")
  .describe(
    "Which instances train: spot (cheap, can be reclaimed), on-demand, or spot-first: spot, and on demand for a while where spot is reclaimed again and again or does not come.",
  );
export type MarketPolicy = z.output<typeof MarketPolicy>;

/** On which market a run is, since when, and how often it has fallen back to on-demand in a row. */
export interface MarketHistory {
  readonly now: Market;
  readonly sinceMilliseconds: number;
  readonly falls: number;
}

/** So many reclaims without a commit between them, and spot does not pay: each has cost a start and brought nothing. */
const reclaimsBeforeFall = 2;

const hour = 3_600_000;

/**
 * How long a run stays on demand after its `falls`-th fall in a row, in milliseconds: 1 h, and twice as long each time, at
 * most 8 h. At about three times the price, an hour on demand costs as much as two hours of failing on spot would.
 */
const stayMilliseconds = (falls: number): number => Math.min(8, 2 ** Math.max(0, falls - 1)) * hour;

/** Whether a run that fell back to on-demand has been there for long enough to try spot again. */
export const spotPaysAgain = (
  policy: MarketPolicy,
  history: MarketHistory,
  atMilliseconds: number,
): boolean =>
  policy === "spot-first" &&
  history.now === "on-demand" &&
  atMilliseconds - history.sinceMilliseconds >= stayMilliseconds(history.falls);

export interface MarketInput {
  readonly policy: MarketPolicy;
  /** Absent before the first attempt. */
  readonly history: MarketHistory | undefined;
  readonly atMilliseconds: number;
  /** What the last attempt failed of, where it failed. */
  readonly failed: FailureClass | undefined;
  /** Whether that failure is to be answered with another host. */
  readonly elsewhere: boolean;
  /** Spot reclaims since the last commit, this one among them. */
  readonly reclaims: number;
}

/** The market of the next attempt; `reason` where it is another than before. */
export function chooseMarket(input: MarketInput): {
  readonly history: MarketHistory;
  readonly reason?: string;
} {
  const { policy, history, atMilliseconds, failed, elsewhere, reclaims } = input;
  const first: Market = policy === "on-demand" ? "on-demand" : "spot";
  const begin = (now: Market, falls: number): MarketHistory => ({
    now,
    sinceMilliseconds: atMilliseconds,
    falls,
  });
  if (history === undefined) return { history: begin(first, 0) };
  if (policy !== "spot-first") return { history: history.now === first ? history : begin(first, 0) };
  if (history.now === "on-demand") {
    if (elsewhere)
      return { history: begin("spot", history.falls), reason: `on spot, after ${failed} on demand` };
    if (!spotPaysAgain(policy, history, atMilliseconds)) return { history };
    return { history: begin("spot", history.falls), reason: "back on spot, which is cheaper" };
  }
  // A spell on spot that lasted makes up for the falls before it.
  const lasted = atMilliseconds - history.sinceMilliseconds >= 2 * stayMilliseconds(history.falls + 1);
  const falls = lasted ? 1 : history.falls + 1;
  if (elsewhere) return { history: begin("on-demand", falls), reason: `on demand, after ${failed} on spot` };
  if (failed === "spot-reclaim" && reclaims >= reclaimsBeforeFall)
    return {
      history: begin("on-demand", falls),
      reason: `on demand, after ${reclaims} reclaims without progress`,
    };
  return { history };
}
