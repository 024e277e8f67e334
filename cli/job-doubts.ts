import { smallParts } from "../core/batch-problems.ts";
import { scalingOf } from "../core/decisions/plan.ts";
import type { TrainingJob } from "../core/job.ts";
import { sizes } from "../core/policies/batch-size/bounds.ts";

/** Settings of a job that are allowed and do nothing, or work against each other: words, not errors. */
export function jobDoubts(job: TrainingJob): string[] {
  return [...scalingDoubts(job), ...sizeDoubts(job), ...partDoubts(job)];
}

function scalingDoubts(job: TrainingJob): string[] {
  const { batchSize: policy, learningRate } = job;
  const { scaling, referenceBatchSize, warmUp } = learningRate;
  if (policy === undefined) return [];
  const doubts: string[] = [];
  const scales = scaling !== undefined && scaling !== "none";
  if (policy.policy === "plateau" && scales)
    doubts.push(
      "learningRate.scaling: plateau makes batches larger in the place of a lower learning rate; scaled with them, it stays as high for each example as it was",
    );
  if (policy.policy === "fixed" && warmUp > 0)
    doubts.push("learningRate.warmUp: has no effect, since the batch size never changes");
  else if (scalingOf(job) === "none" && warmUp > 0)
    doubts.push("learningRate.warmUp: has no effect, since the learning rate does not follow the batch size");
  if (scalingOf(job) === "none" && referenceBatchSize !== undefined)
    doubts.push(
      "learningRate.referenceBatchSize: has no effect, since the learning rate does not follow the batch size",
    );
  return doubts;
}

function sizeDoubts({ batchSize: policy }: TrainingJob): string[] {
  if (policy === undefined || !("multipleOf" in policy)) return [];
  const [only, ...more] = sizes(policy);
  return more.length > 0
    ? []
    : [`batchSize.max: leaves one size to choose from, ${only}: ${policy.policy} has no choice`];
}

function partDoubts(job: TrainingJob): string[] {
  const found = smallParts(job);
  if (found === undefined) return [];
  const { batchSize, most, accumulation, microBatchSize, missing } = found;
  const first = job.microBatchSize === "auto" ? " at first" : "";
  return [
    `microBatchSize: a batch of ${batchSize} is trained as ${accumulation} times ${microBatchSize}${first}, since ${batchSize} have no ${missing}; a multiple of ${most} has`,
  ];
}
