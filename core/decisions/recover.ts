import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { Evidence, FailedEvent, TrainedEvent } from "../events.ts";
import { failureRule } from "../failure.ts";
import type { Next } from "../next.ts";
import { backoffSeconds } from "../policies/retry.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";
import { giveUp, nextStep, wait } from "./next-step.ts";
import { finishedBecause } from "./progress.ts";
import { settle } from "./settle.ts";

/** Seconds between two looks at a job that still runs. */
export const lookAgainSeconds = 5;

/** To a state machine whose run another driver has taken over: it ends, and changes nothing. */
const superseded = (state: RunState, generation: number): Next => ({
  action: "failed",
  run: state.run,
  sequence: state.sequence,
  generation,
  error: "Pawl.Superseded",
  cause: `${state.driver.execution} drives this run now (generation ${state.generation}); this is generation ${generation}`,
});

/** Settles a failed attempt and decides what follows: another at once, a wait, or the end. */
export function recoverAttempt(
  state: RunState,
  attempt: LiveAttempt,
  evidence: Evidence,
  random: number,
  circumstances: Circumstances,
): Decision<Next> {
  const { job } = circumstances;
  const unbegun = state.stop !== undefined && attempt.batchJobId === undefined;
  const told: Evidence = unbegun
    ? { ...evidence, class: "interrupted", message: "it had not begun" }
    : evidence;
  const settled = settle(state, attempt, told, circumstances);
  const after = settled.state;
  const rule = failureRule(settled.class);
  if (finishedBecause(job, after.progress) !== undefined) {
    return nextStep(after, circumstances, { kind: "recovered", reason: settled.reason });
  }
  const explain = (why: string) => `${settled.reason}; ${why}. ${rule.next}`;
  if (settled.class === "checkpoint-corrupt" && after.kept.length === 0) {
    return giveUp(after, `Pawl.${settled.class}`, explain("no undamaged checkpoint is left"));
  }
  // An attempt that is ended can end badly: whoever starts the run again sees whether it would have failed.
  if (after.stop !== undefined) {
    return nextStep(after, circumstances, { kind: "recovered", reason: settled.reason });
  }
  if (rule.after === "give-up")
    return giveUp(after, `Pawl.${settled.class}`, explain("trying again would not help"));
  const failures = after.failures.withoutProgress;
  if (rule.counts && failures >= job.retry.failuresWithoutProgress) {
    return giveUp(
      after,
      `Pawl.${settled.class}`,
      explain(
        `failed ${failures === 1 ? "once" : `${failures} times`} without a committed epoch between (retry.failuresWithoutProgress)`,
      ),
    );
  }
  const seconds = rule.after === "backoff" ? backoffSeconds(job.retry, Math.max(1, failures), random) : 0;
  if (seconds > 0) {
    const count = rule.counts
      ? ` (failure ${failures} of ${job.retry.failuresWithoutProgress} without progress)`
      : "";
    return wait(after, seconds, `${settled.reason}; trying again in ${seconds} s${count}`);
  }
  return nextStep(after, circumstances, { kind: "recovered", reason: settled.reason });
}

/**
 * The attempt whose end the state machine is waiting for; `undefined` for an event that is repeated after its answer, also
 * where the attempt still lives.
 */
const awaited = ({ next, live }: RunState, number: number): LiveAttempt | undefined =>
  next.action === "train" && next.train.attempt === number
    ? live.find((attempt) => attempt.number === number)
    : undefined;

function afterFailure(
  state: RunState,
  attempt: LiveAttempt,
  { evidence, random }: FailedEvent | TrainedEvent,
  circumstances: Circumstances,
): Decision<Next> {
  const { winner } = evidence;
  if (winner === undefined) return recoverAttempt(state, attempt, evidence, random, circumstances);
  return wait(
    state,
    lookAgainSeconds,
    `attempt ${attempt.number} was submitted twice; Batch job ${winner} trains it`,
  );
}

/** Whether all that the attempt was to train is committed: its segment, or less where it was told to finish early. */
export const isTrained = (
  { progress }: RunState,
  { lastEpoch, answers, pending }: LiveAttempt,
  { job }: Circumstances,
): boolean =>
  progress.epoch >= lastEpoch ||
  finishedBecause(job, progress) !== undefined ||
  (answers.report?.action === "finish" && pending.length === 0);

export const segmentTrained = ({ progress }: RunState, { number }: LiveAttempt): string =>
  `attempt ${number} trained its segment, up to epoch ${progress.epoch}`;

/** What follows a Train that the state machine saw fail. */
export function recover(state: RunState, event: FailedEvent, circumstances: Circumstances): Decision<Next> {
  if (event.generation !== state.generation) return unchanged(superseded(state, event.generation));
  const attempt = awaited(state, event.attempt);
  if (attempt === undefined) return unchanged(state.next);
  return afterFailure(state, attempt, event, circumstances);
}

/** What follows a Train that the state machine saw succeed. */
export function trained(state: RunState, event: TrainedEvent, circumstances: Circumstances): Decision<Next> {
  if (event.generation !== state.generation) return unchanged(superseded(state, event.generation));
  const attempt = awaited(state, event.attempt);
  if (attempt === undefined) return unchanged(state.next);
  if (!isTrained(state, attempt, circumstances)) return afterFailure(state, attempt, event, circumstances);
  const over: RunState = { ...state, live: state.live.filter((live) => live.number !== attempt.number) };
  return nextStep(over, circumstances, {
    kind: "attempt-planned",
    reason: segmentTrained(state, attempt),
  });
}
