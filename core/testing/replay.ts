import { expect } from "vitest";
import type { DecisionLimits } from "../decision.ts";
import { HistoryReader } from "../history.ts";
import type { JournalEntry } from "../journal-entry.ts";
import { replay } from "../replay.ts";

/** Decides every entry's event anew, from the entries before it alone, and expects exactly what was written. */
export function expectReplayable(entries: readonly JournalEntry[], limits: DecisionLimits): void {
  expect(replay(entries, limits).filter(({ differs }) => differs.length > 0)).toEqual([]);
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
