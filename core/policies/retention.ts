import * as z from "zod";
import { CheckpointFrom } from "../checkpoint-source.ts";
import { MetricGoal } from "../metric-goal.ts";
import { CheckpointEvery } from "./checkpoint-interval.ts";

const Kept = z.strictObject({
  policy: z.literal("keep").default("keep"),
  keep: z.int().min(1).max(100).default(3).describe("How many of the newest checkpoints are kept."),
  every: CheckpointEvery,
  best: MetricGoal.optional().describe("Keep the best by this metric as well."),
  from: CheckpointFrom.optional(),
});

/** `none`: the trainer keeps nothing. Else the last `keep`, the best by a metric, and all that these refer to. */
export const RetentionPolicy = z.union([
  z.literal("none").transform(() => ({ policy: "none" as const })),
  Kept,
]);

export type RetentionPolicy = z.output<typeof RetentionPolicy>;

export interface Retainable {
  readonly name: string;
  /** Where it was taken in the middle of an epoch. */
  readonly step?: number | undefined;
  readonly refersTo: readonly string[];
}

/** So many from the middle of the epoch that is being trained are kept: the newest, and one to fall back to. */
const keptParts = 2;

/**
 * The names that stay of `checkpoints` (oldest first): of whole epochs the last `keep` and `best`; of the middle of the epoch after
 * those the newest two; and every one that holds files of these. References point to where the bytes are, so one step of
 * following them is enough.
 */
export function retained(
  policy: RetentionPolicy,
  checkpoints: readonly Retainable[],
  best: string | undefined,
): Set<string> {
  if (policy.policy === "none") return new Set();
  const whole = checkpoints.filter(({ step }) => step === undefined);
  const parts = checkpoints.slice(checkpoints.findLastIndex(({ step }) => step === undefined) + 1);
  const wanted = [
    ...whole.filter(({ name }, index) => index >= whole.length - policy.keep || name === best),
    ...parts.slice(-keptParts),
  ];
  return new Set(wanted.flatMap(({ name, refersTo }) => [name, ...refersTo]));
}
