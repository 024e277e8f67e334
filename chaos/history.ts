import { advanceHead, decide, type RunHead } from "../core/decide.ts";
import { failureRule } from "../core/failure.ts";
import { HistoryReader } from "../core/history.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { isFurther, type Reach } from "../core/position.ts";
import type { RunState } from "../core/run-state.ts";

/** Words that no reason holds: what a program forgot to say. */
export const nonsense = /undefined|\[object |(?<!loss is )\bNaN\b|^\s*$|;\s*;|null/;

/** Classes after which a run may stand further back than before. */
const goesBack = new Set(["checkpoint-corrupt", "numeric"]);

const reachOf = ({ epoch, partial }: RunState["progress"]): Reach => ({ epoch, step: partial?.step ?? 0 });

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export type Problem = (what: string) => void;

/** What must be true of every entry, given the one before. */
export function checkEntry(entry: JournalEntry, before: RunState | undefined, problem: Problem): void {
  const { state, decision, event } = entry;
  if (nonsense.test(decision.reason)) problem("its reason is none");
  if (state.live.length > 1) problem(`${state.live.length} attempts live`);
  if (state.nextAttempt > (before?.nextAttempt ?? 1) + 1) problem("an attempt's number is left out");
  if (state.generation < (before?.generation ?? 1)) problem("the generation goes back");
  const [from, to] = [reachOf(before?.progress ?? state.progress), reachOf(state.progress)];
  const failed =
    state.failures.total > (before?.failures.total ?? 0) ? state.failures.recent.at(-1)?.class : undefined;
  const back = before !== undefined && isFurther(from, to);
  if (back && !goesBack.has(failed ?? ""))
    problem(`goes back from ${JSON.stringify(from)} to ${JSON.stringify(to)}`);
  if (back && !/back to|begin again|from the beginning|going back/.test(decision.reason))
    problem("does not say that it goes back");
  const recent = state.recent.map(({ report }) => report.epoch);
  if (recent.some((epoch, index) => epoch !== state.progress.epoch - recent.length + 1 + index))
    problem(`its epochs are ${recent.join(", ")} at epoch ${state.progress.epoch}`);
  for (const { report, attempt } of state.recent.filter(({ report }) => report.epoch > from.epoch)) {
    if (before?.live.every(({ number }) => number !== attempt))
      problem(`epoch ${report.epoch} is of attempt ${attempt}`);
    if (report.metrics.loss === "NaN")
      problem(`epoch ${report.epoch} is committed with a loss that is no number`);
  }
  if (event.type === "commit" && isFurther(to, from)) {
    const live = before?.live.find(({ number }) => number === event.attempt);
    if (live?.batchJobId !== event.batchJobId)
      problem(`${event.batchJobId} commits, which does not hold the attempt`);
  }
  const kept = state.kept.map(({ name }) => name);
  if (state.dropped.some((name) => kept.includes(name))) problem("a kept checkpoint is to be removed");
  for (const { name, refersTo } of state.kept)
    if (
      state.kept.at(-1)?.name === name &&
      refersTo.some((holder) => !kept.includes(holder)) &&
      !back &&
      failed !== "checkpoint-corrupt"
    )
      problem(`${name} refers to what is not kept`);
  const anew =
    event.type === "open" &&
    state.generation > (before?.generation ?? 0) &&
    event.driver.execution !== before?.successor;
  const full = isFurther(to, from) || anew;
  const base = full ? 0 : (before?.failures.withoutProgress ?? 0);
  const counts = failed !== undefined && failureRule(failed).counts ? 1 : 0;
  if (state.failures.withoutProgress !== base + counts)
    problem(`${state.failures.withoutProgress} failures without progress, where ${base + counts} are right`);
  if (state.lostSeconds < (before?.lostSeconds ?? 0)) problem("lost time comes back");
}

/** Every entry is decided again from the entries before it alone. */
export function replayed(entries: readonly JournalEntry[], turnsPerExecution: number): string[] {
  let head: RunHead | undefined;
  for (const { event, at, sequence, decision, state } of entries) {
    const again = decide(head, event, { at, limits: { turnsPerExecution } });
    if (!again.changed) return [`entry ${sequence} (${decision.reason}) is not decided again`];
    const { kind, reason } = again;
    if (!same({ kind, reason }, decision))
      return [`entry ${sequence} is decided otherwise: ${kind}: ${reason}`];
    if (!sameState(again.state, state)) return [`entry ${sequence} is decided again with another state`];
    head = advanceHead(head, event, state);
  }
  return [];
}

/** The order of fields is no difference. */
function sameState(a: unknown, b: unknown): boolean {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key, inner]) => [key, sorted(inner)] as const)
        .sort(([x], [y]) => (x < y ? -1 : 1)),
    );
  };
  return same(sorted(a), sorted(b));
}

/** Each epoch is committed once, in order, in the history that stands. */
export function oneHistory(entries: readonly JournalEntry[]): string[] {
  const reader = new HistoryReader();
  for (const entry of entries) reader.add(entry);
  const history = reader.history();
  const epochs = (history?.epochs ?? []).map(({ report }) => report.epoch);
  const expected = Array.from({ length: history?.state.progress.epoch ?? 0 }, (_, i) => i + 1);
  return same(epochs, expected) ? [] : [`the committed history is ${epochs.join(", ")}`];
}
