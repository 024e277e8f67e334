import * as z from "zod";

/** What happens when memory runs out. */
export const MemoryPolicy = z.strictObject({
  onOutOfMemory: z
    .enum(["shrink", "give-up"])
    .default("shrink")
    .describe(
      "shrink: a smaller micro-batch with more accumulation, so that the batch, and the result, stay the same.",
    ),
  smallestMicroBatch: z
    .int()
    .min(1)
    .default(1)
    .describe("A smaller micro-batch than this is not tried, in examples."),
});
export type MemoryPolicy = z.output<typeof MemoryPolicy>;

/**
 * How `batchSize` examples go through the model when at most `limit` fit at once: in `accumulation` equal micro-batches,
 * since the mean of equal parts' means is the mean of all. The largest divisor of `batchSize` that fits; at least 1.
 */
export function splitBatch(
  batchSize: number,
  limit: number | undefined,
): { microBatchSize: number; accumulation: number } {
  const most = Math.min(batchSize, Math.max(1, limit ?? batchSize));
  let accumulation = Math.ceil(batchSize / most);
  while (batchSize % accumulation !== 0) accumulation += 1;
  return { microBatchSize: batchSize / accumulation, accumulation };
}

/** The micro-batch to try after `microBatchSize` did not fit: at most half; `undefined` where none is left to try. */
export function smallerMicroBatch(
  policy: MemoryPolicy,
  batchSize: number,
  microBatchSize: number,
): number | undefined {
  if (policy.onOutOfMemory === "give-up" || microBatchSize <= 1) return undefined;
  const smaller = splitBatch(batchSize, Math.floor(microBatchSize / 2)).microBatchSize;
  return smaller < policy.smallestMicroBatch ? undefined : smaller;
}
