import { type BatchProgress, nothingLearnt } from "../batch-progress.ts";
import type { TrainingJob } from "../job.ts";
import { fromBeginning, withGrowthBarred } from "../learnt-bars.ts";
import { isAdaptive } from "../policies/batch-size/index.ts";
import type { EpochPlan } from "../report.ts";
import type { LiveAttempt, Progress, RunState } from "../run-state.ts";
import { machineOf } from "./memory.ts";
import { firstSize, planEpoch, policyOf } from "./plan.ts";
import { pendingIn } from "./progress.ts";

export type Growth = NonNullable<LiveAttempt["grown"]>;

/** The growth that `plan` is, from what was learnt before it; `undefined` where it is none. */
export function growthTo(
  { epoch, batchSize: to }: EpochPlan,
  learnt: BatchProgress | undefined,
  step = 0,
): Growth | undefined {
  if (learnt === undefined || to === undefined || to <= learnt.size) return undefined;
  const { size: from, examples } = learnt;
  return { epoch, step, from, to, examples };
}

/** `attempt` with `growth` noted, where it is the first in its epoch. */
export function withGrowth(attempt: LiveAttempt, growth: Growth | undefined): LiveAttempt {
  return growth === undefined || growth.epoch === attempt.grown?.epoch
    ? attempt
    : { ...attempt, grown: growth };
}

/** `attempt`, which diverged when so many examples were trained, with that in its growth. */
export function withDivergence(attempt: LiveAttempt, examples: number): LiveAttempt {
  const { grown } = attempt;
  return grown === undefined ? attempt : { ...attempt, grown: { ...grown, examples } };
}

/** Of an attempt that goes on from the middle of the first epoch, of which no whole one has told anything yet. */
function inFirstEpoch({ progress: { partial } }: RunState, job: TrainingJob): Growth | undefined {
  const size = partial?.batch?.size;
  if (partial === undefined || size === undefined || job.batchSize === undefined) return undefined;
  const from = firstSize(job.batchSize);
  return size <= from ? undefined : { epoch: 1, step: 0, from, to: size, examples: from * partial.step };
}

/**
 * The growth after which `attempt` diverged in `epoch`: the first one in that epoch; else the newest one after `back`, the progress that
 * training goes back to. `undefined` where there was none, or the job's sizes do not follow what is measured.
 */
function growthAfter(
  { before, attempt }: { readonly before: RunState; readonly attempt: LiveAttempt },
  { epoch, back, job }: { readonly epoch: number; readonly back: Progress; readonly job: TrainingJob },
): Growth | undefined {
  const progress = pendingIn(before, attempt, job);
  const { batch } = progress;
  const policy = policyOf(job, progress);
  if (policy !== undefined && !isAdaptive(policy)) return undefined;
  const { firstPlan, grown, answers } = attempt;
  const begun = batch === undefined ? inFirstEpoch(before, job) : growthTo(firstPlan, batch);
  const inEpoch = [firstPlan.epoch === epoch ? begun : undefined, grown].find(
    (each) => each?.epoch === epoch,
  );
  const resized = answers.measured?.epoch === epoch ? answers.measured.answer : undefined;
  const now = resized?.action === "train" ? resized.plan.batchSize : undefined;
  // One that was undone before training diverged is not to blame.
  if (inEpoch !== undefined && (now ?? inEpoch.to) > inEpoch.from) return inEpoch;
  if (batch === undefined) return undefined;
  const since = batch.changes.findLast(
    ({ number, from, to, outcome }) =>
      number > (back.batch?.changeCount ?? 0) &&
      to > from &&
      to <= batch.size &&
      (outcome === "open" || outcome === "kept"),
  );
  if (since === undefined) return undefined;
  const { from, to, step } = since;
  return { epoch: since.epoch, step, from, to, examples: batch.examples };
}

/**
 * `back`, the state that an attempt which diverged goes back to, with the growth barred that it diverged after; `undefined` where there
 * was none, or the same size would follow anyway.
 */
export function withGrowthTakenBack(
  back: RunState,
  failed: { readonly before: RunState; readonly attempt: LiveAttempt },
  epoch: number,
  job: TrainingJob,
): { readonly state: RunState; readonly words: string } | undefined {
  const growth = growthAfter(failed, { epoch, back: back.progress, job });
  if (growth === undefined) return undefined;
  const { from, to, examples } = growth;
  const first = job.batchSize === undefined ? from : firstSize(job.batchSize);
  const newest = pendingIn(failed.before, failed.attempt, job).batch;
  const learnt =
    back.progress.batch ??
    (newest === undefined ? nothingLearnt(first, machineOf(failed.attempt)) : fromBeginning(newest));
  const batch = withGrowthBarred(
    learnt,
    { from, to, epoch: growth.epoch, step: growth.step },
    `training diverged with it in epoch ${epoch}`,
    Math.max(1, examples),
  );
  const state = { ...back, progress: { ...back.progress, batch } };
  const { plan } = planEpoch(job, state, state.progress.epoch + 1);
  if ((plan.batchSize ?? 0) >= to) return undefined;
  return { state, words: `batch size ${to} for ${from} is taken back` };
}
