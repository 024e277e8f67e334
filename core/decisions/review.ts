import type { ReviewAnswer } from "../answers.ts";
import { usdWords } from "../cost.ts";
import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { CommitEvent, EndedEvent, MeasuredEvent, ReportEvent, StartedEvent } from "../events.ts";
import type { TrainingJob } from "../job.ts";
import { learn } from "../learn.ts";
import { observeSave } from "../policies/checkpoint-interval.ts";
import { numericProblem } from "../policies/numeric.ts";
import { isFurther, reach } from "../position.ts";
import type { EpochReport } from "../report.ts";
import { type LiveAttempt, maxPending, type Progress, type RunState } from "../run-state.ts";
import { stopWords } from "../stop.ts";
import { answerAttempt, leave, withAttempt } from "./answer-attempt.ts";
import { commitEpochs, reportsToCommit } from "./commit.ts";
import { paysForMore } from "./cost.ts";
import { growthTo, withDivergence, withGrowth } from "./growth.ts";
import { triesSpotAgain } from "./market.ts";
import { measured } from "./measured.ts";
import { machineOf, withTrained } from "./memory.ts";
import { planEpoch } from "./plan.ts";
import { finishedBecause, pendingIn, reachOf } from "./progress.ts";
import { savingFor } from "./saving.ts";
import { started } from "./started.ts";
import { rateAtEnd } from "./warm-up.ts";

export type ReviewEvent = StartedEvent | ReportEvent | MeasuredEvent | CommitEvent | EndedEvent;

function report(
  state: RunState,
  attempt: LiveAttempt,
  event: ReportEvent,
  circumstances: Circumstances,
): Decision<ReviewAnswer> {
  const { job, at } = circumstances;
  const { epoch } = event.report;
  const earlier = attempt.answers.report;
  if (earlier?.action === "fail") return unchanged(earlier);
  const expected = (attempt.pending.at(-1)?.report.epoch ?? state.progress.epoch) + 1;
  if (epoch < expected && earlier !== undefined) return unchanged(earlier);
  if (earlier?.action === "finish") return leave(state, `epoch ${epoch} was reported, but ${earlier.reason}`);
  if (epoch !== expected) return leave(state, `epoch ${epoch} was reported where ${expected} was expected`);
  if (attempt.pending.length >= maxPending) {
    return leave(state, `${maxPending} epochs are reported and none of them committed`);
  }
  const sequence = state.sequence + 1;
  const numeric = numericProblem(job.numeric, event.report.metrics);
  if (numeric !== undefined) {
    const answer: ReviewAnswer = {
      action: "fail",
      sequence,
      class: "numeric",
      reason: `${numeric} in epoch ${epoch}`,
    };
    const { batch } = pendingIn(state, attempt, job);
    const { measured: trained } = event.report;
    const learnt = trained === undefined ? batch : learn(batch, { epoch, measured: trained }, job);
    const diverged = learnt === undefined ? attempt : withDivergence(attempt, learnt.examples);
    const failing = { ...diverged, lastSeenAt: at, answers: { ...attempt.answers, report: answer } };
    return answerAttempt(state, failing, answer, {
      kind: "reported",
      reason: `epoch ${epoch} is trained, but ${numeric}: it does not count, and attempt ${attempt.number} ends`,
    });
  }
  const rate = rateAtEnd(state, attempt, event.report, job);
  const pending = [...attempt.pending, { report: event.report, at, ...(rate === undefined ? {} : { rate }) }];
  const progress = pendingIn(state, { pending }, job);
  const why = finishedBecause(job, progress) ?? segmentEnd(state, { ...attempt, pending }, circumstances);
  const known = withTrained(state, attempt, event.report, job);
  const planned = planEpoch(job, { ...known, progress }, epoch + 1, { machine: machineOf(attempt) });
  const answer: ReviewAnswer =
    why === undefined
      ? { action: "train", sequence, plan: planned.plan }
      : { action: "finish", sequence, reason: why };
  const missing = [job.stop, job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined]
    .flatMap((goal) => (goal === undefined || goal.metric in event.report.metrics ? [] : [goal.metric]))
    .map((metric) => `; ${metric} was not reported, so it is not judged`);
  const grown = withGrowth(attempt, growthTo(planned.plan, progress.batch));
  return answerAttempt(
    known,
    { ...grown, pending, lastSeenAt: at, answers: { ...attempt.answers, report: answer } },
    answer,
    {
      kind: "reported",
      reason: `epoch ${epoch} is trained; ${why ?? `epoch ${epoch + 1} next, ${planned.reason}`}${[...new Set(missing)].join("")}`,
    },
  );
}

/** Why the attempt ends after `epoch`, though the run does not; `undefined` where it goes on. */
function segmentEnd(state: RunState, attempt: LiveAttempt, circumstances: Circumstances): string | undefined {
  const { job, at } = circumstances;
  const epoch = attempt.pending.at(-1)?.report.epoch ?? state.progress.epoch;
  if (epoch >= attempt.lastEpoch) return `the segment ends with epoch ${attempt.lastEpoch}`;
  if (state.stop !== undefined) return stopWords(state.stop);
  if (job.budgetUsd !== undefined && !paysForMore(withAttempt(state, attempt), circumstances))
    return `its budget of ${usdWords(job.budgetUsd)} pays for no further epoch`;
  return triesSpotAgain(state, { job, at }) ? "spot is tried again" : undefined;
}

/** Why a commit cannot be, whatever it brings. */
function commitProblem(
  { answers, number, pending }: LiveAttempt,
  { epoch, step, checkpoint, incomplete }: CommitEvent,
  progress: Progress,
  job: TrainingJob,
): string | undefined {
  if (incomplete !== undefined) return `checkpoint ${incomplete} is not complete: it has no manifest`;
  // Epochs that were reported before the useless one are good, and can still be on their way.
  const good = pending.at(-1)?.report.epoch ?? progress.epoch;
  if (answers.report?.action === "fail" && reach({ epoch, step }).epoch > good)
    return `what follows epoch ${good} does not count: ${answers.report.reason}`;
  if (checkpoint === null && job.checkpoint.policy !== "none")
    return `epoch ${epoch} came without a checkpoint`;
  if (checkpoint === null)
    return step === undefined ? undefined : `a part of epoch ${epoch} came without a checkpoint`;
  return checkpoint.attempt === number && checkpoint.epoch === epoch && checkpoint.step === step
    ? undefined
    : `checkpoint ${checkpoint.name} is not attempt ${number}'s of epoch ${epoch}`;
}

function commit(
  state: RunState,
  attempt: LiveAttempt,
  event: CommitEvent,
  { job, at }: Circumstances,
): Decision<ReviewAnswer> {
  const { epoch, step, checkpoint } = event;
  const to = reach({ epoch, step });
  if (!isFurther(to, reachOf(state.progress))) {
    const { commit: last } = attempt.answers;
    if (last?.epoch === epoch && last.step === step) return unchanged(last.answer);
    return unchanged({ action: "committed", sequence: state.sequence, remove: state.dropped });
  }
  const problem = commitProblem(attempt, event, state.progress, job);
  if (problem !== undefined) return leave(state, problem);
  const offered = checkpoint?.reports ?? attempt.pending.map((pending) => pending.report);
  const reports = reportsToCommit(offered, state.progress.epoch, to.epoch);
  if (reports === undefined) {
    return leave(state, `epoch ${epoch} does not follow on the committed epoch ${state.progress.epoch}`);
  }
  const removed = new Set(event.removed);
  const cleared: RunState = {
    ...state,
    dropped: state.dropped.filter((name) => !removed.has(name)),
    ...(event.took === undefined ? {} : { saveCost: observeSave(state.saveCost, event.took) }),
  };
  const next = commitEpochs(cleared, job, { ...attempt, lastSeenAt: at }, reports, checkpoint);
  const live = next.live.find((candidate) => candidate.number === attempt.number) ?? attempt;
  const answer: ReviewAnswer = {
    action: "committed",
    sequence: state.sequence + 1,
    remove: next.dropped,
    ...(event.took === undefined ? {} : { saving: savingFor(next, live, job, at) }),
  };
  const last = { epoch, ...(step === undefined ? {} : { step }), answer };
  return answerAttempt(next, { ...live, answers: { ...live.answers, commit: last } }, answer, {
    kind: "committed",
    reason: `${spanWords(reports, next.progress)} committed${checkpoint === null ? "" : ` with checkpoint ${checkpoint.name}`}`,
  });
}

/** `epoch 3 is`, `epochs 3 to 5 and step 200 of epoch 6 are`. */
function spanWords(reports: readonly EpochReport[], { epoch, partial }: Progress): string {
  const whole =
    reports.length === 0
      ? []
      : [reports.length > 1 ? `epochs ${reports[0]?.epoch} to ${epoch}` : `epoch ${epoch}`];
  const part = partial === undefined ? [] : [`epoch ${epoch + 1} up to step ${partial.step}`];
  return `${[...whole, ...part].join(" and ")} ${reports.length + part.length > 1 ? "are" : "is"}`;
}

function ended(
  state: RunState,
  attempt: LiveAttempt,
  event: EndedEvent,
  { at }: Circumstances,
): Decision<ReviewAnswer> {
  if (attempt.answers.ended !== undefined) return unchanged(attempt.answers.ended);
  const answer: ReviewAnswer = { action: "noted", sequence: state.sequence + 1 };
  const removed = new Set(event.removed);
  return answerAttempt(
    { ...state, dropped: state.dropped.filter((name) => !removed.has(name)) },
    { ...attempt, lastSeenAt: at, answers: { ...attempt.answers, ended: answer } },
    answer,
    {
      kind: "ended",
      reason: `attempt ${attempt.number} ended: ${event.outcome.result}: ${event.outcome.message}`,
    },
  );
}

/** What a settled attempt has saved, unless it was adopted when it was settled; later nobody adopts it. */
function useless({ kept }: RunState, event: ReviewEvent): { remove?: string[] } {
  if (event.type !== "commit" || event.checkpoint === null) return {};
  const { name, attempt } = event.checkpoint;
  const isTheirs = attempt === event.attempt && !kept.some((checkpoint) => checkpoint.name === name);
  return isTheirs ? { remove: [name] } : {};
}

/** What an attempt is answered. Only live attempts change anything, whatever driver they had. */
export function review(
  state: RunState,
  event: ReviewEvent,
  circumstances: Circumstances,
): Decision<ReviewAnswer> {
  const attempt = state.live.find((live) => live.number === event.attempt);
  if (attempt === undefined) {
    const reason = `attempt ${event.attempt} is not live in run ${state.run} (${state.status})`;
    return unchanged({ action: "leave", sequence: state.sequence, reason, ...useless(state, event) });
  }
  if (attempt.batchJobId !== undefined && attempt.batchJobId !== event.batchJobId) {
    const winner = attempt.batchJobId;
    return leave(state, `Batch job ${winner} has claimed attempt ${attempt.number}`, winner);
  }
  if (event.type === "started") return started(state, attempt, event, circumstances);
  if (attempt.batchJobId === undefined) {
    return leave(state, `attempt ${attempt.number} has not claimed its assignment`);
  }
  if (event.type === "report") return report(state, attempt, event, circumstances);
  if (event.type === "measured") return measured(state, attempt, event, circumstances);
  if (event.type === "commit") return commit(state, attempt, event, circumstances);
  return ended(state, attempt, event, circumstances);
}
