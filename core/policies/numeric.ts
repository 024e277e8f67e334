import * as z from "zod";
import type { Metrics } from "../report.ts";

/** What happens when a loss is no number any more. */
export const NumericPolicy = z.strictObject({
  metrics: z
    .array(z.string().min(1).max(100))
    .max(50)
    .default(["loss"])
    .describe("Metrics that must be finite numbers when they are reported."),
  after: z
    .enum(["roll-back", "give-up", "ignore"])
    .default("roll-back")
    .describe(
      "roll-back: train again from an earlier checkpoint, with a lower learning rate or without a growth of the batch size.",
    ),
  back: z
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe(
      "How many kept checkpoints further back than the newest whole epoch's; one more each time that it fails there again.",
    ),
  learningRateFactor: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe(
      "What the learning rate is multiplied with each time that it is lowered, for the rest of the run.",
    ),
  times: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe("How often to roll back at the same epoch, or before it, until the run gives up."),
});
export type NumericPolicy = z.output<typeof NumericPolicy>;

/** No lower factor is tried: it would train nothing, and could become 0. */
export const smallestLearningRateFactor = 1e-100;

/** What is wrong with the metrics of an epoch, in words; `undefined` where nothing is, or where it is not looked at. */
export function numericProblem(policy: NumericPolicy, metrics: Metrics): string | undefined {
  if (policy.after === "ignore") return undefined;
  const name = policy.metrics.find((metric) => typeof metrics[metric] === "string");
  return name === undefined ? undefined : `${name} is ${metrics[name]}`;
}
