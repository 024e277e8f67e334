import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isBetter } from "../metric-goal.ts";
import type { KeptCheckpoint } from "../run-state.ts";
import { mustStay } from "../testing/retention-oracle.ts";
import { BatchSizePolicy, chooseBatchSize } from "./batch-size/index.ts";
import { learningRateScale } from "./learning-rate.ts";
import { RetentionPolicy, retained } from "./retention.ts";
import { backoffSeconds, RetryPolicy } from "./retry.ts";
import { type StopPolicy, stopReason } from "./stop.ts";

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("backoff", () => {
  const policy = fc
    .record({ base: fc.integer({ min: 0, max: 100_000 }), more: fc.integer({ min: 0, max: 1_000_000 }) })
    .map(({ base, more }) => RetryPolicy.parse({ baseDelay: `${base}ms`, maxDelay: `${base + more}ms` }));

  it("is whole seconds from 0 to min(maxDelay, baseDelay · 2^(n-1)), for any number of failures", () => {
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 100_000 }), random, (retry, failures, drawn) => {
        const seconds = backoffSeconds(retry, failures, drawn);
        const ceiling = Math.min(
          retry.maxDelaySeconds,
          retry.baseDelaySeconds * 2 ** Math.min(failures - 1, 900),
        );
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThanOrEqual(ceiling);
      }),
    );
  });

  it("reaches all of that range: full jitter, doubling until maxDelay", () => {
    const retry = RetryPolicy.parse({ baseDelay: "2s", maxDelay: "60s" });
    const longest = [1, 2, 3, 4, 5, 6, 7].map((failures) => backoffSeconds(retry, failures, 0.9999));
    expect(longest).toEqual([2, 4, 8, 16, 32, 60, 60]);
    expect([1, 5, 50].map((failures) => backoffSeconds(retry, failures, 0))).toEqual([0, 0, 0]);
    expect(backoffSeconds(retry, 3, 0.5)).toBe(4);
  });
});

describe("learning rate", () => {
  const size = fc.integer({ min: 1, max: 1_048_576 });

  it("follows batch size / reference as its formula says, and is positive", () => {
    fc.assert(
      fc.property(size, size, (batchSize, referenceBatchSize) => {
        const by = (scaling: "linear" | "sqrt" | "none") =>
          learningRateScale(scaling, {
            batchSize,
            referenceBatchSize,
            noiseScale: undefined,
            optimizer: undefined,
          }).scale;
        expect(by("linear")).toBe(batchSize / referenceBatchSize);
        expect(by("sqrt") ** 2).toBeCloseTo(by("linear"), 6);
        expect(by("none")).toBe(1);
        expect(by("sqrt")).toBeGreaterThan(0);
      }),
    );
  });

  it.each(["linear", "sqrt"] as const)(
    "%s is 1 at the reference, and where the batch size is not ours",
    (scaling) => {
      const seen = { referenceBatchSize: 64, noiseScale: undefined, optimizer: undefined };
      expect(learningRateScale(scaling, { ...seen, batchSize: 64 }).scale).toBe(1);
      expect(learningRateScale(scaling, { ...seen, batchSize: undefined }).scale).toBe(1);
    },
  );

  const noise = fc.double({ min: 0, max: 1e9, noNaN: true });

  it("by adascale lies between 1 and the ratio: more where noise is larger", () => {
    fc.assert(
      fc.property(size, size, noise, noise, (batchSize, referenceBatchSize, one, other) => {
        const by = (noiseScale: number) =>
          learningRateScale("adascale", { batchSize, referenceBatchSize, noiseScale, optimizer: undefined })
            .scale;
        const [least, most] = [1, batchSize / referenceBatchSize].toSorted((a, b) => a - b);
        expect(by(one)).toBeGreaterThanOrEqual((least ?? 0) * (1 - 1e-9));
        expect(by(one)).toBeLessThanOrEqual((most ?? 0) * (1 + 1e-9));
        const [less, more] = [one, other].toSorted((a, b) => a - b).map(by);
        if (batchSize >= referenceBatchSize) expect(more).toBeGreaterThanOrEqual((less ?? 0) * (1 - 1e-9));
      }),
    );
  });

  it.each([
    ["auto", "SGD", 64, 1.6, "adascale for SGD"],
    ["auto", "SGD", undefined, 2, "sqrt until the noise scale is known for SGD"],
    ["auto", "AdamW", 64, 2, "sqrt for AdamW"],
    ["auto", "Lion", 64, 2, "sqrt for Lion"],
    ["auto", undefined, 64, 2, "sqrt"],
    ["adascale", "AdamW", 64, 1.6, "adascale"],
    ["adascale", "SGD", undefined, 2, "sqrt until the noise scale is known"],
    ["linear", "AdamW", 64, 4, "linear"],
    ["none", "SGD", 64, 1, "none"],
  ] as const)(
    "%s for %s with noise scale %s multiplies by %d: %s",
    (scaling, optimizer, noiseScale, scale, rule) => {
      const seen = { batchSize: 256, referenceBatchSize: 64, optimizer };
      const found = learningRateScale(scaling, { ...seen, noiseScale });
      expect(found.rule).toBe(rule);
      expect(found.scale).toBeCloseTo(scale, 10);
    },
  );
});

const sizeIn = (policy: BatchSizePolicy, epoch: number): number =>
  chooseBatchSize(policy, { epoch, learnt: undefined, microBatchLimit: undefined }).size;

describe("batch size", () => {
  it("is that of the last step that has begun", () => {
    const froms = fc.uniqueArray(fc.integer({ min: 2, max: 50 }), { maxLength: 5 });
    fc.assert(
      fc.property(froms, fc.integer({ min: 1, max: 60 }), (later, epoch) => {
        const starts = [1, ...later.toSorted((a, b) => a - b)];
        const policy = BatchSizePolicy.parse({
          policy: "schedule",
          steps: starts.map((fromEpoch, i) => ({ fromEpoch, size: i + 1 })),
        });
        expect(sizeIn(policy, epoch)).toBe(starts.filter((from) => from <= epoch).length);
      }),
    );
  });

  it("is the same in all epochs where it is fixed", () => {
    expect([1, 9, 999].map((epoch) => sizeIn(BatchSizePolicy.parse(48), epoch))).toEqual([48, 48, 48]);
  });
});

describe("retention", () => {
  /** Checkpoints as attempts make them: each refers to the one before or to what that refers to. */
  const histories = fc
    .array(
      fc.record({
        refer: fc.array(fc.boolean(), { maxLength: 4 }),
        value: fc.option(fc.integer({ max: 5, min: 0 })),
      }),
      {
        minLength: 1,
        maxLength: 12,
      },
    )
    .map((saves) => {
      const made: KeptCheckpoint[] = [];
      for (const [index, { refer, value }] of saves.entries()) {
        const before = made.at(-1);
        const holders = before === undefined ? [] : [before.name, ...before.refersTo];
        made.push({
          name: `${index + 1}-1`,
          epoch: index + 1,
          files: 1,
          sizeBytes: 1,
          refersTo: holders.filter((_, i) => refer[i] === true),
          ...(value === null ? {} : { bestValue: value }),
          progress: { epoch: index + 1, examples: 0, trainedSeconds: 0 },
        });
      }
      return made;
    });

  it("keeps the last N, the best, all that these refer to, and nothing else", () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 5 }), fc.boolean(), (checkpoints, keep, judged) => {
        const policy = {
          policy: "keep" as const,
          every: { policy: "auto" as const },
          keep,
          ...(judged ? { best: { metric: "m", mode: "min" as const } } : {}),
        };
        const values = checkpoints.flatMap(({ bestValue }) => bestValue ?? []);
        const best = judged
          ? checkpoints.find(({ bestValue }) => bestValue === Math.min(...values))
          : undefined;
        const stays = [...retained(policy, checkpoints, best?.name)];
        expect(stays.toSorted()).toEqual(mustStay(policy, checkpoints).toSorted());
        expect(stays).toContain(checkpoints.at(-1)?.name);
        expect(checkpoints.slice(-keep).every(({ name }) => stays.includes(name))).toBe(true);
      }),
    );
  });

  it("keeps nothing with none, and three by default", () => {
    const checkpoints = ["1-1", "2-1", "3-1", "4-1"].map((name) => ({ name, refersTo: [] }));
    expect(retained(RetentionPolicy.parse("none"), checkpoints, "1-1")).toEqual(new Set());
    expect(retained(RetentionPolicy.parse({}), checkpoints, undefined)).toEqual(
      new Set(["2-1", "3-1", "4-1"]),
    );
  });
});

describe("stop", () => {
  const policy = (more: Partial<StopPolicy>): StopPolicy => ({ metric: "accuracy", mode: "max", ...more });
  const at = (epoch: number, best?: { epoch: number; value: number }) => ({ epoch, epochs: 10, best });

  it("stops after the last epoch whatever the metric, and says so", () => {
    expect(stopReason(undefined, at(10))).toBe("all 10 epochs are trained");
    expect(stopReason(policy({ target: 2 }), at(11))).toBe("all 10 epochs are trained");
    expect(stopReason(undefined, at(9))).toBeUndefined();
  });

  it.each([
    { mode: "max" as const, target: 0.9, below: 0.899, reached: 0.9, beyond: 0.95 },
    { mode: "min" as const, target: 0.1, below: 0.101, reached: 0.1, beyond: 0.05 },
  ])("stops at the target and beyond it, not before ($mode)", ({ mode, target, below, reached, beyond }) => {
    const stop = policy({ mode, target });
    expect(stopReason(stop, at(3, { epoch: 3, value: below }))).toBeUndefined();
    for (const value of [reached, beyond])
      expect(stopReason(stop, at(3, { epoch: 3, value }))).toBe(
        `accuracy ${value} reached the target ${target} at epoch 3`,
      );
  });

  it("stops when so many epochs in a row were no better, and not one earlier", () => {
    const stop = policy({ patience: 3 });
    const best = { epoch: 2, value: 0.5 };
    expect([2, 3, 4].map((epoch) => stopReason(stop, at(epoch, best)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(stopReason(stop, at(5, best))).toBe(
      "accuracy has not been better than 0.5 (epoch 2) for 3 epochs",
    );
  });

  it("judges nothing where nothing was reported", () => {
    expect(stopReason(policy({ target: 0, patience: 1 }), at(9))).toBeUndefined();
  });
});

describe("a metric", () => {
  it("that is missing or not finite is never better", () => {
    for (const mode of ["min", "max"] as const)
      for (const value of ["NaN", "Infinity", "-Infinity", Number.NaN, undefined] as const) {
        expect(isBetter({ metric: "m", mode }, value, undefined)).toBe(false);
        expect(isBetter({ metric: "m", mode }, value, 1)).toBe(false);
      }
  });

  it("is better than none, and than another by its mode alone; equal is not better", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.double({ noNaN: true }), (a, b) => {
        expect(isBetter({ metric: "m", mode: "max" }, a, undefined)).toBe(true);
        expect(isBetter({ metric: "m", mode: "max" }, a, b)).toBe(a > b);
        expect(isBetter({ metric: "m", mode: "min" }, a, b)).toBe(a < b);
        expect(isBetter({ metric: "m", mode: "min" }, a, a)).toBe(false);
      }),
    );
  });
});
