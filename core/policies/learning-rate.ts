import * as z from "zod";

/** `none`; or `linear` or `sqrt`, relative to the batch size that the learning rate was tuned for. */
export const LearningRatePolicy = z
  .strictObject({
    scaling: z
      .enum(["none", "linear", "sqrt"])
      .default("none")
      .describe("How the factor for the learning rate follows from batch size / referenceBatchSize."),
    referenceBatchSize: z
      .int()
      .min(1)
      .optional()
      .describe("The batch size that the learning rate was tuned for, in examples."),
  })
  .refine((policy) => policy.scaling === "none" || policy.referenceBatchSize !== undefined, {
    path: ["referenceBatchSize"],
    error: "is needed with this scaling: the batch size that the learning rate was tuned for",
  });

export type LearningRatePolicy = z.output<typeof LearningRatePolicy>;

/**
 * What to multiply the trainer's learning rate with at `batchSize` B, for reference B₀: `linear` B/B₀ (Goyal et al.,
 * arXiv 1706.02677, for SGD), `sqrt` √(B/B₀) (Krizhevsky, arXiv 1404.5997; Malladi et al., arXiv 2205.10287, for Adam).
 */
export function learningRateScale(policy: LearningRatePolicy, batchSize: number | undefined): number {
  if (policy.scaling === "none" || policy.referenceBatchSize === undefined || batchSize === undefined)
    return 1;
  const ratio = batchSize / policy.referenceBatchSize;
  return policy.scaling === "linear" ? ratio : Math.sqrt(ratio);
}
