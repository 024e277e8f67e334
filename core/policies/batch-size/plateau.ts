import * as z from "zod";
import { bounds } from "./bounds.ts";
import type { Rule } from "./policy.ts";
import { digits, type Standing, type Wish, within } from "./within.ts";

export const Plateau = z.strictObject({
  policy: z.literal("plateau"),
  ...bounds,
  metric: z.string().min(1).max(100).default("loss").describe("The metric that is to go on getting better."),
  mode: z
    .enum(["min", "max"])
    .default("min")
    .describe("Whether less of it is better, or more; needed where metric is given."),
  patience: z
    .int()
    .min(1)
    .max(1000)
    .default(2)
    .describe("Epochs without a better value after which it grows."),
  minDelta: z.number().min(0).default(0).describe("By how much a value has to be better to count."),
});

type Parameters = z.output<typeof Plateau>;

/**
 * Grows by a rung where the metric has not become better for `patience` epochs: growing the batch instead of decaying the learning
 * rate (Smith et al., arXiv 1711.00489) lowers a step's noise alike, with fewer steps. Never shrinks by itself.
 */
export const plateau: Rule<Parameters> = (given, seen) =>
  within(given, seen, (standing) => stalled(given, seen.epoch, standing));

function stalled(
  { metric: name, patience }: Parameters,
  epoch: number,
  { learnt, size, allowed }: Standing,
): Wish {
  const held = (why: string): Wish => ({ size, why });
  const { metric } = learnt;
  if (metric?.name !== name)
    return held(epoch === 1 ? `no epoch has a '${name}' yet` : `no epoch reported '${name}' as a number`);
  if (metric.lastEpoch < epoch - 1) return held(`epoch ${epoch - 1} reported no '${name}' that is a number`);
  // A change has epochs of its own to show what it does; it is made in the first of them.
  const since = Math.max(metric.bestEpoch, (learnt.changes.at(-1)?.epoch ?? 1) - 1);
  const stall = metric.lastEpoch - since;
  const best = `${name} is ${digits(metric.best)} at best, in epoch ${metric.bestEpoch}`;
  if (stall < patience) return held(best);
  const next = allowed.find((rung) => rung > size);
  return next === undefined
    ? held(`${best}; no larger size may be tried`)
    : { size: next, why: `no better for ${stall} epochs: ${best}` };
}
