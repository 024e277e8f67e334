import { expect } from "vitest";
import { advanceHead, decide, type RunHead } from "../decide.ts";
import type { DecisionLimits } from "../decision.ts";
import { HistoryReader } from "../history.ts";
import type { JournalEntry } from "../journal-entry.ts";

const stored = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value));

/** Decides every entry's event anew, from the entries before it alone, and expects exactly what was written. */
export function expectReplayable(entries: readonly JournalEntry[], limits: DecisionLimits): void {
  let head: RunHead | undefined;
  for (const entry of entries) {
    const { event, at, sequence, decision, state } = entry;
    const again = decide(head, event, { at, limits });
    if (!again.changed) throw new Error(`entry ${sequence} (${decision.reason}) is not decided again`);
    expect({ kind: again.kind, reason: again.reason, state: stored(again.state) }).toEqual({
      ...decision,
      state,
    });
    head = advanceHead(head, event, state);
  }
}

/** The journal tells one history: every epoch once, in order, up to where the run is. */
export function expectOneHistory(entries: readonly JournalEntry[]): void {
  const reader = new HistoryReader();
  for (const entry of entries) reader.add(entry);
  const history = reader.history();
  const epoch = history?.state.progress.epoch ?? 0;
  expect((history?.epochs ?? []).map(({ report }) => report.epoch)).toEqual(
    Array.from({ length: epoch }, (_, i) => i + 1),
  );
}
