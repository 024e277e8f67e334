import { expect } from "vitest";
import type { RunEvent } from "../events.ts";
import type { RunState } from "../run-state.ts";
import { aCheckpoint, aJob, aReport, commits, opens, reported, started } from "./events.ts";
import { ModelJournal, type Reply } from "./model-journal.ts";

/** A run that a test tells by its events; what is given to `say` is expected to be journalled. */
export class Story {
  readonly journal: ModelJournal;
  #seconds = 0;

  constructor(turnsPerExecution = 1000) {
    this.journal = new ModelJournal({ turnsPerExecution });
  }

  get state(): RunState {
    if (this.journal.head === undefined) throw new Error("the run has not begun");
    return this.journal.head.state;
  }

  get epochs(): number[] {
    return this.state.recent.map(({ report }) => report.epoch);
  }

  /** The event changes the run; it comes `at` so many seconds, where that is said, else at the moment of the last one. */
  say(event: RunEvent, at?: number): Reply {
    if (at !== undefined) this.journal.pass(at - this.#seconds);
    this.#seconds = at ?? this.#seconds;
    const { decision } = this.journal.submit(event);
    expect(decision.changed, `${event.type} was to change the run: ${JSON.stringify(decision.reply)}`).toBe(
      true,
    );
    return decision.reply;
  }

  /** The event changes nothing. */
  ask(event: RunEvent): Reply {
    const { decision } = this.journal.submit(event);
    expect(decision.changed, `${event.type} was to change nothing`).toBe(false);
    return decision.reply;
  }

  /** The attempt trains and commits these epochs, one checkpoint each. */
  train(attempt: number, epochs: readonly number[], refersTo: readonly string[] = []): void {
    for (const epoch of epochs) {
      this.say(reported(attempt, aReport(epoch)));
      this.say(commits(aCheckpoint(attempt, [aReport(epoch)], refersTo)));
    }
  }
}

/** A run whose first attempt has begun. */
export const begun = (more: Parameters<typeof aJob>[0] = {}, turns?: number): Story => {
  const story = new Story(turns);
  story.say(opens("first", { job: aJob(more) }));
  story.say(started(1));
  return story;
};

/** The attempt that the state machine is told to train. */
export const attemptOf = (reply: Reply): number | undefined =>
  reply.action === "train" && "train" in reply ? reply.train.attempt : undefined;
