import { describe, expect, it } from "vitest";
import { noiseScale, smoothed } from "../../../core/estimators/noise-scale.ts";
import { Dice } from "../../../core/testing/dice.ts";
import { median } from "../../statistics.ts";
import { PawlDecider } from "../pawl.ts";
import { type Curve, curves, mostAtOnce, noiseAt, secondsOf } from "./curves.ts";
import { jitter, SimulatedStretch } from "./measuring.ts";
import { type Row, simulate } from "./simulate.ts";
import { simulateRun } from "./training.ts";

/** The same training in a few epochs: ImageNet's ninety take minutes even in simulation. */
const short = (curve: Curve): Curve => ({ ...curve, epochs: Math.min(curve.epochs, 3) });

const curveNamed = (name: string): Curve => {
  const found = curves.find((curve) => curve.name === name);
  if (found === undefined) throw new Error(`no curve is named ${name}`);
  return found;
};

describe("a published curve", () => {
  it.each(curves)("of $name ascends, names its source, and has the noise of the whole training", (curve) => {
    for (const points of [curve.steps, curve.noise, curve.error])
      expect(points.every(([at], i) => i === 0 || at > (points[i - 1]?.[0] ?? 0))).toBe(true);
    expect([curve.noise[0]?.[0], curve.noise.at(-1)?.[0]]).toEqual([0, 1]);
    expect(curve.source).toContain("github.com/siasosp23/artifacts");
    for (const [examples, seconds] of curve.steps) expect(secondsOf(curve, examples, examples)).toBe(seconds);
  });

  it("takes as many times longer as there are micro-batches, and never more at once than fit", () => {
    const curve = curveNamed("ResNet-50, V100");
    expect(mostAtOnce(curve)).toBe(600);
    expect(secondsOf(curve, 1200, 600)).toBeCloseTo(2 * 0.8912, 9);
    expect(secondsOf(curve, 1200, 1200)).toBeCloseTo(2 * 0.8912, 9);
    expect(secondsOf(curve, 8, 8)).toBe(0.1573);
    expect(noiseAt(curve, 0.5)).toBe(11_080);
  });
});

describe("a simulated stretch", () => {
  const curve = curveNamed("ResNet-50, A100");
  const plan = { epoch: 1, seed: 0, learningRateScale: 1, checkpoint: false, measure: "norms" as const };

  it.each([
    { batchSize: 64, how: "in two halves" },
    { batchSize: 4096, how: "in the parts that memory wants" },
  ])("measures norms of $batchSize examples that lead to the true noise scale, $how", ({ batchSize }) => {
    const found = Array.from({ length: 50 }, (_, seed) => {
      const stretch = new SimulatedStretch(curve, new Dice(seed), { ...plan, batchSize });
      stretch.train(batchSize === 64 ? 65_536 : 4096, 600);
      const { norms } = stretch.toStretch();
      if (norms === undefined) throw new Error("nothing was measured");
      const scale = noiseScale(smoothed(undefined, norms));
      return "doubt" in scale ? Number.NaN : scale.examples;
    });
    expect(median(found) / 600).toBeGreaterThan(0.9);
    expect(median(found) / 600).toBeLessThan(1.1);
  });

  it("times its steps near the published time, and its epoch's time is their sum", () => {
    const stretch = new SimulatedStretch(curve, new Dice(1), { ...plan, batchSize: 256, measure: "times" });
    const seconds = stretch.train(8, 600) + stretch.train(504, 600);
    const { timed, steps, examples, norms } = stretch.toStretch();
    expect([steps, examples, norms]).toEqual([512, 512 * 256, undefined]);
    const each = secondsOf(curve, 256, 256);
    expect(Math.abs(Number(timed?.stepSeconds) / each - 1)).toBeLessThan(jitter);
    // One step in twenty takes three times as long.
    expect(Math.abs(seconds / 512 / each / 1.1 - 1)).toBeLessThan(jitter);
    expect(stretch.seconds).toBeCloseTo(seconds, 9);
  });
});

describe("simulated training", () => {
  it("of the reference batch takes the epochs that were published", async () => {
    const curve = curveNamed("BERT, V100");
    const decider = new PawlDecider({ batchSize: curve.reference, learningRate: { scaling: "none" } });
    const run = await simulateRun(curve, decider, 1);
    expect(run.epochs).toBeCloseTo(curve.epochs, 2);
    expect(run.sizes).toEqual([{ share: 0, size: curve.reference }]);
  });

  it("is the same each time", async () => {
    const options = { curves: [curveNamed("BERT, A100")], seeds: [3], only: ["goodput"] };
    expect(await simulate(options)).toEqual(await simulate(options));
  });
});

describe("goodput, on every published curve", async () => {
  const rows = await simulate({ curves: curves.map(short), seeds: [1, 2, 3], only: ["goodput"] });
  const middle = (curve: Curve, strategy: string) =>
    median(
      rows
        .filter((row: Row) => row.curve === curve.name && row.strategy === strategy)
        .map((row) => row.relative),
    );

  it.each(curves)("$name: is within 5% of the fixed size that is best in hindsight", (curve) => {
    expect(middle(curve, "goodput")).toBeLessThan(1.05);
  });

  // BERT on a V100 is at most 1.36 times as fast with any size as with 8.
  it.each(curves.filter(({ name }) => name !== "BERT, V100"))(
    "$name: is at least 1.5 times as fast as the size that it begins with",
    (curve) => {
      expect(middle(curve, String(curve.start)) / middle(curve, "goodput")).toBeGreaterThan(1.5);
    },
  );
});
