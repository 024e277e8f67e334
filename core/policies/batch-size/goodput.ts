import * as z from "zod";
import { bestSize, goodput } from "../../estimators/goodput.ts";
import { noiseScale } from "../../estimators/noise-scale.ts";
import { bounds, rangeOf } from "./bounds.ts";
import type { Rule } from "./policy.ts";
import { gain } from "./speed.ts";
import { digits, noiseWords, type Standing, type Wish, within } from "./within.ts";

export const Goodput = z.strictObject({
  policy: z.literal("goodput"),
  ...bounds,
  threshold: z
    .number()
    .min(0)
    .max(10)
    .default(0.05)
    .describe("By how much goodput has to become better for a change; by half of it for a larger size."),
});
type Parameters = z.output<typeof Goodput>;

/**
 * The size with the largest goodput (Pollux, OSDI 2021, equations 1, 7 and 10): examples a second × how much each of them teaches,
 * B / T(B) × (N + B₀) / (N + B), with N the noise scale, B₀ the first size, and T the time of a step, as measured for sizes that
 * were run and else by the model that fits the measurements. As in Pollux, no more than twice what was run is tried at once.
 */
export const goodputPolicy: Rule<Parameters> = (given, seen) =>
  within(given, seen, (standing) => bestGoodput(given, standing));

/** Growing needs less to be worth it than shrinking: while training goes on the noise scale grows (McCandlish et al., section 3.3). */
const upward = 0.5;

function bestGoodput(given: Parameters, standing: Standing): Wish {
  const { learnt, size, ladder, allowed, speed } = standing;
  const held = (why: string): Wish => ({ size, why });
  if (learnt.trouble !== undefined) return held(learnt.trouble);
  if (learnt.noise === undefined) return held("no gradient norms are reported");
  const noise = noiseScale(learnt.noise);
  if ("doubt" in noise) return held(noise.doubt);
  const { examples } = noise;
  const now = speed.expected(size);
  if (now === undefined || speed.measured(size) === undefined) return held("too few of its steps are timed");
  if (speed.timed.length === 1) return explored(given, standing, examples);
  const reference = rangeOf(given).start;
  const value = (rung: number) =>
    goodput(rung, speed.expected(rung)?.seconds ?? Number.NaN, examples, reference);
  // Worth it for where it leads, even where the first step of the way alone would not be.
  const far = bestSize(ladder, value);
  const near = bestSize(allowed, value);
  const there = near === undefined ? undefined : speed.expected(near.size);
  const needed = 1 + (far !== undefined && far.size > size ? given.threshold * upward : given.threshold);
  if (far === undefined || near === undefined || there === undefined || far.value <= value(size) * needed)
    return held(
      `with ${noiseWords(examples)} no other size is predicted to be ${digits(needed)} times as fast`,
    );
  if (near.size === size)
    return held(`${far.size} would be faster, and nothing nearer to it may be tried now`);
  const predictedGain = gain(now, there, examples);
  return {
    size: near.size,
    why: `${noiseWords(examples)}, predicted ${digits(predictedGain)} times as fast`,
    predictedGain,
  };
}

/**
 * One size alone does not tell what of a step's time grows with it. Its neighbours are worth a try where they would pay in the best
 * case: that a larger batch takes no longer, that a smaller one takes time in proportion.
 */
function explored({ threshold }: Parameters, { size, allowed }: Standing, noise: number): Wish {
  const up = allowed.find((rung) => rung > size);
  const down = allowed.findLast((rung) => rung < size);
  const tries = [
    ...(up === undefined
      ? []
      : [{ size: up, most: gain({ batchSize: size, seconds: 1 }, { batchSize: up, seconds: 1 }, noise) }]),
    ...(down === undefined
      ? []
      : [
          {
            size: down,
            most: gain({ batchSize: size, seconds: size }, { batchSize: down, seconds: down }, noise),
          },
        ]),
  ];
  const best = tries.toSorted((a, b) => b.most - a.most)[0];
  if (best === undefined) return { size, why: "no other size may be tried now" };
  if (best.most <= 1 + threshold)
    return {
      size,
      why: `with ${noiseWords(noise)} another size could be ${digits(best.most)} times as fast at best`,
    };
  return {
    size: best.size,
    why: `tried, as with ${noiseWords(noise)} it could be up to ${digits(best.most)} times as fast`,
  };
}
