import type { TrainingJob } from "../job.ts";
import { batchSizeFor } from "../policies/batch-size.ts";
import { learningRateScale } from "../policies/learning-rate.ts";
import { splitBatch } from "../policies/memory.ts";
import type { EpochPlan } from "../report.ts";
import type { RunState } from "../run-state.ts";

/** What an attempt is told about `epoch`, and why; `state` says what has been learnt of memory and of the learning rate. */
export function planEpoch(
  job: TrainingJob,
  { microBatchLimit, numeric }: Pick<RunState, "microBatchLimit" | "numeric">,
  epoch: number,
): { plan: EpochPlan; reason: string } {
  const batch = job.batchSize === undefined ? undefined : batchSizeFor(job.batchSize, epoch);
  const split = batch === undefined ? undefined : splitBatch(batch.size, microBatchLimit);
  const factor = numeric?.learningRateFactor ?? 1;
  const scale = learningRateScale(job.learningRate, batch?.size) * factor;
  const plan: EpochPlan = {
    epoch,
    seed: job.seed,
    ...(batch === undefined ? {} : { batchSize: batch.size, ...split }),
    learningRateScale: scale,
    checkpoint: job.checkpoint.policy !== "none",
  };
  const parts =
    split === undefined || split.accumulation === 1
      ? ""
      : `, as ${split.accumulation} times ${split.microBatchSize}`;
  const why = [
    ...(job.learningRate.scaling === "none" ? [] : [job.learningRate.scaling]),
    ...(factor === 1 ? [] : ["lowered"]),
  ];
  const rate = scale === 1 ? "" : `, learning rate × ${Number(scale.toPrecision(4))} (${why.join(", ")})`;
  return { plan, reason: `${batch?.reason ?? "batch size left to the trainer"}${parts}${rate}` };
}
