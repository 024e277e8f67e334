import * as z from "zod";
import type { MetricValue } from "./metric-value.ts";

/** A metric and which way is better. */
export const MetricGoal = z.strictObject({
  metric: z.string().min(1).max(100).describe("A metric that the trainer reports."),
  mode: z.enum(["min", "max"]).describe("Whether less or more is better."),
});
export type MetricGoal = z.infer<typeof MetricGoal>;

/** Whether `value` is better than `than`; what is not finite is better than nothing. */
export function isBetter(
  goal: MetricGoal,
  value: MetricValue | undefined,
  than: number | undefined,
): value is number {
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  if (than === undefined) return true;
  return goal.mode === "max" ? value > than : value < than;
}
