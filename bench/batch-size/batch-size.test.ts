import { describe, expect, it } from "vitest";
import type { Measured } from "../../core/measured.ts";
import { AdaptdlDecider, type AdaptdlQuestion, parseAnswer } from "./adaptdl.ts";
import { aims } from "./aims.ts";
import { bestFixed, compare, type Run } from "./compare.ts";
import { nextConsultPoint } from "./decider.ts";
import { accuracyAt, finalAccuracy, pairedDifference, quartiles, reached, studentsT } from "./outcome.ts";
import { PawlDecider } from "./pawl.ts";
import { traced } from "./torch/run.ts";
import { type Learner, type Trace, train } from "./train.ts";

/** Learns nothing, and remembers what it was given. Its gradients have a noise scale of `noise` examples. */
class Pupil implements Learner {
  readonly examples = 1000;
  readonly seen: number[] = [];
  readonly sizes: number[] = [];
  readonly #noise: number;
  #accuracy = 0;

  constructor(noise: number) {
    this.#noise = noise;
  }

  step(batch: Uint32Array, { micro, norms }: Parameters<Learner["step"]>[1]): ReturnType<Learner["step"]> {
    this.seen.push(...batch);
    this.sizes.push(batch.length);
    this.#accuracy += batch.length / 10_000;
    const squaredNorm = (examples: number) => 1 + this.#noise / examples;
    if (!norms) return { loss: 1 };
    expect(micro).toBeLessThan(batch.length);
    return {
      loss: 1,
      norms: {
        small: { examples: micro, squaredNorm: squaredNorm(micro) },
        large: { examples: batch.length, squaredNorm: squaredNorm(batch.length) },
      },
    };
  }

  accuracy(): number {
    return this.#accuracy;
  }

  close(): void {}
}

const course = { seed: 1, epochs: 2, evaluateEvery: 100 };
const byNoise = () =>
  new PawlDecider({ batchSize: { policy: "noise-scale", start: 4, max: 64 }, learningRate: {} });

describe("the training loop", () => {
  it("shows each example once in each epoch while the batch grows", async () => {
    const pupil = new Pupil(64);
    const trace = await train(pupil, byNoise(), course);
    for (const epoch of [0, 1]) {
      const seen = pupil.seen.slice(epoch * 1000, (epoch + 1) * 1000).toSorted((a, b) => a - b);
      expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    }
    expect(trace.sizes[0]).toEqual({ examples: 0, size: 4 });
    expect(trace.sizes.at(-1)?.size).toBeGreaterThan(4);
    expect(trace.steps).toBe(pupil.sizes.length);
    expect(trace.decisions.consults).toBeGreaterThan(0);
  });

  it("evaluates at the same numbers of examples, whatever the size, and ends at the target", async () => {
    const pupil = new Pupil(64);
    const fixed = new PawlDecider({ batchSize: 10, learningRate: {} });
    const { evaluations } = await train(pupil, fixed, { ...course, until: 0.03 });
    expect(evaluations.map(({ examples }) => examples)).toEqual([0, 100, 200, 300]);
  });

  it("asks after 8 steps of a stretch, then each time that it is twice as long", () => {
    expect([0, 7, 8, 15, 16, 40].map((steps) => nextConsultPoint(steps))).toEqual([8, 8, 16, 16, 32, 64]);
  });
});

/** A run that learns in proportion to its time, to 1 after so many seconds. */
function aRun(strategy: string, seed: number, seconds: number, kind: Run["kind"] = "fixed"): Run {
  const evaluations = Array.from({ length: 11 }, (_, i) => ({
    examples: i * 100,
    cpuSeconds: (seconds * i) / 10,
    wallSeconds: (seconds * i) / 5,
    accuracy: i / 10,
  }));
  const spent = { cpuSeconds: seconds, wallSeconds: seconds * 2 };
  const trace: Trace = {
    evaluations,
    spent,
    decisions: { cpuSeconds: 0, wallSeconds: 0, consults: 0 },
    steps: 1,
    sizes: [],
  };
  return { strategy, kind, seed, trace };
}

describe("what runs came to", () => {
  it("interpolates the target between two evaluations", () => {
    expect(reached(aRun("32", 1, 10).trace, 0.85)).toEqual({
      examples: expect.closeTo(850),
      cpuSeconds: expect.closeTo(8.5),
      wallSeconds: expect.closeTo(17),
    });
    expect(reached(aRun("32", 1, 10).trace, 1.5)).toBeUndefined();
    expect(finalAccuracy(aRun("32", 1, 10).trace)).toBeCloseTo(0.85);
    expect(accuracyAt(aRun("32", 1, 10).trace, 5)).toBeCloseTo(0.35);
  });

  it("counts a run that never got there as infinitely long", () => {
    expect(quartiles([3, undefined, 1, 2, 4])).toEqual({ q1: 2, median: 3, q3: 4 });
    expect(quartiles([1, undefined, undefined]).median).toBe(Number.POSITIVE_INFINITY);
  });

  it("pairs final accuracies by seed, with Student's interval", () => {
    const { mean, low, high, pairs } = pairedDifference([3, 5, 7, 9], [2, 3, 4, 5]);
    // By hand: differences 1, 2, 3, 4, their deviation 1.291, and t of 3 degrees of freedom 3.182.
    expect({ mean, pairs }).toEqual({ mean: 2.5, pairs: 4 });
    expect(low).toBeCloseTo(2.5 - 2.054, 2);
    expect(high).toBeCloseTo(2.5 + 2.054, 2);
    expect(studentsT(19)).toBeCloseTo(2.093, 2);
    expect(() => pairedDifference([1, 2], [1])).toThrow(RangeError);
  });

  it("finds the best fixed size in hindsight, and says which aims are missed", () => {
    const runs = [1, 2, 3].flatMap((seed) => [
      aRun("32", seed, 10 + seed),
      aRun("128", seed, 5 + seed),
      aRun("goodput", seed, 1.1 * (5 + seed), "policy"),
    ]);
    expect(bestFixed(runs, 0.9)).toBe("128");
    expect(compare(runs, 0.9).map(({ strategy, toBest }) => [strategy, toBest.median.toFixed(2)])).toEqual([
      ["32", "1.71"],
      ["128", "1.00"],
      ["goodput", "1.10"],
    ]);
    expect(aims(runs, 0.9, false).map(({ isMet }) => isMet)).toEqual([false, true]);
    // All end with the same accuracy: nothing is worse.
    expect(aims(runs, 0.9, true).map(({ isMet }) => isMet)).toEqual([false, true, true, true]);
  });
});

const measured: Measured = {
  stretches: [
    {
      batchSize: 32,
      microBatchSize: 32,
      workers: 1,
      steps: 8,
      examples: 256,
      timed: { stepSeconds: 0.002, steps: 4 },
      norms: { small: { examples: 16, squaredNorm: 9 }, large: { examples: 32, squaredNorm: 5 }, steps: 4 },
    },
  ],
  resizes: true,
};

describe("adaptdl's code", () => {
  it("is asked with its own words, and its answer is trained", async () => {
    const asked: AdaptdlQuestion[] = [];
    const decider = new AdaptdlDecider(
      {
        ask: async (question) => {
          asked.push(question);
          return { atomic: 64, accumulation: 1, speedup: 1.2, perf: [] };
        },
      },
      { initial: 32, max: 2048, rule: "optimize" },
    );
    expect(await decider.plan(1)).toMatchObject({ batchSize: 32, learningRateScale: 1 });
    const plan = await decider.consult(1, measured);
    const [question] = asked;
    // |G|² = 2·5 − 9 and S / 32 = 9 − 5, as gradient_noise_scale.py has them.
    expect(question?.sqr).toBeCloseTo(1);
    expect(question?.var).toBeCloseTo(4);
    expect(question?.profile).toEqual([
      { atomic: 32, optimSeconds: 0.008, optimCount: 4, accumSeconds: 0, accumCount: 0 },
    ]);
    expect(plan).toMatchObject({ batchSize: 128, microBatchSize: 64, accumulation: 2 });
    // AdaScale at 4 times the first size: (4 + 1) / (4 / 4 + 1).
    expect(plan.learningRateScale).toBeCloseTo(2.5);
    expect(decider.reasons).toHaveLength(1);
  });

  it("has its answers checked, and its errors heard", () => {
    const answer = { atomic: 64, accumulation: 1, speedup: 1.1, perf: [1, 2, 3, 4, 5, 6, 7] };
    expect(parseAnswer(JSON.stringify(answer))).toEqual(answer);
    expect(() => parseAnswer('{"error": "ValueError: bounds"}')).toThrow("adaptdl: ValueError: bounds");
    expect(() => parseAnswer('{"atomic": 0}')).toThrow();
  });
});

describe("the trainer in a process of its own", () => {
  const said = {
    evaluations: [
      { examples: 0, cpuSeconds: 0, wallSeconds: 0, accuracy: 0.1 },
      { examples: 100, cpuSeconds: 1, wallSeconds: 2, accuracy: 0.5 },
      { examples: 200, cpuSeconds: 2, wallSeconds: 4, accuracy: 0.9 },
    ],
    spent: { cpuSeconds: 2, wallSeconds: 4 },
    steps: 10,
    sizes: [{ examples: 0, size: 20 }],
  };
  const decisions = [
    { examples: 0, cpuSeconds: 0.1, wallSeconds: 0.2 },
    { examples: 160, cpuSeconds: 0.1, wallSeconds: 0.2 },
  ];

  it("has the processor time of decisions added to its own", () => {
    const { evaluations, spent } = traced(said, { decisions, consults: 1 }, false);
    expect(evaluations.map(({ cpuSeconds }) => cpuSeconds)).toEqual([0, 1.1, 2.2]);
    expect(spent).toEqual({ cpuSeconds: 2.2, wallSeconds: 4 });
  });

  it("has the time that it waited for free ones taken off", () => {
    const { evaluations, spent } = traced(said, { decisions, consults: 1 }, true);
    expect(evaluations.map(({ wallSeconds }) => wallSeconds)).toEqual([0, 1.8, 3.6]);
    expect(spent).toEqual({ cpuSeconds: 2, wallSeconds: 3.6 });
  });
});
