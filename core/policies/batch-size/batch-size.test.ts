import { describe, expect, it } from "vitest";
import type { BatchProgress } from "../../batch-progress.ts";
import { BatchSizePolicy, chooseBatchSize, policyInForce, policyNames } from "./index.ts";
import { speedOf } from "./speed.ts";

/** Steps of a machine on which a step takes as long as 100 examples do, before the first of them. */
const timing = (batchSize: number) => ({
  batchSize,
  microBatchSize: batchSize,
  workers: 1,
  stepSeconds: 0.01 + batchSize / 10_000,
  steps: 50,
});

/** What was learnt, with 64 in force. */
const learnt = (more: Partial<BatchProgress> = {}): BatchProgress => ({
  first: 32,
  size: 64,
  stepsAtSize: 50,
  timedAtSize: 40,
  epochStart: { epoch: 2, size: 64 },
  examples: 10_000,
  noise: { squaredNorm: 1, trace: 1000, steps: 100, examples: 1_000_000, recent: [1000] },
  noiseScale: 1000,
  machine: "local",
  timings: { local: [timing(32), timing(64)] },
  changeCount: 0,
  changes: [],
  barred: [],
  resizes: true,
  ...more,
});

const chosen = (
  policy: unknown,
  state: BatchProgress | undefined,
  more: { epoch?: number; fits?: number } = {},
) =>
  chooseBatchSize(BatchSizePolicy.parse(policy), {
    epoch: more.epoch ?? 3,
    learnt: state,
    microBatchLimit: more.fits,
  });

const without = (field: "noise" | "noiseScale") => {
  const { [field]: _gone, ...rest } = learnt();
  return rest;
};

describe("the policies of the batch size", () => {
  it("are seven, and a number, `auto` or bounds alone name one", () => {
    expect(policyNames).toEqual([
      "fixed",
      "schedule",
      "plateau",
      "noise-scale",
      "throughput",
      "goodput",
      "auto",
    ]);
    expect(BatchSizePolicy.parse(48)).toEqual({ policy: "fixed", size: 48 });
    expect(BatchSizePolicy.parse("auto")).toEqual(BatchSizePolicy.parse({ policy: "auto" }));
    expect(BatchSizePolicy.parse({ start: 16, max: 512 })).toMatchObject({
      policy: "auto",
      start: 16,
      max: 512,
    });
  });

  it("begin with the job's first size, or with 32 brought into the bounds", () => {
    expect(chosen("auto", undefined)).toEqual({ size: 32, reason: "batch size 32, the first" });
    expect(chosen({ start: 20 }, undefined).size).toBe(20);
    expect(chosen({ max: 24 }, undefined).size).toBe(24);
    expect(chosen({ min: 100, multipleOf: 48 }, undefined).size).toBe(144);
  });

  it("bring a size that a job no longer allows into its bounds", () => {
    expect(chosen({ start: 8, max: 48 }, learnt())).toMatchObject({
      size: 48,
      reason: "batch size 48 for 64: the job's bounds are 8 to 48",
    });
  });

  it("hold a size for as many steps as the job says", () => {
    expect(chosen({ policy: "noise-scale", hold: 51 }, learnt()).reason).toBe(
      "batch size 64 held: 50 of 51 steps trained with it",
    );
  });

  it("leave a machine that nothing was timed on as it is", () => {
    expect(chosen("auto", learnt({ machine: "p4d.24xlarge" })).reason).toBe(
      "batch size 64 held: too few of its steps are timed",
    );
  });

  it("do not go where a change failed, before as many examples are trained as it says", () => {
    const bar = { size: 128, direction: "up" as const, untilExamples: 10_001 };
    expect(chosen("auto", learnt({ barred: [bar] }))).toMatchObject({
      size: 64,
      reason: expect.stringContaining("128 and more not tried again before 10001 examples are trained"),
    });
    expect(chosen("auto", learnt({ barred: [bar], examples: 10_001 })).size).toBe(128);
  });
});

describe("growth", () => {
  const grown = (policy: string, growth: number, epoch: number) =>
    chosen(
      { policy, start: 32, max: 2048, growth },
      learnt({ metric: { name: "loss", best: 0.5, bestEpoch: 1, last: 0.6, lastEpoch: epoch - 1 } }),
      { epoch },
    ).size;

  it.each(["noise-scale", "throughput", "goodput", "auto"])(
    "of less than a rung leaves %s a rung where an epoch begins, and nothing within it",
    (policy) => {
      for (const growth of [1, 1.5, 1.99]) expect(grown(policy, growth, 3)).toBe(128);
      for (const growth of [1, 1.5, 1.99]) expect(grown(policy, growth, 2)).toBe(64);
      expect(grown(policy, 2, 2)).toBe(128);
    },
  );

  it("of less than a rung lets a plateau grow, which it does where epochs begin", () => {
    expect(grown("plateau", 1, 4)).toBe(128);
    expect(grown("plateau", 1.5, 4)).toBe(128);
  });
});

describe("goodput", () => {
  it("goes towards where most is learnt in a second, no further than twice what was timed", () => {
    const { size, reason, predictedGain } = chosen({ policy: "goodput" }, learnt());
    expect(size).toBe(128);
    expect(reason).toMatch(/^batch size 128 for 64: noise scale 1000, predicted 1\.3\d? times as fast$/);
    expect(predictedGain).toBeCloseTo((128 / 0.0228 / (64 / 0.0164)) * (1064 / 1128), 1);
  });

  it("shrinks where noise is small, if the job allows for it, no further than half of what was timed", () => {
    const quiet = { noise: { squaredNorm: 1, trace: 5, steps: 100, examples: 1_000_000, recent: [5] } };
    expect(chosen({ policy: "goodput", start: 64 }, learnt(quiet)).size).toBe(64);
    expect(chosen({ policy: "goodput", start: 64, min: 8 }, learnt(quiet)).size).toBe(16);
  });

  it("counts the cost of parts where a batch does not fit at once", () => {
    const state = learnt({
      noise: { squaredNorm: 1, trace: 100, steps: 100, examples: 1_000_000, recent: [100] },
    });
    expect(chosen({ policy: "goodput", threshold: 0.01 }, state).size).toBe(128);
    expect(chosen({ policy: "goodput", threshold: 0.01 }, state, { fits: 64 }).size).toBe(64);
  });

  it("takes what fits at once as of all workers together", () => {
    const ofTwo = { batchSize: 64, workers: 2, stepSeconds: 1, steps: 50 };
    const timings = {
      local: [
        { ...ofTwo, microBatchSize: 8 },
        { ...ofTwo, microBatchSize: 16, stepSeconds: 3 },
      ],
    };
    const speed = speedOf(learnt({ timings }), 16);
    expect(speed.expected(64)).toEqual({ batchSize: 64, seconds: 1 });
    expect(speedOf(learnt({ timings }), 32).expected(64)).toEqual({ batchSize: 64, seconds: 3 });
  });

  it("waits for more steps where a change seems not to pay", () => {
    const change = {
      number: 1,
      epoch: 2,
      step: 8,
      from: 32,
      to: 64,
      obtainedGain: 0.6,
      outcome: "open" as const,
    };
    expect(chosen("auto", learnt({ changes: [change], timedAtSize: 5 })).reason).toBe(
      "batch size 64 held: it seems 0.6 times as fast as 32, and 5 timed steps are too few to be sure",
    );
  });
});

describe("auto", () => {
  it("holds and says what to do where the trainer reports no gradient norms", () => {
    const { reason, size } = chosen("auto", without("noise"));
    expect(size).toBe(64);
    expect(reason).toContain("the trainer reports no gradient norms: it needs pawl.torch.observe");
  });

  it("is what a job without a batch size gets from a trainer that observes and takes its size from Pawl", () => {
    expect(policyInForce(undefined, learnt())).toMatchObject({ policy: "auto", start: 32 });
    expect(policyInForce(undefined, learnt({ resizes: false }))).toBeUndefined();
    expect(policyInForce(undefined, without("noise"))).toBeUndefined();
    expect(policyInForce(BatchSizePolicy.parse(8), learnt())).toMatchObject({ policy: "fixed" });
    // A size of its own that no job could give stays its own affair.
    expect(policyInForce(undefined, learnt({ first: 2_000_000 }))).toBeUndefined();
  });
});

describe("noise-scale", () => {
  it("goes to the noise scale, a rung at a time, and keeps a size that is near it", () => {
    expect(chosen({ policy: "noise-scale" }, learnt())).toMatchObject({
      size: 128,
      reason: "batch size 128 for 64: noise scale 1000",
    });
    expect(chosen({ policy: "noise-scale", share: 0.1 }, learnt())).toMatchObject({
      size: 64,
      reason: "batch size 64 held: noise scale 1000",
    });
  });
});

describe("throughput", () => {
  it("goes to the smallest size with nine tenths of the most examples a second, and needs no norms", () => {
    expect(chosen({ policy: "throughput" }, without("noise")).size).toBe(128);
    const sizes = [32, 64, 128, 256, 512, 1024, 2048];
    const all = learnt({ size: 2048, timings: { local: sizes.map(timing) } });
    // B / (100 + B) is 0.95 of the most, which 2048 has, from 1024 on only: half-way beyond its share.
    expect(chosen({ policy: "throughput" }, all).size).toBe(1024);
    expect(chosen({ policy: "throughput" }, { ...all, size: 1024 }).size).toBe(1024);
  });
});

describe("plateau", () => {
  const stalled = { name: "loss", best: 0.5, bestEpoch: 2, last: 0.6, lastEpoch: 4 };
  const at = (epoch: number, more: Partial<BatchProgress>) =>
    chosen({ policy: "plateau" }, learnt(more), { epoch });

  it("grows by a rung where the metric has not become better for its patience, and needs neither times nor norms", () => {
    expect(at(5, { metric: stalled, timings: {} })).toMatchObject({
      size: 128,
      reason: "batch size 128 for 64: no better for 2 epochs: loss is 0.5 at best, in epoch 2",
    });
    expect(at(4, { metric: { ...stalled, lastEpoch: 3 } }).size).toBe(64);
  });

  it("gives each size its patience", () => {
    const change = { number: 1, epoch: 4, step: 0, from: 32, to: 64, outcome: "kept" as const };
    expect(at(5, { metric: stalled, changes: [change] }).size).toBe(64);
    expect(at(6, { metric: { ...stalled, lastEpoch: 5 }, changes: [change] }).size).toBe(128);
  });

  it("says where the metric is not reported, ever or any more", () => {
    expect(at(5, {}).reason).toBe("batch size 64 held: no epoch reported 'loss' as a number");
    expect(at(7, { metric: stalled }).reason).toBe(
      "batch size 64 held: epoch 6 reported no 'loss' that is a number",
    );
  });
});
