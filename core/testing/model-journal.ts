import type { ReviewAnswer } from "../answers.ts";
import { advanceHead, decide, type RunHead, type Setting } from "../decide.ts";
import { type Decision, type DecisionLimits, defaultLimits } from "../decision.ts";
import type { RunEvent } from "../events.ts";
import type { JournalEntry } from "../journal-entry.ts";
import type { Next } from "../next.ts";
import type { StopAnswer } from "../stop.ts";
import type { SweepAnswer } from "../sweep.ts";
import { moment } from "./events.ts";

export type Reply = Next | ReviewAnswer | StopAnswer | SweepAnswer;

/** What one event was decided from, and what came of it. */
export interface Decided {
  readonly event: RunEvent;
  readonly before: RunHead | undefined;
  readonly setting: Setting;
  readonly decision: Decision<Reply>;
}

/** A copy as a store would give it back. */
const stored = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value));

/** A journal in memory: gapless numbered entries, each created only if absent, and a clock. */
export class ModelJournal {
  readonly entries: JournalEntry[] = [];
  /** What each entry was decided from. */
  readonly heads: (RunHead | undefined)[] = [];
  readonly limits: DecisionLimits;
  head: RunHead | undefined;
  readonly #taken = new Set<number>();
  #seconds = 0;

  constructor(limits: DecisionLimits = defaultLimits) {
    this.limits = limits;
  }

  pass(seconds: number): void {
    this.#seconds += seconds;
  }

  get now(): string {
    return moment(this.#seconds);
  }

  /** Decides on `event` from where the run stands now, and writes nothing yet. */
  decide(event: RunEvent): Decided {
    const setting: Setting = { at: this.now, limits: this.limits };
    return { event, before: this.head, setting, decision: decide(this.head, event, setting) };
  }

  /** Writes what was decided; `false` where another decision has its number already. */
  append({ event, before, setting, decision }: Decided): boolean {
    if (!decision.changed) throw new RangeError("nothing was decided that could be written");
    const { state, kind, reason } = decision;
    if (this.#taken.has(state.sequence)) return false;
    this.#taken.add(state.sequence);
    const entry: JournalEntry = {
      version: 1,
      run: state.run,
      sequence: state.sequence,
      at: setting.at,
      event,
      decision: { kind, reason },
      state,
    };
    this.entries.push(stored(entry));
    this.heads.push(before);
    this.head = stored(advanceHead(before, event, state));
    return true;
  }

  /** Decides and writes; what is answered. */
  submit(event: RunEvent): Decided {
    const decided = this.decide(event);
    if (decided.decision.changed) this.append(decided);
    return decided;
  }
}
