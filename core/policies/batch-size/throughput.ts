import * as z from "zod";
import { bounds } from "./bounds.ts";
import type { Rule } from "./policy.ts";
import { gain } from "./speed.ts";
import { digits, type Standing, type Wish, within } from "./within.ts";

export const Throughput = z.strictObject({
  policy: z.literal("throughput"),
  ...bounds,
  share: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.9)
    .describe(
      "The smallest size is chosen that reaches this share of the most examples a second that any size reaches.",
    ),
});
type Parameters = z.output<typeof Throughput>;

/**
 * The smallest B with B / T(B) ≥ share × the most that any size reaches, T the time of a step. It goes up as soon as the share is
 * missed, and down only where a smaller size is half-way beyond it, so that it does not go to and fro between two.
 */
export const throughput: Rule<Parameters> = (given, seen) =>
  within(given, seen, (standing) => fastEnough(given, standing));

function fastEnough({ share }: Parameters, { learnt, size, ladder, allowed, speed }: Standing): Wish {
  const held = (why: string): Wish => ({ size, why });
  if (learnt.trouble !== undefined) return held(learnt.trouble);
  const now = speed.expected(size);
  if (now === undefined || speed.measured(size) === undefined) return held("too few of its steps are timed");
  if (speed.timed.length === 1) {
    const next = allowed.find((rung) => rung > size) ?? allowed.findLast((rung) => rung < size);
    return next === undefined
      ? held("no other size may be tried now")
      : { size: next, why: "tried, to see what its steps take" };
  }
  const rate = (rung: number) => rung / (speed.expected(rung)?.seconds ?? Number.POSITIVE_INFINITY);
  const most = Math.max(...ladder.map(rate));
  const missed = rate(size) < share * most;
  const enough = missed ? share : (1 + share) / 2;
  const wanted = ladder.find((rung) => rate(rung) >= enough * most) ?? size;
  const percent = (rung: number) => `${digits((100 * rate(rung)) / most)}% of the most`;
  const words = (rung: number) => `${digits(rate(rung))} examples a second`;
  if (!missed && wanted >= size) return held(`${words(size)}, ${percent(size)}`);
  // The rung nearest to where it is to go; none may be allowed where the size is on no rung itself.
  const next = allowed.reduce(
    (best, rung) => (Math.abs(rung - wanted) < Math.abs(best - wanted) ? rung : best),
    size,
  );
  if (next === size)
    return held(`${words(size)}, ${percent(size)}; nothing nearer to ${wanted} may be tried now`);
  const then = speed.expected(next);
  const predictedGain = then === undefined ? undefined : gain(now, then, undefined);
  return {
    size: next,
    why: `${words(size)}, predicted ${digits(rate(next))}, of at most ${digits(most)}`,
    ...(predictedGain === undefined ? {} : { predictedGain }),
  };
}
