import { advanceHead, decide, type RunHead } from "./decide.ts";
import type { DecisionLimits } from "./decision.ts";
import type { JournalEntry } from "./journal-entry.ts";

export { type PolicyRow, replayPolicy } from "./replay-policy.ts";

/** One entry, and whether the same comes out when it is decided anew from the entries before it. */
export interface ReplayedEntry {
  readonly sequence: number;
  readonly at: string;
  /** The event that it was decided from: `open`, `report`, `measured` … */
  readonly event: JournalEntry["event"]["type"];
  readonly kind: string;
  readonly reason: string;
  /** What is different now; empty where the same comes out. `nothing`: it would not be written down at all. */
  readonly differs: readonly ("nothing" | "kind" | "reason" | "state")[];
  /** What is decided now, where that differs in kind or reason. */
  readonly again?: { readonly kind: string; readonly reason: string };
}

const stored = (value: unknown): string => JSON.stringify(sorted(value));

/** The same value with the fields of its mappings in one order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  );
}

/** Decides every entry's event anew, from the entries before it alone. `entries` are a run's, from the first on, in order. */
export function replay(entries: readonly JournalEntry[], limits: DecisionLimits): ReplayedEntry[] {
  let head: RunHead | undefined;
  return entries.map((entry) => {
    const { event, at, sequence, decision, state } = entry;
    const again = decide(head, event, { at, limits });
    head = advanceHead(head, event, state);
    const what = { sequence, at, event: event.type, ...decision };
    if (!again.changed) return { ...what, differs: ["nothing"] };
    const { kind, reason } = again;
    const differs = [
      ...(kind === decision.kind ? [] : ["kind" as const]),
      ...(reason === decision.reason ? [] : ["reason" as const]),
      ...(stored(again.state) === stored(state) ? [] : ["state" as const]),
    ];
    return { ...what, differs, ...(differs.length === 0 ? {} : { again: { kind, reason } }) };
  });
}
