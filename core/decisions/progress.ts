import type { TrainingJob } from "../job.ts";
import { learn } from "../learn.ts";
import { fromBeginning } from "../learnt-bars.ts";
import { isBetter, type MetricGoal } from "../metric-goal.ts";
import { stopReason } from "../policies/stop.ts";
import type { Reach } from "../position.ts";
import type { EpochReport } from "../report.ts";
import type { KeptCheckpoint, LiveAttempt, Progress, RunState } from "../run-state.ts";

export const noProgress: Progress = { epoch: 0, examples: 0, trainedSeconds: 0 };

/** How far a run with this progress is. */
export const reachOf = ({ epoch, partial }: Progress): Reach => ({ epoch, step: partial?.step ?? 0 });

/** The same for people: `epoch 6`, or `epoch 7, step 1200`. */
export const placeWords = ({ epoch, partial }: Progress): string =>
  partial === undefined ? `epoch ${epoch}` : `epoch ${epoch + 1}, step ${partial.step}`;

/** Seconds of training in `progress`, those of an epoch that is not whole among them. */
export const secondsIn = ({ trainedSeconds, partial }: Progress): number =>
  trainedSeconds + (partial?.seconds ?? 0);

/**
 * `progress` as it is kept with a checkpoint: what is known of machines, and of sizes that did not pay, is not gone back from, and changes before the newest are in
 * the run's own progress.
 */
export function slim(progress: Progress): Progress {
  const { batch } = progress;
  if (batch === undefined) return progress;
  const changes = batch.changes.slice(-1).map(({ stepTime: _time, noiseScale: _noise, ...change }) => change);
  const { failures: _failures, ...rest } = batch;
  return { ...progress, batch: { ...rest, timings: {}, barred: [], changes } };
}

/** What `slim` left out of `kept`, as far as `newest`, which came after it, has it. */
export function inFull(kept: Progress, newest: Progress): Progress {
  if (kept.batch === undefined) return kept;
  const { failures: _failures, ...batch } = kept.batch;
  const [last] = batch.changes;
  const { timings = {}, barred = [], changes: known = [], failures } = newest.batch ?? {};
  const earlier = known.filter(({ number }) => number < (last?.number ?? 0));
  const same = known.find(({ number }) => number === last?.number);
  const measured = {
    ...(same?.stepTime === undefined ? {} : { stepTime: same.stepTime }),
    ...(same?.noiseScale === undefined ? {} : { noiseScale: same.noiseScale }),
  };
  const changes = last === undefined ? [] : [...earlier, { ...last, ...measured }];
  const failed = failures === undefined ? {} : { failures };
  return { ...kept, batch: { ...batch, ...failed, timings, barred, changes } };
}

/** What stays of `newest` where training begins anew: what is known of sizes that failed. */
export function anew({ batch }: Progress): Progress {
  return batch === undefined || batch.barred.length === 0
    ? noProgress
    : { ...noProgress, batch: fromBeginning(batch) };
}

/** `progress` with one more epoch in it, whose last step was trained with `rate`. */
export function advance(
  progress: Progress,
  report: EpochReport,
  job: TrainingJob,
  rate?: Progress["rate"],
): Progress {
  const value = job.stop === undefined ? undefined : report.metrics[job.stop.metric];
  const better = job.stop !== undefined && isBetter(job.stop, value, progress.stopBest?.value);
  const { partial: _part, rate: _rate, ...whole } = progress;
  const { measured } = report;
  const batch = measured && learn(progress.batch, { epoch: report.epoch, measured, report }, job);
  return {
    ...whole,
    epoch: report.epoch,
    examples: progress.examples + (report.examples ?? 0),
    trainedSeconds: progress.trainedSeconds + report.seconds,
    ...(better ? { stopBest: { epoch: report.epoch, value } } : {}),
    ...(batch === undefined ? {} : { batch }),
    ...(rate === undefined ? {} : { rate }),
  };
}

/** `state`'s progress with the epochs in it that `attempt` has reported, committed or not. */
export const pendingIn = (
  { progress }: Pick<RunState, "progress">,
  { pending }: Pick<LiveAttempt, "pending">,
  job: TrainingJob,
): Progress => pending.reduce((sum, { report, rate }) => advance(sum, report, job, rate), progress);

/** Why a run with this progress is finished, or `undefined` where it goes on. */
export const finishedBecause = (job: TrainingJob, progress: Progress): string | undefined =>
  stopReason(job.stop, { epoch: progress.epoch, epochs: job.epochs, best: progress.stopBest });

/** The best of `kept` by `goal`; of equals the earliest. */
export function bestCheckpoint(
  goal: MetricGoal,
  kept: readonly KeptCheckpoint[],
): KeptCheckpoint | undefined {
  let best: KeptCheckpoint | undefined;
  for (const checkpoint of kept) {
    if (isBetter(goal, checkpoint.bestValue, best?.bestValue)) best = checkpoint;
  }
  return best;
}
