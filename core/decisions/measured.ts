import type { ReviewAnswer } from "../answers.ts";
import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { MeasuredEvent } from "../events.ts";
import { learn } from "../learn.ts";
import { maxStretches } from "../measured.ts";
import { type LiveAttempt, planInForce, type RunState } from "../run-state.ts";
import { answerAttempt, leave } from "./answer-attempt.ts";
import { growthTo, withGrowth } from "./growth.ts";
import { machineOf, withTrained } from "./memory.ts";
import { planEpoch } from "./plan.ts";
import { pendingIn } from "./progress.ts";
import { multiplied, rateAfter } from "./warm-up.ts";

/**
 * How the rest of an epoch is to be trained, by what was measured of it so far. Written down only where that changes; the learning
 * rate changes only with the batch size. The event says all that was measured of the epoch, in earlier attempts too: it is
 * learnt from the state before the epoch, whoever asked before.
 */
export function measured(
  state: RunState,
  attempt: LiveAttempt,
  event: MeasuredEvent,
  { job, at }: Circumstances,
): Decision<ReviewAnswer> {
  const { epoch, step } = event;
  const { report, measured: earlier } = attempt.answers;
  if (report?.action === "fail") return unchanged(report);
  const trained = attempt.pending.at(-1)?.report.epoch ?? state.progress.epoch;
  if (report?.action === "finish")
    return epoch <= trained
      ? unchanged(report)
      : leave(state, `epoch ${epoch} was measured, but ${report.reason}`);
  const inForce = planInForce(attempt);
  const goesOn = unchanged<ReviewAnswer>({ action: "train", sequence: state.sequence, plan: inForce });
  if (epoch > inForce.epoch)
    return leave(state, `epoch ${epoch} was measured where ${inForce.epoch} is being trained`);
  if (epoch < inForce.epoch) return goesOn;
  if (earlier?.epoch === epoch && step <= earlier.step) return unchanged(earlier.answer);
  const { stretches, resizes } = event.measured;
  const size = stretches.at(-1)?.batchSize;
  if (size === undefined || !resizes || stretches.length >= maxStretches) return goesOn;
  const progress = pendingIn(state, attempt, job);
  const batch = learn(progress.batch, { epoch, measured: event.measured }, job);
  const known = withTrained(state, attempt, event, job);
  const factor = state.numeric?.learningRateFactor ?? 1;
  const rate = rateAfter(inForce, event, { earlier: progress.partial, factor });
  if (batch === undefined || rate === undefined) return goesOn;
  const { plan, reason } = planEpoch(job, { ...known, progress: { ...progress, batch } }, epoch, {
    machine: machineOf(attempt),
    going: { size, ...multiplied(rate, factor) },
  });
  if (plan.batchSize === undefined || plan.batchSize === (inForce.batchSize ?? size)) return goesOn;
  const answer: ReviewAnswer = { action: "train", sequence: state.sequence + 1, plan };
  const told: LiveAttempt = {
    ...withGrowth(attempt, growthTo(plan, { ...batch, size }, step)),
    lastSeenAt: at,
    answers: { ...attempt.answers, measured: { epoch, step, answer } },
  };
  return answerAttempt(known, told, answer, {
    kind: "resized",
    reason: `epoch ${epoch} goes on after step ${step} with ${reason}`,
  });
}
