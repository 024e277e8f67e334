import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OpenStretch } from "../../trainer/stretch.ts";
import type { GradientNorms } from "../measured.ts";
import { Dice } from "../testing/dice.ts";
import { normal } from "../testing/normal.ts";
import { fewestSteps, type NoiseEstimate, noiseScale, normsProblem, smoothed } from "./noise-scale.ts";

type Vector = readonly number[];

const squared = (vector: Vector) => vector.reduce((sum, value) => sum + value * value, 0);
const mean = (vectors: readonly Vector[]): Vector =>
  (vectors[0] ?? []).map(
    (_, i) => vectors.reduce((sum, vector) => sum + (vector[i] ?? 0), 0) / vectors.length,
  );

/**
 * The loss ½ (θ − θ*)ᵀ H (θ − θ*), H diagonal, whose gradient at one example is H (θ − θ*) plus normal noise of a known covariance:
 * its noise scale is known without doubt.
 */
class Quadratic {
  readonly #dice: Dice;
  readonly curvature: Vector;
  readonly deviations: Vector;
  offset: Vector;

  constructor(seed: number, dimensions: number, noiseScale: number) {
    this.#dice = new Dice(seed);
    this.curvature = Array.from({ length: dimensions }, (_, i) => 1 / (1 + i / 4));
    this.offset = Array.from({ length: dimensions }, (_, i) => 1 + (i % 3));
    // Directions differ in their noise, up to fourfold.
    const shape = Array.from({ length: dimensions }, (_, i) => 1 + 3 * ((i % 7) / 6));
    const scale = Math.sqrt((noiseScale * squared(this.gradient)) / squared(shape));
    this.deviations = shape.map((value) => value * scale);
  }

  get gradient(): Vector {
    return this.curvature.map((value, i) => value * (this.offset[i] ?? 0));
  }

  get noiseScale(): number {
    return squared(this.deviations) / squared(this.gradient);
  }

  /** The mean gradient of so many examples, as it is sampled. */
  sample(examples: number): Vector {
    return this.gradient.map(
      (value, i) => value + ((this.deviations[i] ?? 0) * normal(this.#dice)) / Math.sqrt(examples),
    );
  }

  step(gradient: Vector, rate: number): void {
    this.offset = this.offset.map((value, i) => value - rate * (gradient[i] ?? 0));
  }
}

const norms = (small: number, ofSmall: number, large: number, ofLarge: number, steps = 1): GradientNorms => ({
  small: { examples: small, squaredNorm: ofSmall },
  large: { examples: large, squaredNorm: ofLarge },
  steps,
});

/** A stretch of `steps` steps of `batchSize`, in as many parts: as micro-batches, halves and workers all are. */
function stretch(model: Quadratic, batchSize: number, parts: number, steps: number): GradientNorms {
  let small = 0;
  let large = 0;
  for (let step = 0; step < steps; step += 1) {
    const each = Array.from({ length: parts }, () => model.sample(batchSize / parts));
    small += each.reduce((sum, vector) => sum + squared(vector), 0) / parts;
    large += squared(mean(each));
  }
  return norms(batchSize / parts, small / steps, batchSize, large / steps, steps);
}

/** The same from pairs of gradients that follow each other, while the model is trained. */
function consecutive(model: Quadratic, batchSize: number, rate: number, pairs: number): GradientNorms {
  let small = 0;
  let large = 0;
  for (let pair = 0; pair < pairs; pair += 1) {
    const each = [0, 1].map(() => {
      const gradient = model.sample(batchSize);
      model.step(gradient, rate);
      return gradient;
    });
    small += each.reduce((sum, vector) => sum + squared(vector), 0) / 2;
    large += squared(mean(each));
  }
  return norms(batchSize, small / pairs, 2 * batchSize, large / pairs, pairs);
}

/** What the trainer's helper tells of a stretch of which each step had its own norms. */
function helped(batchSize: number, steps: number, at: (step: number) => GradientNorms): GradientNorms {
  const open = new OpenStretch(batchSize, batchSize);
  for (let step = 0; step < steps; step += 1) {
    const { small, large } = at(step);
    open.addNorms({
      small: { ...small, squaredNorm: Number(small.squaredNorm) },
      large: { ...large, squaredNorm: Number(large.squaredNorm) },
    });
  }
  open.count(batchSize, undefined, true);
  const { norms: told } = open.toStretch();
  if (told === undefined) throw new Error("no norms");
  return told;
}

const learnt = (stretches: readonly GradientNorms[]): NoiseEstimate | undefined =>
  stretches.reduce<NoiseEstimate | undefined>(smoothed, undefined);

function examplesOf(estimate: NoiseEstimate | undefined): number {
  const found = noiseScale(estimate);
  if ("doubt" in found) throw new Error(found.doubt);
  return found.examples;
}

const middle = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const seeds = Array.from({ length: 50 }, (_, i) => i + 1);

describe("the noise scale of a quadratic model, in the median over 50 seeds, is within 10% of the true one", () => {
  it.each([
    { how: "from two halves", truth: 100, batchSize: 64, parts: 2, stretches: 20 },
    { how: "from two halves, far below it", truth: 600, batchSize: 64, parts: 2, stretches: 30 },
    { how: "from two halves, far above it", truth: 20, batchSize: 512, parts: 2, stretches: 10 },
    { how: "from eight accumulated micro-batches", truth: 300, batchSize: 256, parts: 8, stretches: 10 },
    { how: "from two workers", truth: 200, batchSize: 128, parts: 2, stretches: 20 },
    { how: "from sixteen workers", truth: 1000, batchSize: 512, parts: 16, stretches: 10 },
  ])("$how", ({ truth, batchSize, parts, stretches }) => {
    const found = seeds.map((seed) => {
      const model = new Quadratic(seed, 40, truth);
      return examplesOf(
        learnt(Array.from({ length: stretches }, () => stretch(model, batchSize, parts, 16))),
      );
    });
    expect(middle(found) / truth).toBeGreaterThan(0.9);
    expect(middle(found) / truth).toBeLessThan(1.1);
  });

  it.each([
    { how: "from the end of a long stretch", truth: 100, batchSize: 64, steps: 1500 },
    { how: "from the end of a long stretch, below it", truth: 200, batchSize: 64, steps: 1500 },
    { how: "from the end of a long stretch, far above it", truth: 20, batchSize: 512, steps: 1500 },
  ])("$how, as the helpers measure it", ({ truth, batchSize, steps }) => {
    const found = seeds.map((seed) => {
      const model = new Quadratic(seed, 40, truth);
      const given = helped(batchSize, steps, () => stretch(model, batchSize, 2, 1));
      return examplesOf(smoothed(undefined, given));
    });
    expect(middle(found) / truth).toBeGreaterThan(0.9);
    expect(middle(found) / truth).toBeLessThan(1.1);
  });

  it("from gradients that follow each other at a small learning rate", () => {
    const found = seeds.map((seed) => {
      const model = new Quadratic(seed, 40, 150);
      const stretches = Array.from({ length: 20 }, () => consecutive(model, 64, 1e-4, 16));
      return examplesOf(learnt(stretches)) / model.noiseScale;
    });
    expect(middle(found)).toBeGreaterThan(0.9);
    expect(middle(found)).toBeLessThan(1.1);
  });

  it("from batches that grow from 16 to 512", () => {
    const found = seeds.map((seed) => {
      const model = new Quadratic(seed, 40, 250);
      return examplesOf(learnt([16, 32, 64, 128, 256, 512].map((size) => stretch(model, size, 2, 8))));
    });
    expect(middle(found) / 250).toBeGreaterThan(0.9);
    expect(middle(found) / 250).toBeLessThan(1.1);
  });

  it("from steps that each are a stretch of their own, as from all at once", () => {
    const found = seeds.map((seed) => {
      const model = new Quadratic(seed, 40, 100);
      return examplesOf(learnt(Array.from({ length: 320 }, () => stretch(model, 64, 2, 1))));
    });
    expect(middle(found) / 100).toBeGreaterThan(0.9);
    expect(middle(found) / 100).toBeLessThan(1.1);
  });
});

/** Norms as they would be without any luck. */
const exact = (truth: number, squaredNorm: number, batchSize: number, steps: number): GradientNorms =>
  norms(
    batchSize / 2,
    squaredNorm * (1 + truth / (batchSize / 2)),
    batchSize,
    squaredNorm * (1 + truth / batchSize),
    steps,
  );

describe("smoothing", () => {
  it("follows a noise scale that grows, and is not far behind it", () => {
    let estimate: NoiseEstimate | undefined;
    for (let truth = 100; truth <= 3200; truth *= 1.1)
      estimate = smoothed(estimate, exact(truth, 1, 128, 60));
    expect(examplesOf(estimate)).toBeGreaterThan(2000);
  });

  it.each([512, 2048])("follows one that grows a hundredfold within one stretch of %i", (batchSize) => {
    // The gradient fades, and its noise stays.
    const truthAt = (step: number) => 50 * 100 ** (step / 40_000);
    const at = (step: number) => exact(truthAt(step), 50 / truthAt(step), batchSize, 1);
    for (const steps of [1000, 10_000, 20_000, 40_000]) {
      const told = helped(batchSize, steps, at);
      for (const before of [undefined, exact(50, 1, 32, 40)])
        expect(
          examplesOf(learnt([...(before === undefined ? [] : [before]), told])) / truthAt(steps),
        ).toBeCloseTo(1, 1);
    }
  });

  it("forgets a long stretch of large batches in as many steps as a short one", () => {
    const at = (truth: number) => exact(truth, 1, 512, 1);
    const short = helped(512, 16, () => at(50));
    const long = helped(512, 500, () => at(500));
    const known = smoothed(smoothed(undefined, exact(500, 1, 512, 16)), long);
    expect(examplesOf([short, short, short, short].reduce(smoothed, known))).toBeLessThan(100);
  });

  it("trusts the end of a long stretch as much as the steps that it rests on, and the state before it no more", () => {
    const told = helped(64, 5000, () => exact(100, 1, 64, 1));
    const { steps, examples } = smoothed(undefined, told);
    expect(steps).toBeGreaterThan(200);
    expect(steps).toBeLessThan(256);
    expect(examples / steps).toBeCloseTo(64, 6);
    const few = helped(64, 20, () => exact(100, 1, 64, 1));
    expect(smoothed(undefined, few).steps).toBeCloseTo(20, 0);
    const long = helped(32, 1000, () => exact(2000, 1, 32, 1));
    const plain = exact(2000, 1, 32, 1000);
    const before = smoothed(undefined, exact(1000, 1, 32, 1000));
    expect(smoothed(before, long).squaredNorm).toBeCloseTo(smoothed(before, plain).squaredNorm, 6);
    expect(smoothed(before, long).trace).toBeCloseTo(smoothed(before, plain).trace, 6);
  });

  it("follows the newest also where gradients shrink by orders of magnitude, or burst", () => {
    for (const factor of [1e-6, 1e-3, 1e3, 1e6]) {
      const before = exact(100, 1, 128, 200);
      const after = exact(1000, factor, 128, 200);
      expect(examplesOf(learnt([before, after, after, after, after]))).toBeGreaterThan(500);
    }
  });

  it("is moved little by one stretch whose norms are far too large", () => {
    const usual = exact(100, 1, 128, 100);
    const found = examplesOf(learnt([usual, usual, exact(1000, 1e6, 128, 1), usual]));
    expect(found).toBeGreaterThan(90);
    expect(found).toBeLessThan(120);
  });

  it("does not depend on the unit of the gradient", () => {
    const seen = [exact(50, 1, 64, 8), exact(80, 2, 64, 16), exact(70, 0.5, 128, 4)];
    const scaled = seen.map(({ small, large, steps }) =>
      norms(
        small.examples,
        Number(small.squaredNorm) * 1e6,
        large.examples,
        Number(large.squaredNorm) * 1e6,
        steps,
      ),
    );
    expect(examplesOf(learnt(scaled))).toBeCloseTo(examplesOf(learnt(seen)), 6);
  });

  it("keeps five of the newest noise scales at most", () => {
    const estimate = learnt(Array.from({ length: 20 }, (_, i) => exact(100 + i, 1, 128, 200)));
    expect(estimate?.recent).toHaveLength(5);
    expect(estimate?.recent.at(-1)).toBeCloseTo(119, 6);
  });
});

describe("what is said of norms and of noise scales that cannot be right", () => {
  it.each([
    [norms(16, -1, 32, 1), "the squared gradient norm of 16 examples is -1, which is negative"],
    [norms(16, 0, 32, 1), "the squared gradient norm of 16 examples is 0"],
    [norms(16, 1, 32, 0), "the squared gradient norm of 32 examples is 0"],
    [norms(16, Number.NaN, 32, 1), "the squared gradient norm of 16 examples is NaN"],
    [norms(16, 1, 32, Number.POSITIVE_INFINITY), "the squared gradient norm of 32 examples is Infinity"],
    [norms(16, 1e300, 32, 1), "beyond what can be reckoned with"],
    [norms(32, 2, 32, 1), "the first must be fewer"],
    [norms(64, 2, 32, 1), "the first must be fewer"],
  ])("%j", (given, words) => {
    expect(normsProblem(given)).toContain(words);
  });

  it("of a value that travelled as a word too", () => {
    const given = { ...norms(16, 1, 32, 1), small: { examples: 16, squaredNorm: "NaN" as const } };
    expect(normsProblem(given)).toContain("is NaN");
  });

  it("nothing of good ones", () => {
    expect(normsProblem(norms(16, 2, 32, 1))).toBeUndefined();
  });

  it.each([
    { said: "no gradient norms were measured", seen: [] },
    { said: `in 3 steps, and ${fewestSteps} are needed`, seen: [exact(50, 1, 64, 3)] },
    { said: "noise drowns the gradient", seen: [norms(32, 2, 64, 0.5, 40)] },
    { said: "swings: 50, 20000", seen: [exact(50, 1, 64, 50), exact(20_000, 1, 64, 50)] },
    { said: "swings", seen: [20, 900, 20].map((truth) => exact(truth, 1, 128, 200)) },
    { said: "swings", seen: [10, 1e5, 10, 1e5].map((truth) => exact(truth, 1, 64, 50)) },
  ])("$said", ({ said, seen }) => {
    expect(noiseScale(learnt(seen))).toEqual({ doubt: expect.stringContaining(said) });
  });

  it("no more than was measured, where noise drowns the gradient: more steps allow for a larger noise scale", () => {
    const drowned = (steps: number) => examplesOf(learnt([norms(32, 2, 64, 1, steps)]));
    expect(drowned(4)).toBeGreaterThan(64);
    expect(drowned(4)).toBeLessThan(256);
    expect(drowned(400) / drowned(4)).toBeGreaterThan(8);
    expect(drowned(400) / drowned(4)).toBeLessThan(11);
  });

  it("nothing of a noise scale that grows tenfold while training begins", () => {
    const seen = [12, 40, 130, 400].map((truth) => exact(truth, 1, 128, 200));
    expect(noiseScale(learnt(seen))).toHaveProperty("examples");
  });

  it("nothing of short stretches at a batch far below the noise scale, whose own noise scales are luck", () => {
    const decided = seeds.filter((seed) => {
      const model = new Quadratic(seed, 40, 500);
      const seen = Array.from({ length: 12 }, () => stretch(model, 32, 2, 30));
      return "examples" in noiseScale(learnt(seen));
    });
    expect(decided.length).toBeGreaterThanOrEqual(48);
  });
});

describe("whatever norms come", () => {
  const positive = fc.double({ min: 1e-60, max: 1e60, noNaN: true });
  const any = fc
    .record({
      small: fc.record({ examples: fc.integer({ min: 1, max: 1000 }), squaredNorm: positive }),
      more: fc.integer({ min: 1, max: 1_000_000 }),
      squaredNorm: positive,
      steps: fc.integer({ min: 1, max: 1_000_000 }),
      weight: fc.option(fc.double({ min: 0, minExcluded: true, max: 1e9, noNaN: true }), { nil: undefined }),
    })
    .map(({ small, more, squaredNorm, steps, weight }) => ({
      small,
      large: { examples: small.examples + more, squaredNorm },
      steps,
      ...(weight === undefined ? {} : { weight }),
    }));

  it("nothing is ever not a number, and a noise scale is finite and not negative", () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 8 }), (seen) => {
        const estimate = learnt(seen.filter((each) => normsProblem(each) === undefined));
        if (estimate === undefined) return;
        for (const value of [
          estimate.squaredNorm,
          estimate.trace,
          estimate.steps,
          estimate.examples,
          ...estimate.recent,
        ])
          expect(Number.isFinite(value)).toBe(true);
        const found = noiseScale(estimate);
        if ("doubt" in found) return;
        expect(Number.isFinite(found.examples) && found.examples >= 0).toBe(true);
      }),
    );
  });
});
