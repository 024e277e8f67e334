import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dice } from "../testing/dice.ts";
import { normal } from "../testing/normal.ts";
import { bestSize, goodput } from "./goodput.ts";
import {
  expectedSeconds,
  fitStepTime,
  type Layout,
  type StepTime,
  stepSeconds,
  type Timing,
} from "./step-time.ts";

const machine = (fixed: number, perMicroBatch: number, perExample: number, perWorker = 0): StepTime => ({
  fixedSeconds: fixed,
  perMicroBatchSeconds: perMicroBatch,
  perExampleSeconds: perExample,
  perWorkerSeconds: perWorker,
});

const layout = (batchSize: number, microBatchSize = batchSize, workers = 1): Layout => ({
  batchSize,
  microBatchSize,
  workers,
});

const timed = (seconds: number, at: Layout, steps = 16): Timing => ({ ...at, stepSeconds: seconds, steps });
const timings = (truth: StepTime, layouts: readonly Layout[], times: (i: number) => number = () => 1) =>
  layouts.map((at, i) => timed(stepSeconds(truth, at) * times(i), at));

function fitted(given: readonly Timing[]): StepTime {
  const found = fitStepTime(given);
  if (found === undefined) throw new Error("nothing was fitted");
  return found;
}

/** How far a model is off at a layout, as a share of the truth. */
const off = (found: StepTime, truth: StepTime, at: Layout) =>
  Math.abs(stepSeconds(found, at) / stepSeconds(truth, at) - 1);

const doubling = [32, 64, 128, 256, 512, 1024].map((size) => layout(size));

describe("a machine's step time, without noise", () => {
  it("is what the parts add up to", () => {
    expect(stepSeconds(machine(1, 10, 100, 1000), layout(64, 8, 4))).toBe(1 + 2 * 10 + 16 * 100 + 3 * 1000);
    expect(stepSeconds(machine(0, 1, 0), layout(33, 32))).toBe(2);
  });

  it("is found from two batch sizes", () => {
    const truth = machine(0, 0.02, 0.0005);
    const found = fitted(timings(truth, doubling.slice(0, 2)));
    for (const at of doubling) expect(off(found, truth, at)).toBeLessThan(0.01);
  });

  it("is found with accumulation and workers", () => {
    const truth = machine(0.01, 0.02, 0.0005, 0.004);
    const seen = [layout(32), layout(128), layout(512, 128), layout(512, 128, 2), layout(512, 64, 4)];
    const found = fitted(timings(truth, seen));
    for (const at of [...seen, layout(2048, 128), layout(4096, 128, 8)])
      expect(off(found, truth, at)).toBeLessThan(0.01);
    expect(found.perWorkerSeconds / 0.004).toBeCloseTo(1, 1);
    expect(found.fixedSeconds / 0.01).toBeCloseTo(1, 1);
  });

  it("is half the examples' where only one batch size was timed", () => {
    const found = fitted([timed(0.1, layout(32))]);
    expect(stepSeconds(found, layout(32))).toBeCloseTo(0.1, 9);
    expect(stepSeconds(found, layout(64))).toBeCloseTo(0.15, 9);
  });

  it("promises nothing for accumulating before that was timed: twice the micro-batches are twice the time", () => {
    const found = fitted(timings(machine(0.03, 0.02, 0.0005), doubling.slice(0, 3)));
    const whole = stepSeconds(found, layout(128));
    expect(stepSeconds(found, layout(256, 128)) / whole).toBeCloseTo(2, 6);
  });

  it("never has a part below 0, even where more examples took less time", () => {
    const found = fitted([timed(0.1, layout(32)), timed(0.09, layout(64)), timed(0.08, layout(128))]);
    expect(Object.values(found).every((value) => value >= 0)).toBe(true);
    expect(stepSeconds(found, layout(64))).toBeCloseTo(0.09, 2);
  });

  it("is not known without any timing that can be", () => {
    expect(fitStepTime([])).toBeUndefined();
    expect(
      fitStepTime([timed(Number.NaN, layout(32)), timed(0, layout(64)), timed(-1, layout(8))]),
    ).toBeUndefined();
  });
});

describe("a machine's step time, as it is measured", () => {
  const truth = machine(0, 0.02, 0.0005);
  const seeds = Array.from({ length: 50 }, (_, i) => i + 1);
  const middle = (values: readonly number[]) =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

  it("is found within 5% in the median where timings are off by 5%, at the next size too", () => {
    const errors = seeds.map((seed) => {
      const dice = new Dice(seed);
      const found = fitted(timings(truth, doubling, () => 1 + 0.05 * normal(dice)));
      return Math.max(...[...doubling, layout(2048)].map((at) => off(found, truth, at)));
    });
    expect(middle(errors)).toBeLessThan(0.05);
    expect(Math.max(...errors)).toBeLessThan(0.2);
  });

  it.each([0.001, 0.1, 10, 1000])(
    "is found where one of six timings is %f times the truth, whichever",
    (times) => {
      for (const at of doubling.keys()) {
        const found = fitted(timings(truth, doubling, (i) => (i === at ? times : 1)));
        for (const each of doubling) expect(off(found, truth, each)).toBeLessThan(0.1);
      }
    },
  );

  it("is found where a clock jumped twice among eight", () => {
    const eight = [...doubling, layout(2048), layout(4096)];
    const found = fitted(timings(truth, eight, (i) => (i === 1 ? 1000 : i === 5 ? 0.001 : 1)));
    for (const at of eight) expect(off(found, truth, at)).toBeLessThan(0.1);
  });

  it("is that of the newest timings, where the machine became twice as fast", () => {
    const faster = machine(0, 0.01, 0.00025);
    const seen = [...timings(truth, doubling.slice(0, 3)), ...timings(faster, doubling.slice(1))];
    const found = fitted(seen);
    for (const at of doubling.slice(2)) expect(off(found, faster, at)).toBeLessThan(0.15);
  });

  it("is taken from many steps rather than from one", () => {
    const at = [layout(64), layout(64), layout(128)];
    const [a = timed(1, layout(1)), b = a, c = a] = timings(truth, at);
    const found = fitted([c, { ...b, steps: 256 }, { ...a, stepSeconds: a.stepSeconds * 1.3, steps: 1 }]);
    expect(off(found, truth, layout(64))).toBeLessThan(0.05);
  });

  it("bends where the measured times do: a cache that is too small", () => {
    const seen = [0.95, 0.98, 1.3, 2, 3.6, 7.4, 20.8].map((seconds, i) =>
      timed(seconds, layout(16 * 2 ** i)),
    );
    const found = fitted(seen);
    for (const each of seen) expect(expectedSeconds(found, seen, each)).toBeCloseTo(each.stepSeconds, 6);
    expect(expectedSeconds(found, seen, layout(2048))).toBeGreaterThan(38);
    expect(expectedSeconds(found, seen, layout(768))).toBeGreaterThan(7.4);
    expect(expectedSeconds(found, seen, layout(768))).toBeLessThan(20.8);
  });

  it("does not bend to a timing that cannot be right", () => {
    const seen = timings(truth, doubling, (i) => (i === 3 ? 0.01 : 1));
    const found = fitted(seen);
    for (const at of doubling)
      expect(Math.abs(expectedSeconds(found, seen, at) / stepSeconds(truth, at) - 1)).toBeLessThan(0.15);
  });
});

describe("whatever the timings are", () => {
  const any = fc.record({
    batchSize: fc.integer({ min: 1, max: 100_000 }),
    microBatchSize: fc.integer({ min: 1, max: 100_000 }),
    workers: fc.integer({ min: 1, max: 64 }),
    stepSeconds: fc.oneof(
      fc.double({ min: 1e-6, max: 1e4, noNaN: true }),
      fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true }),
    ),
    steps: fc.integer({ min: 1, max: 100_000 }),
  });
  const several = fc.array(any, { minLength: 1, maxLength: 8 });
  const sane = fc.array(
    any.map((timing) => ({ ...timing, stepSeconds: 0.001 + (timing.stepSeconds % 10) })),
    { minLength: 1, maxLength: 8 },
  );

  it("no part is ever negative, without end, or not a number", () => {
    fc.assert(
      fc.property(several, (seen) => {
        const found = fitted(seen);
        for (const value of Object.values(found)) expect(value >= 0 && Number.isFinite(value)).toBe(true);
        for (const at of seen) expect(expectedSeconds(found, seen, at)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("another unit of time changes the parts by the same factor, and no choice", () => {
    fc.assert(
      fc.property(
        sane,
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        fc.integer({ min: 1, max: 1e5 }),
        (seen, unit, noiseScale) => {
          const found = fitted(seen);
          const other = fitted(seen.map((each) => ({ ...each, stepSeconds: each.stepSeconds * unit })));
          const of = (model: StepTime, size: number) => stepSeconds(model, layout(size, 64));
          for (const size of [1, 32, 64, 1000])
            expect(of(other, size) / unit / of(found, size)).toBeCloseTo(1, 4);
          const value = (model: StepTime) => (size: number) => goodput(size, of(model, size), noiseScale, 32);
          const sizes = Array.from({ length: 12 }, (_, i) => 2 ** i);
          const chosen = bestSize(sizes, value(found))?.size ?? 0;
          const chosenToo = bestSize(sizes, value(other))?.size ?? 0;
          // The same, or as good to all digits that count.
          expect(value(found)(chosenToo) / value(found)(chosen)).toBeCloseTo(1, 4);
        },
      ),
    );
  });
});
