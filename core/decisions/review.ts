import type { Assignment, ReviewAnswer } from "../answers.ts";
import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { CommitEvent, EndedEvent, ReportEvent, StartedEvent } from "../events.ts";
import type { DecisionKind } from "../journal-entry.ts";
import { type LiveAttempt, maxPending, type RunState } from "../run-state.ts";
import { stopWords } from "../stop.ts";
import { commitEpochs, reportsToCommit } from "./commit.ts";
import { originOf } from "./origin.ts";
import { planEpoch } from "./plan.ts";
import { advance, finishedBecause } from "./progress.ts";

export type ReviewEvent = StartedEvent | ReportEvent | CommitEvent | EndedEvent;

const leave = (state: RunState, reason: string, winner?: string): Decision<ReviewAnswer> =>
  unchanged({
    action: "leave",
    sequence: state.sequence,
    reason,
    ...(winner === undefined ? {} : { winner }),
  });

/** A decision that answers an attempt; `answers` is what it is answered when it repeats the event. */
function answerAttempt(
  state: RunState,
  attempt: LiveAttempt,
  answer: ReviewAnswer,
  step: { kind: DecisionKind; reason: string },
): Decision<ReviewAnswer> {
  return {
    changed: true,
    reply: answer,
    state: {
      ...state,
      sequence: state.sequence + 1,
      live: state.live.map((live) => (live.number === attempt.number ? attempt : live)),
    },
    ...step,
  };
}

function started(
  state: RunState,
  attempt: LiveAttempt,
  event: StartedEvent,
  { at }: Circumstances,
): Decision<ReviewAnswer> {
  if (attempt.answers.started !== undefined) return unchanged(attempt.answers.started);
  if (state.stop !== undefined) return leave(state, `run ${state.run} is ${stopWords(state.stop)}`);
  const assignment: Assignment = {
    run: state.run,
    attempt: attempt.number,
    generation: state.generation,
    worker: attempt.worker,
    shard: attempt.shard,
    ...(attempt.restore === undefined ? {} : { restore: attempt.restore }),
    ...originOf(state),
    plan: attempt.firstPlan,
    jobDigest: state.job.digest,
  };
  const answer: ReviewAnswer = { action: "begin", sequence: state.sequence + 1, assignment };
  const claimed: LiveAttempt = {
    ...attempt,
    batchJobId: event.batchJobId,
    safeAt: at,
    lastSeenAt: at,
    answers: { started: answer },
  };
  return answerAttempt(state, claimed, answer, {
    kind: "claimed",
    reason: `attempt ${attempt.number} began as Batch job ${event.batchJobId}`,
  });
}

function report(
  state: RunState,
  attempt: LiveAttempt,
  event: ReportEvent,
  { job, at }: Circumstances,
): Decision<ReviewAnswer> {
  const { epoch } = event.report;
  const expected = (attempt.pending.at(-1)?.report.epoch ?? state.progress.epoch) + 1;
  if (epoch < expected && attempt.answers.report !== undefined) return unchanged(attempt.answers.report);
  if (attempt.answers.report?.action === "finish") {
    return leave(state, `epoch ${epoch} was reported, but ${attempt.answers.report.reason}`);
  }
  if (epoch !== expected) return leave(state, `epoch ${epoch} was reported where ${expected} was expected`);
  if (attempt.pending.length >= maxPending) {
    return leave(state, `${maxPending} epochs are reported and none of them committed`);
  }
  const pending = [...attempt.pending, { report: event.report, at }];
  const progress = pending.reduce((sum, item) => advance(sum, item.report, job), state.progress);
  const sequence = state.sequence + 1;
  const finished = finishedBecause(job, progress);
  const segmentEnd =
    epoch >= attempt.lastEpoch ? `the segment ends with epoch ${attempt.lastEpoch}` : undefined;
  const stopped = state.stop === undefined ? undefined : stopWords(state.stop);
  const why = finished ?? segmentEnd ?? stopped;
  const planned = planEpoch(job, epoch + 1);
  const answer: ReviewAnswer =
    why === undefined
      ? { action: "train", sequence, plan: planned.plan }
      : { action: "finish", sequence, reason: why };
  const missing = [job.stop, job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined]
    .flatMap((goal) => (goal === undefined || goal.metric in event.report.metrics ? [] : [goal.metric]))
    .map((metric) => `; ${metric} was not reported, so it is not judged`);
  return answerAttempt(
    state,
    { ...attempt, pending, lastSeenAt: at, answers: { ...attempt.answers, report: answer } },
    answer,
    {
      kind: "reported",
      reason: `epoch ${epoch} is trained; ${why ?? `epoch ${epoch + 1} next, ${planned.reason}`}${[...new Set(missing)].join("")}`,
    },
  );
}

function commit(
  state: RunState,
  attempt: LiveAttempt,
  event: CommitEvent,
  { job, at }: Circumstances,
): Decision<ReviewAnswer> {
  const { epoch, checkpoint } = event;
  if (epoch <= state.progress.epoch) {
    if (attempt.answers.commit?.epoch === epoch) return unchanged(attempt.answers.commit.answer);
    return unchanged({ action: "committed", sequence: state.sequence, remove: state.dropped });
  }
  if (event.incomplete !== undefined) {
    return leave(state, `checkpoint ${event.incomplete} is not complete: it has no manifest`);
  }
  if (checkpoint === null && job.checkpoint.policy !== "none") {
    return leave(state, `epoch ${epoch} came without a checkpoint`);
  }
  if (checkpoint !== null && (checkpoint.attempt !== attempt.number || checkpoint.epoch !== epoch)) {
    return leave(state, `checkpoint ${checkpoint.name} is not attempt ${attempt.number}'s of epoch ${epoch}`);
  }
  const offered = checkpoint?.reports ?? attempt.pending.map((pending) => pending.report);
  const reports = reportsToCommit(offered, state.progress.epoch, epoch);
  if (reports === undefined) {
    return leave(state, `epoch ${epoch} does not follow on the committed epoch ${state.progress.epoch}`);
  }
  const removed = new Set(event.removed);
  const cleared: RunState = { ...state, dropped: state.dropped.filter((name) => !removed.has(name)) };
  const next = commitEpochs(cleared, job, { ...attempt, lastSeenAt: at }, reports, checkpoint);
  const live = next.live.find((candidate) => candidate.number === attempt.number) ?? attempt;
  const answer: ReviewAnswer = { action: "committed", sequence: state.sequence + 1, remove: next.dropped };
  const span = reports.length > 1 ? `epochs ${reports[0]?.epoch} to ${epoch} are` : `epoch ${epoch} is`;
  return answerAttempt(next, { ...live, answers: { ...live.answers, commit: { epoch, answer } } }, answer, {
    kind: "committed",
    reason: `${span} committed${checkpoint === null ? "" : ` with checkpoint ${checkpoint.name}`}`,
  });
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

/** What an attempt is answered. Only live attempts change anything, whatever driver they had. */
export function review(
  state: RunState,
  event: ReviewEvent,
  circumstances: Circumstances,
): Decision<ReviewAnswer> {
  const attempt = state.live.find((live) => live.number === event.attempt);
  if (attempt === undefined) {
    return leave(state, `attempt ${event.attempt} is not live in run ${state.run} (${state.status})`);
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
  if (event.type === "commit") return commit(state, attempt, event, circumstances);
  return ended(state, attempt, event, circumstances);
}
