import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import { secondsBetween } from "../duration.ts";
import type { Evidence, FailedEvent, TrainedEvent } from "../events.ts";
import { failureRule, type RecoveryAction } from "../failure.ts";
import type { Next } from "../next.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";
import { countsIn } from "./budget.ts";
import { giveUp, handOver, nextStep, wait } from "./next-step.ts";
import { finishedBecause } from "./progress.ts";
import { remedy } from "./remedy.ts";
import { exposed } from "./saving.ts";
import { settle } from "./settle.ts";

/** Seconds until the next look at a job that still runs: soon at first, then every minute. */
function lookAgainSeconds({ submittedAt }: LiveAttempt, at: string): number {
  return Math.round(Math.min(60, Math.max(5, secondsBetween(submittedAt, at) / 20)));
}

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
    ? { attempt: attempt.number, gone: true, found: [], class: "interrupted", message: "it had not begun" }
    : evidence;
  const settled = settle(state, attempt, told, circumstances);
  const { state: after, class: name } = settled;
  if (finishedBecause(job, after.progress) !== undefined)
    return nextStep(after, circumstances, { kind: "recovered", reason: settled.reason });
  const failed = { state: after, before: state, attempt, evidence: told, class: name, random };
  const done = remedy(failed, circumstances);
  const noted = (of: RunState) => withAction(of, done.action);
  const nothingLeft = name === "checkpoint-corrupt" && after.kept.length === 0;
  // An attempt that is ended can end badly: whoever starts the run again sees whether it would have failed.
  if (after.stop !== undefined && !nothingLeft)
    return nextStep(after, circumstances, { kind: "recovered", reason: settled.reason });
  if (done.action === "give-up") {
    const { next } = failureRule(name);
    return giveUp(noted(after), `Pawl.${name}`, `${settled.reason}; ${done.why}. ${next}`);
  }
  const reason = [settled.reason, ...done.change].join("; ");
  if (done.waitSeconds > 0) {
    const { withoutProgress } = after.failures;
    const count = countsIn(job, name)
      ? ` (failure ${withoutProgress} of ${job.retry.failuresWithoutProgress} without progress)`
      : "";
    return wait(
      noted(done.state),
      done.waitSeconds,
      `${reason}; trying again in ${done.waitSeconds} s${count}`,
    );
  }
  return nextStep(noted(done.state), circumstances, { kind: "recovered", reason });
}

/** `state` with what follows noted at its newest failure. */
function withAction(state: RunState, action: RecoveryAction): RunState {
  const { recent } = state.failures;
  const last = recent.at(-1);
  if (last === undefined) return state;
  return { ...state, failures: { ...state.failures, recent: [...recent.slice(0, -1), { ...last, action }] } };
}

/**
 * The attempt whose end the state machine is waiting for; `undefined` for an event that is repeated after its answer, also
 * where the attempt still lives.
 */
const awaited = ({ next, live }: RunState, number: number): LiveAttempt | undefined =>
  next.action === "train" && next.train.attempt === number
    ? live.find((attempt) => attempt.number === number)
    : undefined;

/** Waits for a job that nobody else tells of. It may train for days: the execution is handed over before its history is full. */
export function lookAgain(
  state: RunState,
  attempt: LiveAttempt,
  why: string,
  { at, limits }: Circumstances,
): Decision<Next> {
  const endsSoon = state.stop !== undefined;
  return !endsSoon && state.turns >= limits.turnsPerExecution
    ? handOver(state, why)
    : wait(state, lookAgainSeconds(attempt, at), why);
}

function afterFailure(
  state: RunState,
  attempt: LiveAttempt,
  { evidence, random }: FailedEvent | TrainedEvent,
  circumstances: Circumstances,
): Decision<Next> {
  const { winner } = evidence;
  if (winner === undefined) return recoverAttempt(state, attempt, evidence, random, circumstances);
  const why = `attempt ${attempt.number} was submitted twice; Batch job ${winner} trains it`;
  return lookAgain(state, attempt, why, circumstances);
}

/** Whether the attempt's whole segment is committed, or all of the run. */
const segmentIsIn = ({ progress }: RunState, { lastEpoch }: LiveAttempt, { job }: Circumstances): boolean =>
  progress.epoch >= lastEpoch || finishedBecause(job, progress) !== undefined;

/** Whether all that the attempt was to train is committed: its segment, or less where it was told to finish early. */
export const isTrained = (state: RunState, attempt: LiveAttempt, circumstances: Circumstances): boolean =>
  segmentIsIn(state, attempt, circumstances) ||
  (attempt.answers.report?.action === "finish" && attempt.pending.length === 0);

/** `state` without an attempt that has trained its segment: it has lived, and has not failed. */
export const withoutTrained = (state: RunState, attempt: LiveAttempt): RunState =>
  exposed(
    { ...state, live: state.live.filter(({ number }) => number !== attempt.number) },
    attempt,
    attempt.lastSeenAt,
    false,
  );

export const segmentTrained = ({ progress }: RunState, { number }: LiveAttempt): string =>
  `attempt ${number} trained its segment, up to epoch ${progress.epoch}`;

/** What follows a Train that the state machine saw fail. */
export function recover(state: RunState, event: FailedEvent, circumstances: Circumstances): Decision<Next> {
  if (event.generation !== state.generation) return unchanged(superseded(state, event.generation));
  const attempt = awaited(state, event.attempt);
  if (attempt === undefined) return unchanged(state.next);
  if (!segmentIsIn(state, attempt, circumstances)) return afterFailure(state, attempt, event, circumstances);
  // Nothing is left that it could have failed at: its container was killed late, or its trainer failed at something else.
  const { class: name, message } = event.evidence;
  const end = name === "unknown" ? "" : `, and then ended with ${name}: ${message}`;
  return nextStep(withoutTrained(state, attempt), circumstances, {
    kind: "attempt-planned",
    reason: `${segmentTrained(state, attempt)}${end}`,
  });
}

/** What follows a Train that the state machine saw succeed. */
export function trained(state: RunState, event: TrainedEvent, circumstances: Circumstances): Decision<Next> {
  if (event.generation !== state.generation) return unchanged(superseded(state, event.generation));
  const attempt = awaited(state, event.attempt);
  if (attempt === undefined) return unchanged(state.next);
  if (!isTrained(state, attempt, circumstances)) return afterFailure(state, attempt, event, circumstances);
  return nextStep(withoutTrained(state, attempt), circumstances, {
    kind: "attempt-planned",
    reason: segmentTrained(state, attempt),
  });
}
