import * as z from "zod";
import type { BatchProgress } from "../../batch-progress.ts";
import { Auto, auto } from "./auto.ts";
import { rangeOf } from "./bounds.ts";
import { Fixed, fixed } from "./fixed.ts";
import { Goodput, goodputPolicy } from "./goodput.ts";
import { NoiseScale, noiseScalePolicy } from "./noise-scale.ts";
import { Plateau, plateau } from "./plateau.ts";
import type { Choice, Seen } from "./policy.ts";
import { Schedule, schedule } from "./schedule.ts";
import { largestSize, Size } from "./size.ts";
import { Throughput, throughput } from "./throughput.ts";

const Chosen = z.discriminatedUnion("policy", [
  Fixed,
  Schedule,
  Plateau,
  NoiseScale,
  Throughput,
  Goodput,
  Auto,
]);

/** `32`, which is `{policy: fixed, size: 32}`; `auto`; `{start: 32, max: 2048}`, which is `auto` within bounds; or a policy by name. */
export const BatchSizePolicy = z.union([
  Size.transform((size) => ({ policy: "fixed" as const, size })),
  z.literal("auto").transform(() => Auto.parse({})),
  Chosen,
]);
export type BatchSizePolicy = z.output<typeof BatchSizePolicy>;

export type PolicyName = BatchSizePolicy["policy"];

/** Every policy that there is, in the order that people are told of them. */
export const policyNames = Chosen.options.map(
  ({ shape: { policy } }) => ("unwrap" in policy ? policy.unwrap() : policy).value,
);

/** Whether sizes follow from what is measured. */
export const isAdaptive = (policy: BatchSizePolicy): policy is Extract<BatchSizePolicy, { hold: number }> =>
  "hold" in policy;

/** Whether gradients' norms are of use to it. */
export const usesNorms = ({ policy }: BatchSizePolicy): boolean =>
  policy === "noise-scale" || policy === "goodput" || policy === "auto";

/**
 * The policy of a run: the job's, else what follows the measurements of a trainer that gives norms and takes its sizes from Pawl,
 * from the trainer's own first size on; `undefined` where the batch size is the trainer's own affair.
 */
export function policyInForce(
  given: BatchSizePolicy | undefined,
  learnt: Pick<BatchProgress, "first" | "noise" | "resizes"> | undefined,
): BatchSizePolicy | undefined {
  if (given !== undefined || learnt?.noise === undefined || !learnt.resizes) return given;
  return learnt.first > largestSize ? undefined : Auto.parse({ start: learnt.first });
}

/** No size that it chooses is smaller. */
export function smallestSize(policy: BatchSizePolicy): number {
  if (policy.policy === "fixed") return policy.size;
  if (policy.policy === "schedule") return Math.min(...policy.steps.map(({ size }) => size));
  return rangeOf(policy).min;
}

/** The batch size of what comes next, in examples. */
export function chooseBatchSize(policy: BatchSizePolicy, seen: Seen): Choice {
  switch (policy.policy) {
    case "fixed":
      return fixed(policy, seen);
    case "schedule":
      return schedule(policy, seen);
    case "plateau":
      return plateau(policy, seen);
    case "noise-scale":
      return noiseScalePolicy(policy, seen);
    case "throughput":
      return throughput(policy, seen);
    case "goodput":
      return goodputPolicy(policy, seen);
    case "auto":
      return auto(policy, seen);
  }
}
