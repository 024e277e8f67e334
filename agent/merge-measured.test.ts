import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Measured, maxStretches, type Stretch } from "../core/measured.ts";
import { OpenStretch } from "../trainer/stretch.ts";
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

  it("says of each stretch that only another machine trained which one that was", () => {
    const once = mergeMeasured(
      of([stretch(256, 8), stretch(32, 8)]),
      of([stretch(32, 2)], { machine: "g4dn" }),
    );
    expect(once?.stretches).toEqual([stretch(256, 8, { machine: "g6.xlarge" }), stretch(32, 10)]);
    const twice = mergeMeasured(once, of([stretch(64, 2)], { machine: "p4d" }));
    expect(twice?.stretches.map(({ machine }) => machine)).toEqual(["g6.xlarge", "g4dn", undefined]);
    const { machine: _own, ...local } = of([stretch(256, 8)]);
    expect(mergeMeasured(local, of([stretch(64, 2)]))?.stretches[0]?.machine).toBe("local");
    expect(Measured.parse(JSON.parse(JSON.stringify(twice)))).toEqual(twice);
  });

  it("has norms that are no numbers only where there are no others, and of such as cannot be added up those of more steps", () => {
    const bad = {
      small: { examples: 16, squaredNorm: "NaN" as const },
      large: { examples: 32, squaredNorm: 2 },
      steps: 4,
    };
    const joined = (a: Partial<Stretch>, b: Partial<Stretch>) =>
      mergeMeasured(of([stretch(32, 8, a)]), of([stretch(32, 8, b)]))?.stretches[0];
    expect(joined({ norms: bad }, { norms: norms(4, 2, 4) })?.norms).toEqual(norms(4, 2, 4));
    expect(joined({ norms: norms(4, 2, 4) }, { norms: bad })?.norms).toEqual(norms(4, 2, 4));
    expect(joined({ norms: bad }, { norms: bad })?.norms?.small.squaredNorm).toBe("NaN");
    expect(joined({ norms: norms(4, 2, 4) }, { norms: norms(9, 9, 2, 8) })?.norms).toEqual(norms(4, 2, 4));
  });

  it("has a mean of the largest numbers too", () => {
    const largest = { timed: { stepSeconds: 1e308, steps: 8 }, norms: norms(1.7e308, 1.7e308, 4) };
    const merged = mergeMeasured(of([stretch(32, 8, largest)]), of([stretch(32, 8, largest)]));
    expect(merged?.stretches[0]?.timed?.stepSeconds).toBe(1e308);
    expect(Measured.parse(JSON.parse(JSON.stringify(merged)))).toEqual(merged);
  });

  it("has the same norms wherever a stretch was cut, however often", () => {
    const squared = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
    const pairs = fc.array(fc.tuple(squared, squared), { minLength: 3, maxLength: 400 });
    fc.assert(
      fc.property(pairs, fc.nat(), fc.nat(), (all, a, b) => {
        const [from, to] = [1 + (a % (all.length - 1)), 1 + (b % (all.length - 1))].sort((x, y) => x - y);
        const measured = (part: readonly (readonly [number, number])[]): Measured | undefined => {
          const open = new OpenStretch(32, 32);
          for (const [small, large] of part) {
            open.addNorms({
              small: { examples: 16, squaredNorm: small },
              large: { examples: 32, squaredNorm: large },
            });
            open.count(32, undefined, true);
          }
          return part.length === 0 ? undefined : of([open.toStretch()]);
        };
        const whole = measured(all)?.stretches[0]?.norms;
        const parts = [all.slice(0, from), all.slice(from, to), all.slice(to)].map(measured);
        const cut = parts.reduce(mergeMeasured)?.stretches[0]?.norms;
        expect(cut?.steps).toBe(whole?.steps);
        for (const [got, wanted] of [
          [cut?.weight, whole?.weight],
          [cut?.small.squaredNorm, whole?.small.squaredNorm],
          [cut?.large.squaredNorm, whole?.large.squaredNorm],
        ])
          expect(Number(got) / Number(wanted)).toBeCloseTo(1, 9);
      }),
    );
  });

  it("goes on by the newest norms, also from a checkpoint whose norms all count alike", () => {
    const since = { ...norms(9, 5, 4000), weight: 128 };
    const plain = of([stretch(32, 4000, { norms: norms(4, 2, 1000) })]);
    const merged = mergeMeasured(plain, of([stretch(32, 4000, { norms: since })]))?.stretches[0]?.norms;
    expect(merged?.steps).toBe(5000);
    expect(merged?.weight).toBeCloseTo(128, 6);
    expect(merged?.small.squaredNorm).toBeCloseTo(9, 6);
    const other = of([stretch(32, 4000, { norms: { ...norms(1, 1, 4000, 8), weight: 128 } })]);
    expect(mergeMeasured(plain, other)?.stretches[0]?.norms).toEqual(other.stretches[0]?.norms);
  });

  it("is never more than can be kept", () => {
    const many = (from: number) =>
      of(Array.from({ length: maxStretches }, (_, index) => stretch(from + index, 1)));
    const merged = mergeMeasured(many(1), many(100));
    expect(Measured.parse(merged).stretches).toHaveLength(maxStretches);
    expect(merged?.stretches.at(-1)?.batchSize).toBe(100 + maxStretches - 1);
  });
});
