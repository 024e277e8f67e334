import { describe, expect, it } from "vitest";
import { keptByStep } from "../core/measured.ts";
import { type Norms, OpenStretch } from "./stretch.ts";

/** Trains `steps` steps that take `seconds`, or `slow` where they are measured; says which were. */
function trained(stretch: OpenStretch, steps: number, seconds: number, slow: number): number[] {
  const measured: number[] = [];
  for (let step = 0; step < steps; step += 1) {
    if (stretch.normsDue) measured.push(stretch.steps);
    stretch.count(stretch.batchSize, stretch.normsDue ? slow : seconds, stretch.normsDue);
  }
  return measured;
}

/** Norms of gradients whose true squared norm and trace are these. */
const normsOf = (truth: number, trace: number, small: number, large: number): Norms => ({
  small: { examples: small, squaredNorm: truth + trace / small },
  large: { examples: large, squaredNorm: truth + trace / large },
});

describe("a stretch", () => {
  it("is timed by the median of its newest steps, without the first two and without measured ones", () => {
    const stretch = new OpenStretch(4, 2);
    trained(stretch, 2, 100, 100);
    expect(stretch.toStretch()).toEqual({
      batchSize: 4,
      microBatchSize: 2,
      workers: 1,
      steps: 2,
      examples: 8,
    });
    trained(stretch, 998, 1, 50);
    stretch.count(4, 3, false);
    stretch.count(1, undefined, false);
    expect(stretch.toStretch()).toMatchObject({
      steps: 1002,
      examples: 1000 * 4 + 5,
      timed: { stepSeconds: 1, steps: 256 },
    });
    const even = new OpenStretch(4, 4);
    for (const seconds of [9, 9, 1, 2, 3, 4]) even.count(4, seconds, false);
    expect(even.toStretch().timed).toEqual({ stepSeconds: 2.5, steps: 4 });
  });

  it("is measured in every other of its first steps, then as often as costs little", () => {
    const first = [0, 2, 4, 6];
    expect(trained(new OpenStretch(4, 4), 17, 1, 1)).toEqual([...first, 8, 12, 16]);
    expect(trained(new OpenStretch(4, 4), 41, 1, 1.2)).toEqual([...first, 10, 20, 30, 40]);
    expect(trained(new OpenStretch(4, 4), 200, 1, 9)).toEqual([...first, 64, 128, 192]);
    const cost = 0.2 * (trained(new OpenStretch(4, 4), 10_000, 1, 1.2).length / 10_000);
    expect(cost).toBeLessThan(0.0205);
  });

  it("brings norms of other sizes to those of its first, without bias", () => {
    const stretch = new OpenStretch(32, 32);
    stretch.addNorms(normsOf(3, 64, 16, 32));
    stretch.addNorms(normsOf(3, 64, 5, 40));
    stretch.count(32, undefined, true);
    const { norms } = stretch.toStretch();
    expect(norms).toMatchObject({ small: { examples: 16 }, large: { examples: 32 }, steps: 2 });
    expect(norms?.small.squaredNorm).toBeCloseTo(7, 10);
    expect(norms?.large.squaredNorm).toBeCloseTo(5, 10);
  });

  it("is timed from its first step on where nothing is to be set up any more", () => {
    const stretch = new OpenStretch(4, 4, 0);
    for (const seconds of [1, 2, 3]) stretch.count(4, seconds, false);
    expect(stretch.toStretch().timed).toEqual({ stepSeconds: 2, steps: 3 });
  });

  it("has mean norms in which older steps count less, and says what all count for", () => {
    const stretch = new OpenStretch(32, 32);
    let [small, large, weight] = [0, 0, 0];
    for (let step = 0; step < 600; step += 1) {
      const norms = normsOf(1 + (step % 7), step < 300 ? 64 : 640, 16, 32);
      stretch.addNorms(norms);
      small = small * keptByStep + norms.small.squaredNorm;
      large = large * keptByStep + norms.large.squaredNorm;
      weight = weight * keptByStep + 1;
    }
    const { norms } = stretch.toStretch();
    expect(norms?.steps).toBe(600);
    expect(norms?.weight).toBeCloseTo(weight, 9);
    expect(norms?.small.squaredNorm).toBeCloseTo(small / weight, 9);
    expect(norms?.large.squaredNorm).toBeCloseTo(large / weight, 9);
    // The first 300 steps have a tenth of its weight, and had half of it.
    expect(norms?.small.squaredNorm).toBeGreaterThan(4 + 0.85 * 40);
  });

  it("leaves out norms that are not finite, wherever they come", () => {
    const good = normsOf(3, 64, 16, 32);
    const bad = [Number.POSITIVE_INFINITY, Number.NaN].map((squaredNorm) => ({
      small: { examples: 8, squaredNorm },
      large: { examples: 32, squaredNorm: 5 },
    }));
    const stretch = new OpenStretch(32, 32);
    for (const norms of [...bad, good, ...bad, good]) stretch.addNorms(norms);
    expect(stretch.toStretch().norms).toMatchObject({ ...good, steps: 2 });
  });

  it("tells what is not finite as a word where nothing else came", () => {
    const stretch = new OpenStretch(4, 4);
    stretch.addNorms({
      small: { examples: 2, squaredNorm: Number.NaN },
      large: { examples: 4, squaredNorm: Number.POSITIVE_INFINITY },
    });
    expect(stretch.toStretch().norms).toMatchObject({
      small: { examples: 2, squaredNorm: "NaN" },
      large: { examples: 4, squaredNorm: "Infinity" },
      steps: 1,
    });
  });
});
