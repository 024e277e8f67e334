import type { TrainingJob } from "../job.ts";
import type { CheckpointSummary } from "../manifest.ts";
import { isBetter } from "../metric-goal.ts";
import { retained } from "../policies/retention.ts";
import type { EpochReport } from "../report.ts";
import { type KeptCheckpoint, type LiveAttempt, type RunState, recentEpochs } from "../run-state.ts";
import { withTrained } from "./memory.ts";
import { advance, bestCheckpoint, slim } from "./progress.ts";
import { partOf, rateAtEnd } from "./warm-up.ts";

/**
 * The reports that make the epochs up to `epoch` count, in order, none where that is `after` itself; `undefined` where they do not
 * follow on `after`.
 */
export function reportsToCommit(
  reports: readonly EpochReport[],
  after: number,
  epoch: number,
): EpochReport[] | undefined {
  const counted = reports.filter((report) => report.epoch > after && report.epoch <= epoch);
  const follows = counted.every((report, index) => report.epoch === after + 1 + index);
  return follows && (counted.at(-1)?.epoch ?? after) === epoch ? counted : undefined;
}

const keep = (summary: CheckpointSummary, job: TrainingJob, state: RunState): KeptCheckpoint => {
  const goal = job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined;
  const whole = summary.step === undefined;
  const value = goal === undefined || !whole ? undefined : summary.reports.at(-1)?.metrics[goal.metric];
  return {
    name: summary.name,
    epoch: summary.epoch,
    ...(summary.step === undefined ? {} : { step: summary.step }),
    files: summary.files,
    sizeBytes: summary.sizeBytes,
    refersTo: summary.refersTo,
    ...(goal !== undefined && isBetter(goal, value, undefined) ? { bestValue: value } : {}),
    progress: slim(state.progress),
  };
};

/** The failures with every budget full again. */
export const refilled = ({ byClass: _counted, ...failures }: RunState["failures"]): RunState["failures"] => ({
  ...failures,
  withoutProgress: 0,
});

/** `state` with retention applied: what is dropped is listed until somebody says that it is removed. */
export function retain(state: RunState, job: TrainingJob): RunState {
  const goal = job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined;
  const best = goal === undefined ? undefined : bestCheckpoint(goal, state.kept)?.name;
  const stays =
    job.checkpoint.policy === "none"
      ? new Set(state.kept.map((checkpoint) => checkpoint.name))
      : retained(job.checkpoint, state.kept, best);
  return {
    ...state,
    kept: state.kept.filter((checkpoint) => stays.has(checkpoint.name)),
    dropped: [
      ...state.dropped,
      ...state.kept.map((checkpoint) => checkpoint.name).filter((name) => !stays.has(name)),
    ].slice(-200),
  };
}

/**
 * `state` with the epochs of `reports` committed, and `checkpoint` kept, which can hold a part of the epoch after them. The
 * budget of failures is full again. Of the attempt, what it had pending up to there is done with.
 */
export function commitEpochs(
  state: RunState,
  job: TrainingJob,
  attempt: LiveAttempt,
  reports: readonly EpochReport[],
  checkpoint: CheckpointSummary | null,
): RunState {
  const whole = reports.reduce(
    (sum, report) => advance(sum, report, job, rateAtEnd(state, attempt, report, job)),
    state.progress,
  );
  const earlier = reports.length === 0 ? state.progress.partial : undefined;
  const partial =
    checkpoint === null ? undefined : partOf(checkpoint, earlier, state.numeric?.learningRateFactor ?? 1);
  const progress = partial === undefined ? whole : { ...whole, partial };
  // What was measured of it is in the progress, and in the journal.
  const committed = reports.map(({ measured: _measured, ...report }) => ({
    report,
    attempt: attempt.number,
    checkpoint: checkpoint?.name ?? null,
  }));
  const reached =
    partial === undefined
      ? attempt.pending.findLast((pending) => pending.report.epoch <= progress.epoch)
      : undefined;
  const advanced: LiveAttempt = {
    ...attempt,
    pending: attempt.pending.filter((pending) => pending.report.epoch > progress.epoch),
    safeAt: reached?.at ?? checkpoint?.at ?? attempt.lastSeenAt,
  };
  const known = reports.reduce((sum, report) => withTrained(sum, attempt, report, job), state);
  const next: RunState = {
    ...known,
    progress,
    recent: [...state.recent, ...committed].slice(-recentEpochs),
    failures: refilled(state.failures),
    live: state.live.map((live) => (live.number === attempt.number ? advanced : live)),
  };
  if (checkpoint === null) return next;
  return retain({ ...next, kept: [...state.kept, keep(checkpoint, job, next)] }, job);
}
