import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestSize, efficiency, goodput } from "./goodput.ts";
import { stepSeconds } from "./step-time.ts";

const scale = fc.double({ min: 0, max: 1e9, noNaN: true });
const size = fc.integer({ min: 1, max: 1_048_576 });

describe("efficiency", () => {
  it("is 1 at the reference, falls with the batch, and is never more than the reference is times larger", () => {
    fc.assert(
      fc.property(scale, size, size, (noiseScale, batchSize, reference) => {
        expect(efficiency(noiseScale, reference, reference)).toBe(1);
        const found = efficiency(noiseScale, batchSize, reference);
        if (batchSize >= reference) expect(found).toBeLessThanOrEqual(1);
        expect(found * batchSize).toBeGreaterThanOrEqual(Math.min(batchSize, reference) * (1 - 1e-9));
      }),
    );
  });

  it("is half where the batch is the noise scale and the reference next to nothing", () => {
    expect(efficiency(1e6, 1e6, 1)).toBeCloseTo(0.5, 5);
  });

  it("is the same for all where the noise has no end", () => {
    expect(efficiency(Number.POSITIVE_INFINITY, 4096, 32)).toBe(1);
  });
});

describe("the best size", () => {
  const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 4096 }), { minLength: 1, maxLength: 40 });
  const parts = fc.double({ min: 1e-6, max: 1, noNaN: true });

  it("is that of a search over all, with every machine and noise scale", () => {
    fc.assert(
      fc.property(
        sizes,
        parts,
        parts,
        parts,
        scale,
        (candidates, fixed, perMicroBatch, perExample, noiseScale) => {
          const machine = {
            fixedSeconds: fixed,
            perMicroBatchSeconds: perMicroBatch,
            perExampleSeconds: perExample,
            perWorkerSeconds: 0,
          };
          const value = (batchSize: number) =>
            goodput(
              batchSize,
              stepSeconds(machine, { batchSize, microBatchSize: 256, workers: 1 }),
              noiseScale,
              32,
            );
          let best = candidates[0] ?? 0;
          for (const candidate of candidates) {
            const better = value(candidate) - value(best);
            if (better > 0 || (better === 0 && candidate < best)) best = candidate;
          }
          expect(bestSize(candidates, value)).toEqual({ size: best, value: value(best) });
        },
      ),
    );
  });

  it("is the smallest of equals, whatever their order", () => {
    expect(bestSize([64, 16, 32], () => 1)).toEqual({ size: 16, value: 1 });
  });

  it("is none where nothing has a value, and leaves out what has none", () => {
    expect(bestSize([], () => 1)).toBeUndefined();
    expect(bestSize([16, 32], () => Number.NaN)).toBeUndefined();
    expect(bestSize([16, 32], (each) => (each === 16 ? Number.NaN : 1))).toEqual({ size: 32, value: 1 });
  });
});
