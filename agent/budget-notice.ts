import { budgetNoticeSeconds } from "../core/policies/cost-budget.ts";
import { AttemptError } from "./attempt-error.ts";
import type { Departure } from "./departure.ts";

/** The longest that a timer counts, in milliseconds; no budget pays for longer in one attempt. */
const longestTimer = 2 ** 31 - 1;

/**
 * Asks to leave before the money for the instance is spent: `seconds` from now, as Review says; with as much notice as a
 * reclaim has, so that what is trained can still be saved. Returns what ends the watch.
 */
export function watchBudget(seconds: number | undefined, departure: Departure): () => void {
  if (seconds === undefined) return () => {};
  const notice = budgetNoticeSeconds(seconds);
  const words = "the job's budget pays for this instance no longer (budgetUsd)";
  const leave = () => departure.ask(new AttemptError("interrupted", words), notice);
  const timer = setTimeout(leave, Math.min(longestTimer, (seconds - notice) * 1000));
  timer.unref();
  return () => clearTimeout(timer);
}
