import type { GradientNorms, Stretch } from "../core/measured.ts";
import { wireNumber } from "./metrics.ts";

/** Squared norms of gradients at two batch sizes. */
export interface Norms {
  readonly small: { readonly examples: number; readonly squaredNorm: number };
  readonly large: { readonly examples: number; readonly squaredNorm: number };
}

/** So many of the newest times a median rests on. */
const keptTimes = 256;
/** The first steps of a layout are not timed: something is set up in them. */
export const untimedSteps = 2;
/** Of the first so many steps every other one is measured. */
export const firstSteps = 8;
/** Measuring may cost this part of the time. */
const costliest = 0.02;
const mostOften = 4;
const leastOften = 64;
/** What a measured step still counts in the means after the next one; core/measured.ts says why, and joins stretches by it. */
const keptByStep = 1 - 1 / 128;

/** Behind the first ones, every how many-th step is measured where that makes a step take `extra` more than the `usual`, in one unit. */
export function measuredEach(extra: number, usual: number): number {
  const each = Math.ceil(extra / (costliest * usual));
  return Math.min(leastOften, Math.max(mostOften, each || mostOften));
}

/** The newest of some times, in seconds. */
class Times {
  readonly #newest = new Float64Array(keptTimes);
  count = 0;

  add(seconds: number): void {
    this.#newest[this.count % keptTimes] = seconds;
    this.count += 1;
  }

  get kept(): number {
    return Math.min(this.count, keptTimes);
  }

  get median(): number {
    const sorted = this.#newest.slice(0, this.kept).sort();
    const middle = sorted.length / 2;
    const upper = sorted[Math.floor(middle)] ?? Number.NaN;
    return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? Number.NaN)) / 2 : upper;
  }
}

/** Means of squared norms, in which older steps count less, and what all steps count for together. */
interface Means {
  readonly smallExamples: number;
  readonly largeExamples: number;
  small: number;
  large: number;
  weight: number;
  steps: number;
}

/** Steps of an epoch that are trained alike, one after the other, while they are counted. */
export class OpenStretch {
  readonly batchSize: number;
  readonly microBatchSize: number;
  /** Steps at its beginning that are not timed. */
  readonly #untimed: number;
  readonly #times = new Times();
  readonly #measuredTimes = new Times();
  #steps = 0;
  #examples = 0;
  #measureEvery = mostOften;
  #norms: Means | undefined;
  /** The newest norms that are no numbers to calculate with, and how many there were. */
  #unusable: { readonly norms: Norms; readonly steps: number } | undefined;

  constructor(batchSize: number, microBatchSize: number, untimed = untimedSteps) {
    this.batchSize = batchSize;
    this.microBatchSize = microBatchSize;
    this.#untimed = untimed;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Whether the norms of the next step's gradients are to be measured. */
  get normsDue(): boolean {
    return this.#steps < firstSteps ? this.#steps % 2 === 0 : this.#steps % this.#measureEvery === 0;
  }

  /** One more step; `seconds` is absent where something else went on in it. */
  count(examples: number, seconds: number | undefined, measured: boolean): void {
    if (seconds !== undefined && this.#steps >= this.#untimed) {
      if (measured) this.#timeMeasured(seconds);
      else this.#times.add(seconds);
    }
    this.#steps += 1;
    this.#examples += examples;
  }

  /**
   * One more step's norms. Where they are of other sizes than the first ones they are brought to those, which keeps them
   * unbiased: the expectation of a squared norm is linear in 1 / examples (McCandlish et al., arXiv 1812.06162, appendix A.1).
   * What is not finite says nothing of the others: a loss scale that was too large once ends in one such step.
   */
  addNorms(norms: Norms): void {
    const { small, large } = norms;
    const means = this.#norms ?? {
      smallExamples: small.examples,
      largeExamples: large.examples,
      small: 0,
      large: 0,
      weight: 0,
      steps: 0,
    };
    const isAlike = small.examples === means.smallExamples && large.examples === means.largeExamples;
    const trace = (small.squaredNorm - large.squaredNorm) / (1 / small.examples - 1 / large.examples);
    const truth = large.squaredNorm - trace / large.examples;
    const ofSmall = isAlike ? small.squaredNorm : truth + trace / means.smallExamples;
    const ofLarge = isAlike ? large.squaredNorm : truth + trace / means.largeExamples;
    if (!Number.isFinite(ofSmall) || !Number.isFinite(ofLarge)) {
      this.#unusable = { norms, steps: (this.#unusable?.steps ?? 0) + 1 };
      return;
    }
    means.weight = means.weight * keptByStep + 1;
    means.small += (ofSmall - means.small) / means.weight;
    means.large += (ofLarge - means.large) / means.weight;
    means.steps += 1;
    this.#norms = means;
  }

  /** What was measured so far; at least one step is counted. */
  toStretch(): Stretch {
    const norms = this.#wireNorms();
    return {
      batchSize: this.batchSize,
      microBatchSize: this.microBatchSize,
      workers: 1,
      steps: this.#steps,
      examples: this.#examples,
      ...(this.#times.count === 0
        ? {}
        : { timed: { stepSeconds: wireNumber(this.#times.median), steps: this.#times.kept } }),
      ...(norms === undefined ? {} : { norms }),
    };
  }

  #wireNorms(): GradientNorms | undefined {
    if (this.#norms === undefined) return this.#unusableNorms();
    const { smallExamples, largeExamples, small, large, steps, weight } = this.#norms;
    return {
      small: { examples: smallExamples, squaredNorm: wireNumber(small) },
      large: { examples: largeExamples, squaredNorm: wireNumber(large) },
      steps,
      weight,
    };
  }

  /** So that somebody says what is wrong. */
  #unusableNorms(): GradientNorms | undefined {
    if (this.#unusable === undefined) return undefined;
    const { norms, steps } = this.#unusable;
    const wire = ({ examples, squaredNorm }: Norms["small"]) => ({
      examples,
      squaredNorm: wireNumber(squaredNorm),
    });
    return { small: wire(norms.small), large: wire(norms.large), steps };
  }

  /** Measures as often as it may cost; what it costs is looked at each time that twice as many are timed. */
  #timeMeasured(seconds: number): void {
    const times = this.#measuredTimes;
    times.add(seconds);
    if ((times.count & (times.count - 1)) !== 0 || this.#times.count === 0) return;
    const usual = this.#times.median;
    this.#measureEvery = measuredEach(times.median - usual, usual);
  }
}
