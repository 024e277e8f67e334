import type { TrainingJob } from "../job.ts";
import { batchSizeFor } from "../policies/batch-size.ts";
import { learningRateScale } from "../policies/learning-rate.ts";
import type { EpochPlan } from "../report.ts";

/** What an attempt is told about `epoch`, and why. */
export function planEpoch(job: TrainingJob, epoch: number): { plan: EpochPlan; reason: string } {
  const batch = job.batchSize === undefined ? undefined : batchSizeFor(job.batchSize, epoch);
  const scale = learningRateScale(job.learningRate, batch?.size);
  const plan: EpochPlan = {
    epoch,
    seed: job.seed,
    ...(batch === undefined ? {} : { batchSize: batch.size, microBatchSize: batch.size, accumulation: 1 }),
    learningRateScale: scale,
    checkpoint: job.checkpoint.policy !== "none",
  };
  const rate =
    scale === 1 ? "" : `, learning rate × ${Number(scale.toPrecision(4))} (${job.learningRate.scaling})`;
  return { plan, reason: `${batch?.reason ?? "batch size left to the trainer"}${rate}` };
}
