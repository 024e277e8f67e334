import { advanceHead, type RunHead, type Setting } from "../core/decide.ts";
import type { Decision } from "../core/decision.ts";
import { PawlError } from "../core/errors.ts";
import type { RunEvent } from "../core/events.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import type { JobSource } from "../core/source.ts";
import type { Ports } from "./ports.ts";

/** Where a run stands, with the code that its job came with. */
export interface JournalHead extends RunHead {
  readonly source: JobSource | undefined;
}

/** Conflicts in a row before a writer gives up; each means that another one got a decision in. */
const maxConflicts = 50;

/** The newest head of `run`; `hint` is a sequence known to exist. */
export async function readHead(
  { journal }: Pick<Ports, "journal">,
  run: string,
  hint: number,
): Promise<JournalHead | undefined> {
  const newest = await journal.newest(run, hint);
  if (newest === undefined) return undefined;
  const { state } = newest;
  const opened =
    state.job.sequence === newest.sequence ? newest : await journal.entry(run, state.job.sequence);
  if (opened === undefined || opened.event.type !== "open" || opened.event.job === undefined) {
    throw new PawlError(
      "JOURNAL_DAMAGED",
      `journal entry ${state.job.sequence} of run ${run} does not hold its job`,
      {
        next: "Restore the journal from a backup or an earlier version of it.",
      },
    );
  }
  return { state, job: opened.event.job, source: opened.event.source };
}

/**
 * Decides and journals: reads where the run stands, decides, writes the entry if its number is still free, and does it
 * all again where it is not. A reply is given only for what is durable and was decided from the newest entry.
 */
export async function decideAndJournal<Event extends RunEvent, Reply>(
  ports: Pick<Ports, "journal" | "now" | "limits" | "onEntry">,
  run: string,
  hint: number,
  observe: (head: JournalHead | undefined) => Promise<Event>,
  decide: (head: RunHead | undefined, event: Event, setting: Setting) => Decision<Reply>,
): Promise<{ reply: Reply; head: JournalHead | undefined }> {
  let from = hint;
  for (let conflict = 0; conflict < maxConflicts; conflict += 1) {
    const head = await readHead(ports, run, from);
    const event = await observe(head);
    const at = ports.now().toISOString();
    const decision = decide(head, event, { at, limits: ports.limits });
    if (!decision.changed) return { reply: decision.reply, head };
    const { state, kind, reason } = decision;
    const entry: JournalEntry = {
      version: 1,
      run,
      sequence: state.sequence,
      at,
      event,
      decision: { kind, reason },
      state,
    };
    if (await ports.journal.append(entry)) {
      ports.onEntry?.(entry, head?.state);
      const source = event.type === "open" ? (event.source ?? head?.source) : head?.source;
      return { reply: decision.reply, head: { ...advanceHead(head, event, state), source } };
    }
    from = state.sequence;
  }
  throw new PawlError("INTERNAL", `run ${run}: ${maxConflicts} other decisions came first`, {
    next: "Try again; something writes to this journal without pause.",
  });
}
