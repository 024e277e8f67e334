import type { TrainingJob } from "../job.ts";
import {
  type BatchSizePolicy,
  chooseBatchSize,
  isAdaptive,
  policyInForce,
  usesNorms,
} from "../policies/batch-size/index.ts";
import type { Choice } from "../policies/batch-size/policy.ts";
import { learningRateScale, type Scaling } from "../policies/learning-rate.ts";
import { memoryOf, mostAtOnce } from "../policies/memory.ts";
import type { EpochPlan } from "../report.ts";
import type { Progress, RunState } from "../run-state.ts";
import { likelyMachine, splitFor } from "./memory.ts";
import { isNear, multiplied, type SizedRate, warmUpTo } from "./warm-up.ts";

/** What a plan follows from: what is committed or reported so far, and what was learnt of memory and of the learning rate. */
export type PlanState = Pick<RunState, "memory" | "numeric"> & { readonly progress: Progress };

export interface Planned {
  readonly plan: EpochPlan;
  readonly reason: string;
  readonly choice: Choice | undefined;
}

export interface PlanFor {
  /** The type of machine that trains it; absent: the one that trained last. */
  readonly machine?: string;
  /** In the middle of the epoch: how it is trained now. */
  readonly going?: SizedRate;
}

/** The scaling in force: where the job says nothing, the learning rate follows a batch size that follows what is measured. */
export function scalingOf(
  { batchSize, learningRate: { scaling } }: TrainingJob,
  policy: BatchSizePolicy | undefined = batchSize,
): Scaling {
  if (scaling !== undefined) return scaling;
  return policy === undefined || !isAdaptive(policy) || policy.policy === "plateau" ? "none" : "auto";
}

/** The policy of a run that has learnt so much. */
export const policyOf = ({ batchSize }: TrainingJob, { batch }: Progress): BatchSizePolicy | undefined =>
  policyInForce(batchSize, batch);

/**
 * What is worth measuring. A trainer that is left its own batch size measures only what it was told to observe. Where the rate warms
 * up, steps are counted.
 */
function measured(job: TrainingJob, policy: BatchSizePolicy | undefined): Pick<EpochPlan, "measure"> {
  const scaling = scalingOf(job);
  if (policy === undefined || usesNorms(policy) || scaling === "adascale" || scaling === "auto")
    return { measure: "norms" };
  const warmsUp = job.learningRate.warmUp > 0 && scaling !== "none";
  return isAdaptive(policy) || job.microBatchSize === "auto" || warmsUp ? { measure: "times" } : {};
}

/** The first size, where the job leaves it to Pawl or gives it. */
export const firstSize = (policy: BatchSizePolicy): number =>
  chooseBatchSize(policy, { epoch: 1, learnt: undefined, microBatchLimit: undefined }).size;

/** What the trainer's learning rate is multiplied with at `size`, before any remedy, and by which rule. */
function followedScale(
  job: TrainingJob,
  { batch }: Progress,
  policy: BatchSizePolicy | undefined,
  size: number | undefined,
) {
  const given = job.learningRate.referenceBatchSize;
  return learningRateScale(scalingOf(job, policy), {
    batchSize: size,
    referenceBatchSize: given ?? (policy === undefined ? undefined : firstSize(policy)),
    noiseScale: batch?.noiseScale,
    optimizer: batch?.optimizer,
  });
}

/** What the learning rate is multiplied with under `job` at `size`, before any remedy. */
export const learningRateAt = (job: TrainingJob, progress: Progress, size: number): number =>
  followedScale(job, progress, policyOf(job, progress), size).scale;

/** How training goes on that nobody has warmed up so far: a job can be given a warm-up later. */
const arrived = (job: TrainingJob, progress: Progress): Progress["rate"] =>
  progress.batch && {
    size: progress.batch.size,
    learningRateScale: learningRateAt(job, progress, progress.batch.size),
  };

/** What the checkpoint that training goes on from has of the middle of `epoch`. */
const restored = ({ progress }: PlanState, epoch: number): Progress["partial"] =>
  epoch === progress.epoch + 1 ? progress.partial : undefined;

/**
 * What an attempt is told about `epoch`, and why: of its beginning; of the rest of it, exactly as the checkpoint has it that training
 * goes on from; or, `going`, of the rest of it as it is best trained by what was measured.
 */
export function planEpoch(
  job: TrainingJob,
  state: PlanState,
  epoch: number,
  { machine = likelyMachine(state), going }: PlanFor = {},
): Planned {
  const { progress, numeric } = state;
  const part = going === undefined ? restored(state, epoch) : undefined;
  const policy = policyOf(job, progress);
  const grows = going === undefined && part === undefined;
  const { most } = mostAtOnce(job.microBatchSize, memoryOf(state.memory, machine), job.memory, grows);
  const choice = chosen(policy, { progress, epoch, microBatchLimit: most, part });
  const { note, ...split } =
    choice === undefined
      ? { note: undefined }
      : splitFor(job, state, { batchSize: choice.size, machine, grows });
  const factor = numeric?.learningRateFactor ?? 1;
  const followed = followedScale(job, progress, policy, choice?.size);
  const before = part?.batch?.size === choice?.size ? part?.batch : undefined;
  const isKept = before !== undefined && !isNear(followed.scale, before.learningRateScale);
  const scale = (isKept ? before.learningRateScale : followed.scale) * factor;
  const warmUp = (): EpochPlan["warmUp"] => {
    if (part !== undefined) return before && multiplied(before, factor).warmUp;
    const { rate = arrived(job, progress) } = progress;
    const inForce = going ?? (rate && { size: rate.size, ...multiplied(rate, factor) });
    return warmUpTo(inForce, { size: choice?.size, scale }, job.learningRate.warmUp);
  };
  const warms = warmUp();
  const plan: EpochPlan = {
    epoch,
    seed: job.seed,
    ...(choice === undefined ? {} : { batchSize: choice.size, ...split }),
    learningRateScale: scale,
    ...(warms === undefined ? {} : { warmUp: warms }),
    ...measured(job, policy),
    checkpoint: job.checkpoint.policy !== "none",
  };
  const rule = isKept ? "as it was" : followed.rule;
  return { plan, choice, reason: words(plan, choice, note, { rule, isLowered: factor !== 1 }) };
}

function chosen(
  policy: BatchSizePolicy | undefined,
  {
    progress: { batch },
    epoch,
    microBatchLimit,
    part,
  }: {
    readonly progress: Progress;
    readonly epoch: number;
    readonly microBatchLimit: number | undefined;
    readonly part: Progress["partial"];
  },
): Choice | undefined {
  const { size } = part?.batch ?? {};
  if (size !== undefined && (policy === undefined || isAdaptive(policy)))
    return { size, reason: `batch size ${size}, as at step ${part?.step}` };
  return policy && chooseBatchSize(policy, { epoch, learnt: batch, microBatchLimit });
}

function words(
  { microBatchSize, accumulation, learningRateScale: scale, warmUp }: EpochPlan,
  choice: Choice | undefined,
  note: string | undefined,
  { rule, isLowered }: { readonly rule: string; readonly isLowered: boolean },
): string {
  const parts = (accumulation ?? 1) === 1 ? "" : `, as ${accumulation} times ${microBatchSize}`;
  const why = [...(rule === "none" ? [] : [rule]), ...(isLowered ? ["lowered"] : [])].join(", ");
  const rate =
    scale === 1 && warmUp === undefined
      ? ""
      : `, learning rate × ${Number(scale.toPrecision(4))}${why === "" ? "" : ` (${why})`}`;
  const warm = warmUp === undefined ? "" : `, over ${warmUp.steps} steps`;
  const more = note === undefined ? "" : `, ${note}`;
  return `${choice?.reason ?? "batch size left to the trainer"}${parts}${more}${rate}${warm}`;
}
