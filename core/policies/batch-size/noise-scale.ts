import * as z from "zod";
import { noiseScale } from "../../estimators/noise-scale.ts";
import { bounds } from "./bounds.ts";
import type { Rule } from "./policy.ts";
import { gain, leastGain } from "./speed.ts";
import { noiseWords, type Standing, type Wish, within } from "./within.ts";

export const NoiseScale = z.strictObject({
  policy: z.literal("noise-scale"),
  ...bounds,
  share: z
    .number()
    .positive()
    .max(100)
    .default(1)
    .describe("The size is this times the measured noise scale."),
});
type Parameters = z.output<typeof NoiseScale>;

/** A rung is left where the wanted size is further than so much of a rung away: half would go to and fro between two. */
const leave = 0.75;

/**
 * The size that equals the gradient's noise scale, S / |G|² (McCandlish et al., arXiv 1812.06162, equation 2.9): below it twice the
 * batch saves almost half of the steps, above it almost none. What steps take does not lead it, but a size that was measured to
 * train slower is not gone to.
 */
export const noiseScalePolicy: Rule<Parameters> = (given, seen) =>
  within(given, seen, (standing) => toNoiseScale(given, standing));

function toNoiseScale({ share, step }: Parameters, { learnt, size, allowed, speed }: Standing): Wish {
  const held = (why: string): Wish => ({ size, why });
  if (learnt.trouble !== undefined) return held(learnt.trouble);
  if (learnt.noise === undefined) return held("no gradient norms are reported");
  const noise = noiseScale(learnt.noise);
  if ("doubt" in noise) return held(noise.doubt);
  const { examples } = noise;
  const away = (rung: number) => Math.abs(Math.log((share * examples) / rung));
  const why = noiseWords(examples);
  if (away(size) < leave * Math.log(step)) return held(why);
  const nearer = allowed.filter((rung) => away(rung) < away(size));
  const now = speed.measured(size);
  const pays = (rung: number) => {
    const then = speed.measured(rung);
    return now === undefined || then === undefined || gain(now, then, examples) >= leastGain;
  };
  // One rung at a time, or twice as many examples: each has to show that it pays.
  const ways = nearer.filter((rung) =>
    rung > size ? rung <= 2 * size || rung === nearer[0] : rung >= size / 2 || rung === nearer.at(-1),
  );
  const next = ways.filter(pays).reduce((best, rung) => (away(rung) < away(best) ? rung : best), size);
  if (next !== size) return { size: next, why };
  return held(
    ways.length === 0
      ? `${why}; nothing nearer to it may be tried now`
      : `${why}, but nothing nearer to it trains as fast`,
  );
}
