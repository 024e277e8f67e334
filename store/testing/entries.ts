import { decideNext } from "../../core/decide.ts";
import { defaultLimits } from "../../core/decision.ts";
import type { OpenEvent } from "../../core/events.ts";
import type { TrainingJobInput } from "../../core/job.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";

const moment = "2026-11-21T10:00:00.000Z";

/** An entry such as Open writes it, with any number. */
export function openedEntry(run: string, sequence: number, job: TrainingJobInput): JournalEntry {
  const event: OpenEvent = {
    type: "open",
    run,
    driver: { id: "driver", execution: "driver" },
    job,
    acceptChanges: false,
    holder: { alive: false, who: "" },
    evidence: [],
    random: 0.5,
  };
  const decision = decideNext(undefined, event, { at: moment, limits: defaultLimits });
  if (!decision.changed) throw new Error("nothing was decided");
  const { kind, reason } = decision;
  const state = { ...decision.state, sequence };
  return structuredClone({ version: 1, run, sequence, at: moment, event, decision: { kind, reason }, state });
}
