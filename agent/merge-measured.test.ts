import { describe, expect, it } from "vitest";
import { Measured, maxStretches, type Stretch } from "../core/measured.ts";
import { mergeMeasured } from "./merge-measured.ts";

const stretch = (batchSize: number, steps: number, more: Partial<Stretch> = {}): Stretch => ({
  batchSize,
  microBatchSize: batchSize,
  workers: 1,
  steps,
  examples: batchSize * steps,
  ...more,
});
const of = (stretches: Stretch[], more: Partial<Measured> = {}): Measured => ({
  stretches,
  resizes: true,
  machine: "g6.xlarge",
  ...more,
});
const norms = (small: number, large: number, steps: number, examples = 16) => ({
  small: { examples, squaredNorm: small },
  large: { examples: 2 * examples, squaredNorm: large },
  steps,
});

describe("what was measured before a checkpoint and since", () => {
  it("is one after the other, and a stretch that was cut in two is one again", () => {
    const before = of([
      stretch(32, 8),
      stretch(64, 10, { timed: { stepSeconds: 1, steps: 6 }, norms: norms(4, 2, 4) }),
    ]);
    const since = of([
      stretch(64, 20, { timed: { stepSeconds: 2, steps: 18 }, norms: norms(8, 6, 12) }),
      stretch(128, 5),
    ]);
    expect(mergeMeasured(before, since)).toEqual(
      of([
        stretch(32, 8),
        stretch(64, 30, { timed: { stepSeconds: 1.75, steps: 24 }, norms: norms(7, 5, 16) }),
        stretch(128, 5),
      ]),
    );
    expect(mergeMeasured(before, undefined)).toBe(before);
    expect(mergeMeasured(undefined, since)).toBe(since);
  });

  it("has no times and no memory of another machine, and its norms all the same", () => {
    const memory = { peakBytes: 1, totalBytes: 2 };
    const before = of([
      stretch(32, 8, { timed: { stepSeconds: 1, steps: 6 }, memory, norms: norms(4, 2, 4) }),
    ]);
    const since = of([stretch(32, 2)], { machine: "p5.48xlarge" });
    expect(mergeMeasured(before, since)).toEqual(
      of([stretch(32, 10, { norms: norms(4, 2, 4) })], { machine: "p5.48xlarge" }),
    );
  });

  it("keeps what is no number, and of norms that cannot be added up those of more steps", () => {
    const bad = {
      small: { examples: 16, squaredNorm: "NaN" as const },
      large: { examples: 32, squaredNorm: 2 },
      steps: 4,
    };
    const joined = (a: Partial<Stretch>, b: Partial<Stretch>) =>
      mergeMeasured(of([stretch(32, 8, a)]), of([stretch(32, 8, b)]))?.stretches[0];
    expect(joined({ norms: bad }, { norms: norms(4, 2, 4) })?.norms?.small.squaredNorm).toBe("NaN");
    expect(joined({ norms: norms(4, 2, 4) }, { norms: norms(9, 9, 2, 8) })?.norms).toEqual(norms(4, 2, 4));
  });

  it("has a mean of the largest numbers too", () => {
    const largest = { timed: { stepSeconds: 1e308, steps: 8 }, norms: norms(1.7e308, 1.7e308, 4) };
    const merged = mergeMeasured(of([stretch(32, 8, largest)]), of([stretch(32, 8, largest)]));
    expect(merged?.stretches[0]?.timed?.stepSeconds).toBe(1e308);
    expect(Measured.parse(JSON.parse(JSON.stringify(merged)))).toEqual(merged);
  });

  it("is never more than can be kept", () => {
    const many = (from: number) =>
      of(Array.from({ length: maxStretches }, (_, index) => stretch(from + index, 1)));
    const merged = mergeMeasured(many(1), many(100));
    expect(Measured.parse(merged).stretches).toHaveLength(maxStretches);
    expect(merged?.stretches.at(-1)?.batchSize).toBe(100 + maxStretches - 1);
  });
});
