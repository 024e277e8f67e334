import * as z from "zod";
import { Ordinal } from "../../names.ts";
import type { Rule } from "./policy.ts";
import { Size } from "./size.ts";

export const Schedule = z.strictObject({
  policy: z.literal("schedule"),
  steps: z
    .array(
      z.strictObject({
        fromEpoch: Ordinal.describe("The first epoch of this size; the first step's is 1."),
        size: Size.describe("From that epoch on, until the next step."),
      }),
    )
    .min(1)
    .refine((steps) => steps.length === 0 || steps[0]?.fromEpoch === 1, {
      error: "must begin with fromEpoch: 1",
    })
    .refine((steps) => steps.every((step, i) => i === 0 || step.fromEpoch > (steps[i - 1]?.fromEpoch ?? 0)), {
      error: "must have a larger fromEpoch in each step than in the one before",
    }),
});

/** The last step of the schedule that has begun. */
export const schedule: Rule<z.output<typeof Schedule>> = ({ steps }, { epoch }) => {
  const step = steps.findLast((candidate) => candidate.fromEpoch <= epoch);
  if (step === undefined) throw new RangeError(`no step of the schedule covers epoch ${epoch}`);
  return { size: step.size, reason: `batch size ${step.size}, scheduled from epoch ${step.fromEpoch}` };
};
