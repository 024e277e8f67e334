import * as z from "zod";
import { MetricGoal } from "../metric-goal.ts";

/** Stop when a metric reaches `target`, or has not been better for `patience` epochs. */
export const StopPolicy = z
  .strictObject({
    ...MetricGoal.shape,
    target: z.number().optional().describe("Stop when the metric is at least (min: at most) this."),
    patience: z
      .int()
      .min(1)
      .optional()
      .describe("Stop after so many epochs in a row without a better value."),
  })
  .refine((policy) => policy.target !== undefined || policy.patience !== undefined, {
    path: ["target"],
    error: "is missing: give target or patience, or both",
  });

export type StopPolicy = z.output<typeof StopPolicy>;

export interface StopInput {
  /** The last epoch trained. */
  readonly epoch: number;
  /** Epochs that the job asks for. */
  readonly epochs: number;
  /** The best value of the stop metric so far, and the epoch that had it. */
  readonly best: { readonly epoch: number; readonly value: number } | undefined;
}

/** Why training ends after `epoch`, or `undefined` where it goes on. */
export function stopReason(policy: StopPolicy | undefined, at: StopInput): string | undefined {
  if (at.epoch >= at.epochs) return `all ${at.epochs} epochs are trained`;
  if (policy === undefined || at.best === undefined) return undefined;
  const { value, epoch } = at.best;
  if (
    policy.target !== undefined &&
    (policy.mode === "max" ? value >= policy.target : value <= policy.target)
  ) {
    return `${policy.metric} ${value} reached the target ${policy.target} at epoch ${epoch}`;
  }
  if (policy.patience !== undefined && at.epoch - epoch >= policy.patience) {
    return `${policy.metric} has not been better than ${value} (epoch ${epoch}) for ${policy.patience} epochs`;
  }
  return undefined;
}
