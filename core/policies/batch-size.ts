import * as z from "zod";
import { Ordinal } from "../names.ts";

const Size = z.int().min(1).max(1_048_576);

const Fixed = z.strictObject({ policy: z.literal("fixed"), size: Size.describe("The same in all epochs.") });

const Schedule = z.strictObject({
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

/** `32`, or `{policy: fixed, size: 32}`, or `{policy: schedule, steps: [{fromEpoch: 1, size: 32}, …]}`. */
export const BatchSizePolicy = z.union([
  Size.transform((size) => ({ policy: "fixed" as const, size })),
  z.discriminatedUnion("policy", [Fixed, Schedule]),
]);

export type BatchSizePolicy = z.output<typeof BatchSizePolicy>;

/** The batch size of `epoch`, in examples: the last step of the schedule that has begun. */
export function batchSizeFor(policy: BatchSizePolicy, epoch: number): { size: number; reason: string } {
  if (policy.policy === "fixed") return { size: policy.size, reason: `batch size ${policy.size}, fixed` };
  const step = policy.steps.findLast((candidate) => candidate.fromEpoch <= epoch);
  if (step === undefined) throw new RangeError(`no step of the schedule covers epoch ${epoch}`);
  return { size: step.size, reason: `batch size ${step.size}, scheduled from epoch ${step.fromEpoch}` };
}
