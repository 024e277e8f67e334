import type { Assignment, ReviewAnswer } from "../answers.ts";
import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { StartedEvent } from "../events.ts";
import type { Instance } from "../instance.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";
import { stopWords } from "../stop.ts";
import { answerAttempt, leave, withAttempt } from "./answer-attempt.ts";
import { budgetStop, secondsInBudget } from "./cost.ts";
import { isLocal } from "./market.ts";
import { machineOf, planOn } from "./memory.ts";
import { originOf } from "./origin.ts";
import { savingFor } from "./saving.ts";

/** What an attempt is answered that claims its assignment. */
export function started(
  state: RunState,
  attempt: LiveAttempt,
  event: StartedEvent,
  circumstances: Circumstances,
): Decision<ReviewAnswer> {
  const { at, job } = circumstances;
  if (attempt.answers.started !== undefined) return unchanged(attempt.answers.started);
  if (state.stop !== undefined) return leave(state, `run ${state.run} is ${stopWords(state.stop)}`);
  const { instance, price } = event;
  if (job.budgetUsd !== undefined && price === undefined && !isLocal(state))
    return unpriced(state, job.budgetUsd, instance, at);
  const machine = machineOf(event);
  const plan = planOn(job, state, attempt.firstPlan, machine);
  const known: LiveAttempt = {
    ...attempt,
    firstPlan: plan,
    ...(instance === undefined ? {} : { instance }),
    ...(price === undefined ? {} : { price }),
    claimedAt: at,
  };
  const budgetSeconds = secondsInBudget(withAttempt(state, known), known, circumstances);
  const stalls = state.failures.byClass?.stalled;
  const assignment: Assignment = {
    run: state.run,
    attempt: attempt.number,
    generation: state.generation,
    worker: attempt.worker,
    shard: attempt.shard,
    ...(attempt.restore === undefined ? {} : { restore: attempt.restore }),
    ...originOf(state),
    plan,
    saving: savingFor(state, attempt, job, at),
    ...(stalls === undefined ? {} : { stalls }),
    ...(budgetSeconds === undefined ? {} : { budgetSeconds }),
    jobDigest: state.job.digest,
  };
  const otherwise =
    plan.microBatchSize === attempt.firstPlan.microBatchSize
      ? ""
      : `, on ${machine} with micro-batches of ${plan.microBatchSize}`;
  const answer: ReviewAnswer = { action: "begin", sequence: state.sequence + 1, assignment };
  const claimed: LiveAttempt = {
    ...known,
    batchJobId: event.batchJobId,
    safeAt: at,
    lastSeenAt: at,
    answers: { started: answer },
  };
  return answerAttempt(state, claimed, answer, {
    kind: "claimed",
    reason: `attempt ${attempt.number} began as Batch job ${event.batchJobId}${otherwise}`,
  });
}

/** A budget that nobody can keep to: the run stops before anything is trained at a price that is not known. */
function unpriced(
  state: RunState,
  budgetUsd: number,
  instance: Instance | undefined,
  at: string,
): Decision<ReviewAnswer> {
  const sequence = state.sequence + 1;
  const why =
    instance === undefined
      ? "its instance could not be asked what it is, resume it"
      : `what a ${instance.type} costs is not known, give the stack its price`;
  const stop = budgetStop(state, budgetUsd, at, `: ${why}`);
  const reason = `to be ${stopWords(stop)}`;
  return {
    changed: true,
    reply: { action: "leave", sequence, reason },
    state: { ...state, sequence, stop },
    kind: "stop-asked",
    reason,
  };
}
