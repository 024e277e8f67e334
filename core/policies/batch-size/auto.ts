import * as z from "zod";
import { bounds } from "./bounds.ts";
import { Goodput, goodputPolicy } from "./goodput.ts";
import type { Rule } from "./policy.ts";
import { within } from "./within.ts";

export const Auto = z.strictObject({
  policy: z.literal("auto").default("auto"),
  ...bounds,
});

/** Goodput where the trainer reports what it needs; else the size is held, since nothing tells what a larger one would cost. */
export const auto: Rule<z.output<typeof Auto>> = ({ policy: _auto, ...given }, seen) => {
  const { learnt } = seen;
  if (learnt !== undefined && learnt.noise === undefined && learnt.trouble === undefined)
    return within(given, seen, ({ size }) => ({
      size,
      why: "the trainer reports no gradient norms: it needs pawl.torch.observe, observe of pawl/trainer, or another policy",
    }));
  return goodputPolicy(Goodput.parse({ policy: "goodput", ...given }), seen);
};
