import type { ReviewAnswer } from "../answers.ts";
import { type Decision, unchanged } from "../decision.ts";
import type { DecisionKind } from "../journal-entry.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";

/** Changes nothing, and tells the attempt to leave. */
export const leave = (state: RunState, reason: string, winner?: string): Decision<ReviewAnswer> =>
  unchanged({
    action: "leave",
    sequence: state.sequence,
    reason,
    ...(winner === undefined ? {} : { winner }),
  });

/** A decision that answers an attempt; `answers` is what it is answered when it repeats the event. */
export function answerAttempt(
  state: RunState,
  attempt: LiveAttempt,
  answer: ReviewAnswer,
  step: { kind: DecisionKind; reason: string },
): Decision<ReviewAnswer> {
  return {
    changed: true,
    reply: answer,
    state: { ...withAttempt(state, attempt), sequence: state.sequence + 1 },
    ...step,
  };
}

/** `state` with what is known of one of its live attempts. */
export const withAttempt = (state: RunState, attempt: LiveAttempt): RunState => ({
  ...state,
  live: state.live.map((live) => (live.number === attempt.number ? attempt : live)),
});
