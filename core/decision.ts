import type { TrainingJob } from "./job.ts";
import type { DecisionKind } from "./journal-entry.ts";
import type { RunState } from "./run-state.ts";

/** What a decision may know beside the state and the event. */
export interface Circumstances {
  /** The job in force, or the one that the event brings. */
  readonly job: TrainingJob;
  readonly jobDigest: string;
  /** Now, as ISO 8601 with milliseconds. */
  readonly at: string;
  readonly limits: DecisionLimits;
}

export interface DecisionLimits {
  /**
   * After so many answers an execution hands over to a fresh one. One turn costs at most about 14 history events of
   * Step Functions, retried invocations aside; an execution may have 25,000.
   */
  readonly turnsPerExecution: number;
}

export const defaultLimits: DecisionLimits = { turnsPerExecution: 1000 };

/** Either nothing changes and the reply stands, or there is a next state to be journalled before the reply is given. */
export type Decision<Reply> = { readonly changed: false; readonly reply: Reply } | Changed<Reply>;

export interface Changed<Reply> {
  readonly changed: true;
  readonly reply: Reply;
  readonly state: RunState;
  readonly kind: DecisionKind;
  readonly reason: string;
}

export const unchanged = <Reply>(reply: Reply): Decision<Reply> => ({ changed: false, reply });
