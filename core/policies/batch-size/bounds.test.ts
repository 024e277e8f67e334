import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitBatch } from "../memory.ts";
import { Bounds, boundsProblems, rangeOf, sizes } from "./bounds.ts";

const size = fc.integer({ min: 1, max: 5000 });
const maybe = fc.option(size, { nil: undefined });

const given = fc
  .record({ start: maybe, min: maybe, max: maybe, multipleOf: size, step: fc.constantFrom(1.05, 2, 16) })
  .map((bounds) => Bounds.parse(bounds));

describe("bounds", () => {
  it("that are not refused give sizes that are all within them, multiples, ascending, the first one among them", () => {
    let accepted = 0;
    fc.assert(
      fc.property(given, (bounds) => {
        if (boundsProblems(bounds).length > 0) return;
        accepted += 1;
        const { start, min, max } = rangeOf(bounds);
        const ladder = sizes(bounds);
        expect(ladder).toContain(start);
        expect(bounds.start ?? start).toBe(start);
        expect(Math.min(...ladder)).toBeGreaterThanOrEqual(bounds.min ?? 1);
        expect(Math.max(...ladder)).toBeLessThanOrEqual(bounds.max ?? 1_048_576);
        expect([min, max]).toEqual([ladder[0], ladder.at(-1)]);
        expect(ladder.every((rung) => rung % bounds.multipleOf === 0)).toBe(true);
        expect([...new Set(ladder)].sort((a, b) => a - b)).toEqual(ladder);
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it("without a start never lead to a refusal, unless no multiple lies within them", () => {
    fc.assert(
      fc.property(size, size, size, (one, other, multipleOf) => {
        const [min, max] = [Math.min(one, other), Math.max(one, other)];
        const isThere = Math.floor(max / multipleOf) * multipleOf >= min;
        expect(boundsProblems(Bounds.parse({ min, max, multipleOf }))).toHaveLength(isThere ? 0 : 1);
      }),
    );
  });

  it.each([
    [{ min: 64, max: 32 }, "max", "must be at least 64, which is min"],
    [{ start: 16, min: 32 }, "start", "must be at least 32, which is min"],
    [{ start: 64, max: 32 }, "start", "must be at most 32, which is max"],
    [{ start: 20, multipleOf: 8 }, "start", "must be a multiple of 8 (multipleOf)"],
    [{ min: 50, max: 90, multipleOf: 48 }, "multipleOf", "must have a multiple from 50 to 90 (min to max)"],
    [{ max: 32, multipleOf: 64 }, "multipleOf", "must have a multiple from 1 to 32 (min to max)"],
  ])("%o are refused by name", (bounds, field, message) => {
    expect(boundsProblems(Bounds.parse(bounds))).toEqual([{ field, message }]);
  });

  it("have sizes, where the step is no whole number, whose equal parts are at least half of what may be at once", () => {
    let divided = 0;
    for (const start of [16, 32, 64])
      for (const step of [1.5, 1.75, 2.5]) {
        for (const rung of sizes(Bounds.parse({ start, step })))
          for (let most = 1; most < rung; most += 1) {
            divided += 1;
            expect(2 * splitBatch(rung, most).microBatchSize, `${rung} by ${most}`).toBeGreaterThanOrEqual(
              most,
            );
          }
      }
    expect(divided).toBeGreaterThan(10_000);
  });

  it("have sizes that are near powers of the step", () => {
    expect(sizes(Bounds.parse({ step: 1.5 }))).toEqual([
      32, 48, 72, 112, 160, 240, 352, 576, 832, 1280, 1792, 2048,
    ]);
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 2000 }),
        fc.double({ min: 1.05, max: 4, noNaN: true }),
        (start, step) => {
          const ladder = sizes(Bounds.parse({ start, step }));
          for (const [index, rung] of ladder.slice(1, -1).entries())
            expect(rung / (ladder[index] ?? 0)).toBeLessThan(step * 1.3);
          for (let size = start; size <= 64 * start; size *= step)
            expect(Math.min(...ladder.map((rung) => Math.abs(rung / size - 1)))).toBeLessThan(0.13);
        },
      ),
    );
  });

  it("have powers of the step between their ends", () => {
    expect(sizes(Bounds.parse({}))).toEqual([32, 64, 128, 256, 512, 1024, 2048]);
    expect(sizes(Bounds.parse({ start: 48, min: 10, max: 200, multipleOf: 8 }))).toEqual([
      16, 24, 48, 96, 192, 200,
    ]);
    expect(sizes(Bounds.parse({ start: 50, min: 3, max: 150, step: 2 }))).toEqual([
      3, 6, 12, 25, 50, 100, 150,
    ]);
  });
});
