import * as z from "zod";
import { CheckpointFrom } from "../checkpoint-source.ts";
import { MetricGoal } from "../metric-goal.ts";

const Kept = z.strictObject({
  policy: z.literal("keep").default("keep"),
  keep: z.int().min(1).max(100).default(3).describe("How many of the newest checkpoints are kept."),
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
  readonly refersTo: readonly string[];
}

/**
 * The names that stay of `checkpoints` (oldest first): the last `keep`, `best`, and every one that holds files of those.
 * References point to where the bytes are, so one step of following them is enough.
 */
export function retained(
  policy: RetentionPolicy,
  checkpoints: readonly Retainable[],
  best: string | undefined,
): Set<string> {
  if (policy.policy === "none") return new Set();
  const wanted = checkpoints.filter(
    (checkpoint, index) => index >= checkpoints.length - policy.keep || checkpoint.name === best,
  );
  return new Set(wanted.flatMap((checkpoint) => [checkpoint.name, ...checkpoint.refersTo]));
}
