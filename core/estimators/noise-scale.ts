import * as z from "zod";
import { type GradientNorms, keptByStep } from "../measured.ts";

/** What is known of a gradient's noise: running means, each of an unbiased estimate. */
export const NoiseEstimate = z.strictObject({
  /** |G|²: the squared norm of the true gradient. Can come out negative where noise drowns it. */
  squaredNorm: z.number(),
  /** S: the trace of the covariance of one example's gradient. */
  trace: z.number(),
  /** Measured steps that the means rest on, older ones counted less. */
  steps: z.number().min(0),
  /** The same in examples: the weight of the means. */
  examples: z.number().min(0),
  /** So many times as many steps tell as much, where the means are of a stretch that was longer than they reach back. */
  surer: z.number().min(1).optional(),
  /** The newest noise scales that single stretches gave, oldest first: how far they are apart tells how far to trust them. */
  recent: z.array(z.number()).max(5),
});
export type NoiseEstimate = z.infer<typeof NoiseEstimate>;

/** With fewer measured steps than these nothing is concluded. */
export const fewestSteps = 4;

/** A noise scale may fall by so many times, or rise at once by its square, before nothing is concluded from it. */
const swing = 10;

/** Noise scales up to this are all alike: small. Training begins there, and soon is far away. */
const smallScale = 10;

/** Stretches that are looked at for a swing. */
const swingStretches = 3;

/** Squared norms beyond these cannot be calculated with. */
const largest = 1e60;
const smallest = 1e-60;

/** Directions that a gradient's noise has at least: about 6 in a small network. More make its norms less noisy. */
const directions = 6;

/** No noise scale is said to be larger, in examples. */
const largestScale = 1e9;

/** Why these norms tell nothing, in words; `undefined` where they do. */
export function normsProblem({ small, large }: GradientNorms): string | undefined {
  for (const { examples, squaredNorm } of [small, large]) {
    const said = `the squared gradient norm of ${examples} examples is ${squaredNorm}`;
    if (typeof squaredNorm === "string" || !Number.isFinite(squaredNorm)) return said;
    if (squaredNorm < 0) return `${said}, which is negative`;
    if (squaredNorm === 0) return said;
    if (squaredNorm > largest || squaredNorm < smallest) return `${said}, beyond what can be reckoned with`;
  }
  if (small.examples >= large.examples)
    return `gradient norms of ${small.examples} and of ${large.examples} examples cannot be compared: the first must be fewer`;
  return undefined;
}

/**
 * |G|² and S, each without bias, from squared norms at two batch sizes (McCandlish et al., arXiv 1812.06162, appendix A.1):
 * |G|² = (B₂|G₂|² − B₁|G₁|²) / (B₂ − B₁), S = (|G₁|² − |G₂|²) / (1/B₁ − 1/B₂), written so that nothing large is subtracted.
 */
function unbiased({ small, large }: GradientNorms): { squaredNorm: number; trace: number } {
  const noise = Number(small.squaredNorm) - Number(large.squaredNorm);
  const share = small.examples / (large.examples - small.examples);
  return { squaredNorm: Number(large.squaredNorm) - noise * share, trace: noise * share * large.examples };
}

/**
 * So many steps that count alike tell as much: their mean has the same variance. That is (Σ w)² / Σ w² with w = 1, k, k² …, and
 * 2 / (1 − k) at most.
 */
function effectiveSteps({ steps, weight }: GradientNorms): number {
  if (weight === undefined) return steps;
  const lost = 1 - keptByStep;
  const sum = Math.min(weight, steps, 1 / lost);
  return Math.min(steps, (sum * (2 - lost)) / (2 - lost * sum));
}

/**
 * Over how many measured steps of `batchSize` the means reach back. Those of |G|² at a batch far below the noise scale have a
 * variance that goes with (noise scale / batch)², so the smaller the batch, the more of them are needed; 16 × noise scale
 * examples, and at least 16 steps, bring it to a few tenths, and are a small part of an epoch wherever a batch of the noise scale
 * is: the noise scale itself changes over epochs.
 */
function reach(estimate: NoiseEstimate | undefined, batchSize: number): number {
  if (estimate === undefined || !(estimate.squaredNorm > 0)) return 1024;
  return Math.min(1024, 16 * (1 + Math.max(0, estimate.trace) / estimate.squaredNorm / batchSize));
}

/**
 * Gradients shrink while training goes on, and burst. Means of plain norms would follow whatever was largest, not what is newest:
 * what is more than this many times apart is brought so near before it goes into the same mean. It leaves each ratio as it is.
 */
const apart = 4;

function rescaled(before: NoiseEstimate, trace: number): number {
  if (!(before.trace > 0) || !(trace > 0)) return 1;
  const times = trace / before.trace;
  if (times > apart) return times / apart;
  return times * apart < 1 ? times * apart : 1;
}

/**
 * `before` with one more stretch's norms in it, which have no problem. The means are weighted by examples, since a large batch tells
 * more in each step, and forget exponentially by steps; the noise scale is the ratio of the means, not a mean of ratios,
 * which noise in |G|² would bias.
 */
export function smoothed(before: NoiseEstimate | undefined, norms: GradientNorms): NoiseEstimate {
  const batchSize = norms.large.examples;
  const value = unbiased(norms);
  const tau = reach(before, batchSize);
  const kept = Math.exp(-norms.steps / tau);
  // What a stretch's steps count for beside older ones: never more than tau steps.
  const steps = Math.min(norms.steps, tau * (1 - kept) + 1);
  const old = before ?? { squaredNorm: 0, trace: 0, steps: 0, examples: 0, recent: [] };
  const scale = rescaled(old, value.trace);
  const oldExamples = old.examples * kept;
  const examples = oldExamples + steps * batchSize;
  const share = (steps * batchSize) / examples;
  const mean = (a: number, b: number) => a * scale * (1 - share) + b * share;
  // As many steps, and examples, as tell as much as this mean: fewer where it rests on the end of a long stretch.
  const counted = old.steps * kept + steps;
  const precise = norms.weight === undefined ? steps : effectiveSteps(norms);
  const told = counted / (old.steps * kept + steps ** 2 / precise);
  const fewer = Math.min(1, told);
  const now = {
    squaredNorm: mean(old.squaredNorm, value.squaredNorm),
    trace: mean(old.trace, value.trace),
    steps: counted * fewer,
    examples: examples * fewer,
    // Not counted as steps: what comes next would be held against them, beyond the reach.
    ...(told > 1 ? { surer: told } : {}),
  };
  const own = telling(value, norms, now, old.recent);
  return { ...now, recent: [...old.recent, ...(own === undefined ? [] : [own])].slice(-5) };
}

/**
 * A stretch's own noise scale, where its steps were enough to tell. The relative variance of |G|² is about 4 N (N + B) / (B² d) for
 * one step, N the noise scale and d the directions that the noise has; with this many steps the deviation is a third of |G|². N is the lowest that
 * it could be: what does not agree with that is not luck.
 */
function telling(
  { squaredNorm, trace }: { squaredNorm: number; trace: number },
  norms: GradientNorms,
  now: { squaredNorm: number; trace: number },
  recent: readonly number[],
): number | undefined {
  const own = Math.max(0, squaredNorm > 0 ? Math.min(largestScale, trace / squaredNorm) : largestScale);
  const all = now.squaredNorm > 0 ? Math.max(0, now.trace) / now.squaredNorm : largestScale;
  const lowest = Math.min(own, all, ...recent.slice(-swingStretches));
  const { large } = norms;
  const needed = (8 * lowest * (lowest + large.examples)) / large.examples ** 2;
  return Math.round(effectiveSteps(norms)) >= Math.max(fewestSteps, needed) ? own : undefined;
}

/** What of the newest stretches' noise scales does not fit together. A rise is what training does; a fall to a tenth is not. */
function swingsIn(recent: readonly number[]): string | undefined {
  const newest = recent.slice(-swingStretches).map((value) => Math.max(smallScale, value));
  for (const [i, value] of newest.entries()) {
    const before = newest[i - 1] ?? value;
    const highest = Math.max(...newest.slice(0, i), 0);
    if (highest > value * swing || value > before * swing ** 2) {
      const words = recent
        .slice(-swingStretches)
        .map((each) => Number(each.toPrecision(2)).toLocaleString("en", { useGrouping: false }));
      return `the noise scale swings: ${words.join(", ")}`;
    }
  }
  return undefined;
}

/**
 * The deviation of the mean of |G|² where it is small beside the noise: 2 S √n / (W √d), of n steps with W examples in all, d as
 * above. It is the same for steps of different sizes, weighted as they are.
 */
const deviation = ({ trace, steps, examples, surer = 1 }: NoiseEstimate): number =>
  (2 * Math.max(0, trace) * Math.sqrt(steps)) / (examples * Math.sqrt(directions * surer));

/**
 * The simple noise scale S / |G|² in examples, finite and at least 0, or why it cannot be trusted yet. Where noise drowns |G|², so
 * that it comes out near 0 or below, what is known is that the noise scale is large: then it is S over the deviation of |G|²,
 * the least that the measurements allow for.
 */
export function noiseScale(
  estimate: NoiseEstimate | undefined,
): { readonly examples: number } | { readonly doubt: string } {
  if (estimate === undefined) return { doubt: "no gradient norms were measured" };
  const { squaredNorm, trace, steps, recent } = estimate;
  if (!(Math.round(steps) >= fewestSteps))
    return {
      doubt: `gradient norms were measured in ${Math.round(steps)} steps, and ${fewestSteps} are needed`,
    };
  const doubt = swingsIn(recent);
  if (doubt !== undefined) return { doubt };
  const luck = deviation(estimate);
  if (squaredNorm < -2 * luck) return { doubt: "noise drowns the gradient more than can be" };
  const examples = Math.max(0, trace) / Math.max(squaredNorm, luck);
  return examples <= largestScale ? { examples } : { doubt: "noise drowns the gradient" };
}
