import * as z from "zod";
import { RunEvent } from "./events.ts";
import { Moment, Name, Ordinal } from "./names.ts";
import { RunState } from "./run-state.ts";

/** What a decision did, for programs; its reason says it in words. */
export const DecisionKind = z.enum([
  "opened",
  "resumed",
  "took-over",
  "waiting",
  "claimed",
  "reported",
  "resized",
  "committed",
  "ended",
  "attempt-planned",
  "recovered",
  "handed-over",
  "stop-asked",
  "stopped",
  "finished",
  "gave-up",
  "swept",
]);
export type DecisionKind = z.infer<typeof DecisionKind>;

/** One durable decision: what was decided, why, when, from what, and the state after it. Never changed once written. */
export const JournalEntry = z.strictObject({
  version: z.literal(1),
  run: Name,
  sequence: Ordinal,
  at: Moment,
  event: RunEvent,
  decision: z.strictObject({ kind: DecisionKind, reason: z.string() }),
  state: RunState,
});
export type JournalEntry = z.infer<typeof JournalEntry>;
