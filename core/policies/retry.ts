import * as z from "zod";
import { Duration } from "../duration.ts";
import { failureClasses } from "../failure.ts";

/** How often and how soon to try again. The budget is refilled by every committed epoch. */
export const RetryPolicy = z
  .strictObject({
    failuresWithoutProgress: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .describe(
        "How many failures in a row, without a committed epoch between them, before the run gives up.",
      ),
    budgets: z
      .partialRecord(z.enum(failureClasses), z.int().min(1).max(1000))
      .default({})
      .describe(
        "The same for failures of one class, by its name, which are then not counted with the others; also for classes that do not count otherwise, such as spot-reclaim.",
      ),
    baseDelay: Duration.prefault("1s").describe(
      "Longest wait after the first failure; doubles with each further one.",
    ),
    maxDelay: Duration.refine((seconds) => seconds <= 86_400, { error: "must be at most 1d" })
      .prefault("5min")
      .describe("Longest wait after any failure."),
  })
  .transform(({ failuresWithoutProgress, budgets, baseDelay, maxDelay }) => ({
    failuresWithoutProgress,
    budgets,
    baseDelaySeconds: baseDelay,
    maxDelaySeconds: maxDelay,
  }))
  .refine((policy) => policy.baseDelaySeconds <= policy.maxDelaySeconds, {
    path: ["baseDelay"],
    error: "must not be longer than maxDelay, which is 5min unless it is given",
  });

export type RetryPolicy = z.output<typeof RetryPolicy>;

/**
 * Seconds to wait after the `failures`-th failure in a row (from 1): exponential backoff with full jitter,
 * `random · min(maxDelay, baseDelay · 2^(failures-1))` (Brooker, "Exponential Backoff and Jitter", AWS Architecture
 * Blog, 2015). `random` is in [0, 1). Whole seconds, since Step Functions waits no others.
 */
export function backoffSeconds(policy: RetryPolicy, failures: number, random: number): number {
  const ceiling = Math.min(policy.maxDelaySeconds, policy.baseDelaySeconds * 2 ** Math.min(failures - 1, 40));
  return Math.min(Math.round(random * ceiling), Math.floor(ceiling));
}
