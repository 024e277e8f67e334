import { boundsProblems, sizes } from "./policies/batch-size/bounds.ts";
import { type BatchSizePolicy, isAdaptive, smallestSize } from "./policies/batch-size/index.ts";
import type { LearningRatePolicy } from "./policies/learning-rate.ts";
import { type MemoryPolicy, missingParts, type Split, splitAsWanted, splitBatch } from "./policies/memory.ts";

/** The fields of a job that speak of the batch size. */
interface BatchFields {
  readonly batchSize?: BatchSizePolicy | undefined;
  readonly microBatchSize?: number | "auto" | undefined;
  readonly memory: MemoryPolicy;
  readonly learningRate: LearningRatePolicy;
}

export interface BatchProblem {
  readonly path: string[];
  readonly message: string;
}

/** Every size that the policy can choose. */
function sizesOf(policy: BatchSizePolicy): readonly number[] {
  if (policy.policy === "fixed") return [policy.size];
  return policy.policy === "schedule" ? policy.steps.map(({ size }) => size) : sizes(policy);
}

/** A batch that is trained in parts much smaller than the job wants. */
export interface SmallParts extends Split {
  readonly batchSize: number;
  /** So many are wanted at once. */
  readonly most: number;
  /** What it would have to have, in words. */
  readonly missing: string;
}

/** Of the sizes that the job's policy can choose the one with the smallest parts, where these are much smaller than it wants. */
export function smallParts({ batchSize: policy, microBatchSize: wanted, memory }: BatchFields) {
  if (policy === undefined || wanted === undefined) return undefined;
  const found = sizesOf(policy).flatMap((batchSize): SmallParts[] => {
    const {
      microBatchSize,
      accumulation,
      most = batchSize,
    } = splitAsWanted(batchSize, wanted, undefined, memory, true);
    const missing = missingParts(batchSize, microBatchSize, most);
    return missing === undefined ? [] : [{ batchSize, most, microBatchSize, accumulation, missing }];
  });
  return found.toSorted((a, b) => a.microBatchSize - b.microBatchSize)[0];
}

const needsSize = "is a part of the batch size: give batchSize too";

/** The same where there is one size only, or several. */
const named = (policy: BatchSizePolicy): string =>
  policy.policy === "fixed" ? "the batch size" : "the smallest batch size";

/** What of the parts of a batch cannot be. */
function partProblems({ batchSize: policy, microBatchSize, memory }: BatchFields): BatchProblem[] {
  const { smallestMicroBatch } = memory;
  const ofMemory = ["memory", "smallestMicroBatch"];
  const ofParts = ["microBatchSize"];
  if (policy === undefined)
    return [
      ...(smallestMicroBatch > 1 ? [{ path: ofMemory, message: needsSize }] : []),
      ...(microBatchSize === undefined ? [] : [{ path: ofParts, message: needsSize }]),
    ];
  const smallest = smallestSize(policy);
  if (smallestMicroBatch > smallest)
    return [{ path: ofMemory, message: `must be at most ${smallest}, which is ${named(policy)}` }];
  if (typeof microBatchSize !== "number") return [];
  if (microBatchSize > smallest)
    return [{ path: ofParts, message: `must be at most ${smallest}, which is ${named(policy)}` }];
  if (microBatchSize >= 1 && microBatchSize < smallestMicroBatch)
    return [
      {
        path: ofParts,
        message: `must be at least ${smallestMicroBatch}, which is memory.smallestMicroBatch`,
      },
    ];
  const without = sizesOf(policy).find(
    (size) => splitBatch(size, microBatchSize).microBatchSize < smallestMicroBatch,
  );
  return without === undefined
    ? []
    : [
        {
          path: ofParts,
          message: `must be such that each batch has equal parts of from ${smallestMicroBatch} (memory.smallestMicroBatch) to so many examples: ${without} examples have none`,
        },
      ];
}

/** A scaling that has nothing to follow. */
function scalingProblem({ batchSize: policy, learningRate }: BatchFields): BatchProblem[] {
  const { scaling, referenceBatchSize } = learningRate;
  if (scaling === undefined || scaling === "none") return [];
  if (policy === undefined)
    return [
      {
        path: ["learningRate", "scaling"],
        message: `'${scaling}' follows the batch size: give batchSize too`,
      },
    ];
  if (isAdaptive(policy) || referenceBatchSize !== undefined) return [];
  return [
    {
      path: ["learningRate", "referenceBatchSize"],
      message: "is needed with this scaling: the batch size that the learning rate was tuned for",
    },
  ];
}

/** What is wrong with a job's batch size, its parts and what follows it, where each field is right by itself. */
export function batchProblems(job: BatchFields): BatchProblem[] {
  const { batchSize: policy } = job;
  const bounds = policy === undefined || !("multipleOf" in policy) ? [] : boundsProblems(policy);
  if (bounds.length > 0) return bounds.map(({ field, message }) => ({ path: ["batchSize", field], message }));
  return [...partProblems(job), ...scalingProblem(job)];
}
