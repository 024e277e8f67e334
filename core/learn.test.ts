import { describe, expect, it } from "vitest";
import { BatchProgress } from "./batch-progress.ts";
import type { TrainingJob } from "./job.ts";
import { learn } from "./learn.ts";
import { jobWith, learntAfter, reasonAfter, stretch, told } from "./testing/stretches.ts";

describe("measurements that cannot be right", () => {
  const job = jobWith({ policy: "goodput" });
  const { norms: good } = stretch(64);
  if (good === undefined) throw new Error("no norms");

  it.each([
    [
      "a norm that is NaN",
      { norms: { ...good, large: { examples: 64, squaredNorm: "NaN" as const } } },
      /is NaN/,
    ],
    [
      "a negative norm",
      { norms: { ...good, small: { examples: 32, squaredNorm: -3 } } },
      /-3, which is negative/,
    ],
    [
      "norms at one size",
      { norms: { ...good, small: { examples: 64, squaredNorm: 3 } } },
      /cannot be compared/,
    ],
    ["a step that took no time", { timed: { stepSeconds: 0, steps: 20 } }, /took 0 s, which cannot be/],
    ["a step that took less", { timed: { stepSeconds: -2, steps: 20 } }, /took -2 s, which cannot be/],
    ["a step without end", { timed: { stepSeconds: "Infinity" as const, steps: 20 } }, /took Infinity s/],
    ["a clock that jumped", { timed: { stepSeconds: 3600, steps: 20 } }, /took 3600 s, where about 0.016 s/],
    [
      "a noise scale 1000 times smaller",
      {
        norms: {
          ...good,
          small: { examples: 32, squaredNorm: 1.001 },
          large: { examples: 64, squaredNorm: 1 },
        },
      },
      /swings/,
    ],
  ])("hold the size and say so: %s", (_what, bad, words) => {
    const well = [stretch(64), stretch(64)];
    expect(reasonAfter(job, learntAfter(job, well))).not.toMatch(words);
    const reason = reasonAfter(job, learntAfter(job, well, [stretch(64, bad)]), 3);
    expect(reason).toMatch(/^batch size 64 held: /);
    expect(reason).toMatch(words);
  });

  it.each([
    ["no norms at all", { norms: undefined }, "no gradient norms are reported"],
    ["no timings at all", { timed: undefined }, "too few of its steps are timed"],
    ["three steps", { steps: 3, examples: 192 }, "3 of 8 steps trained with it"],
    [
      "norms of three steps",
      { norms: { ...good, steps: 3 } },
      "gradient norms were measured in 3 steps, and 4 are needed",
    ],
  ])("hold the size and say so: %s", (_what, { ...bad }, words) => {
    const learnt = learntAfter(job, [JSON.parse(JSON.stringify({ ...stretch(64), ...bad }))]);
    expect(reasonAfter(job, learnt)).toBe(`batch size 64 held: ${words}`);
  });

  it("are counts that have no end, and leave a state that can be kept", () => {
    const most = 2 ** 40;
    const endless = stretch(64, { steps: most, examples: most });
    const epochs = Array.from({ length: 9 }, () => endless);
    const whole = { ...learntAfter(job, epochs) };
    const near = {
      ...whole,
      examples: Number.MAX_SAFE_INTEGER - 9,
      stepsAtSize: Number.MAX_SAFE_INTEGER - 9,
    };
    const learnt = learn(
      BatchProgress.parse(near),
      { epoch: 10, measured: { stretches: [endless, stretch(128)], resizes: true } },
      job,
    );
    expect(BatchProgress.safeParse(JSON.parse(JSON.stringify(learnt))).error).toBeUndefined();
    expect(learnt?.examples).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("are forgotten once they are well again", () => {
    const bad = stretch(64, { timed: { stepSeconds: "NaN", steps: 20 } });
    expect(learntAfter(job, [stretch(64)], [bad])?.trouble).toBeDefined();
    expect(learntAfter(job, [stretch(64)], [bad], [stretch(64)])).not.toHaveProperty("trouble");
  });

  it("say that norms are missing where there were some", () => {
    const { norms: _norms, ...without } = stretch(64);
    expect(reasonAfter(job, learntAfter(job, [stretch(64)], [without]), 3)).toContain(
      "reports no gradient norms any more",
    );
  });

  it("say that norms are missing in short stretches too", () => {
    const { norms: _norms, ...without } = stretch(64, { steps: 8, examples: 512 });
    const once = learntAfter(job, [stretch(64)], [without]);
    expect(once).not.toHaveProperty("trouble");
    expect(learntAfter(job, [stretch(64)], [without], [without])?.trouble).toContain(
      "no gradient norms any more",
    );
    expect(learntAfter(job, [stretch(64)], [without], [stretch(64)])).not.toHaveProperty("stepsWithoutNorms");
  });

  it("are not followed down a hundredfold before the next ones say the same, however short the first ones were", () => {
    const few = (size: number, squaredNorm: number, trace: number) =>
      stretch(size, {
        steps: 8,
        examples: 8 * size,
        norms: {
          small: { examples: size / 2, squaredNorm: squaredNorm + trace / (size / 2) },
          large: { examples: size, squaredNorm: squaredNorm + trace / size },
          steps: 8,
        },
      });
    const before = [few(32, 1, 300), few(64, 1, 300), few(128, 1, 300)];
    const fell = learntAfter(job, before, [few(128, 100, 1)]);
    expect(reasonAfter(job, fell, 2)).toMatch(/^batch size 128 held: the noise scale fell from 300 to 0\.0/);
    const twice = learntAfter(job, before, [few(128, 100, 1)], [few(128, 100, 1)]);
    expect(twice).not.toHaveProperty("trouble");
    expect(twice?.noiseScale).toBeLessThan(1);
  });

  it("are believed when the next ones say the same: then it is the machine that changed", () => {
    const slow = stretch(64, { timed: { stepSeconds: 10, steps: 20 } });
    const once = learntAfter(job, [stretch(32), stretch(64)], [slow]);
    expect(once?.timings.local?.map(({ batchSize }) => batchSize)).toEqual([32, 64]);
    const twice = learntAfter(job, [stretch(32), stretch(64)], [slow], [slow]);
    expect(twice?.timings.local?.map(({ stepSeconds }) => stepSeconds)).toEqual([10]);
    expect(twice).not.toHaveProperty("suspect");
  });
});

describe("a size that few steps of an epoch would have", () => {
  const afterEpoch = (job: TrainingJob, examples: number, measured = told(stretch(32, { examples }))) =>
    learn(undefined, { epoch: 1, measured, report: { epoch: 1, metrics: {}, seconds: 1, measured } }, job);

  it.each(["noise-scale", "throughput", "goodput", "auto"])(
    "is not chosen by %s, and the reason says so",
    (policy) => {
      const job = jobWith({ policy });
      expect(reasonAfter(job, afterEpoch(job, 512))).toMatch(/^batch size 64 for 32: /);
      expect(reasonAfter(job, afterEpoch(job, 511))).toMatch(
        /^batch size 32 held: .*; 64 and more have fewer than 8 whole steps in an epoch of 511 examples$/,
      );
    },
  );

  it("is not chosen by a plateau", () => {
    const job = jobWith({ policy: "plateau", patience: 1 });
    const reported = (examples: number, epochs: number) =>
      Array.from({ length: epochs }).reduce<BatchProgress | undefined>((state, _, index) => {
        const [epoch, measured] = [index + 1, told(stretch(32, { examples }))];
        const report = { epoch, metrics: { loss: 1 }, seconds: 1, measured };
        return learn(state, { epoch, measured, report }, job);
      }, undefined);
    expect(reasonAfter(job, reported(512, 2), 3)).toMatch(/^batch size 64 for 32: /);
    expect(reasonAfter(job, reported(511, 2), 3)).toContain("64 and more have fewer than 8 whole steps");
  });

  it("is chosen where the job begins with it, and can be left for a smaller one", () => {
    const job = jobWith({ policy: "noise-scale", start: 256, min: 16 });
    const large = told(stretch(256, { steps: 2, examples: 300 }));
    const learnt = afterEpoch(job, 300, large);
    expect(learnt?.epochExamples).toBe(300);
    expect(reasonAfter(job, learnt)).toMatch(/^batch size 256 held/);
    const few = { small: { examples: 128, squaredNorm: 1.5 }, large: { examples: 256, squaredNorm: 1.25 } };
    const quiet = told(stretch(256, { examples: 300, norms: { ...few, steps: 100 } }));
    expect(reasonAfter(job, afterEpoch(job, 300, quiet))).toMatch(/^batch size 128 for 256: /);
  });

  it("is what the trainer said of a whole epoch: one that is not whole tells nothing", () => {
    const job = jobWith({ policy: "goodput" });
    const part = learntAfter(job, [stretch(32, { examples: 300 })]);
    expect(part).not.toHaveProperty("epochExamples");
    const whole = afterEpoch(job, 4000);
    const next = learn(whole, { epoch: 2, measured: told(stretch(32, { examples: 300 })) }, job);
    expect(next?.epochExamples).toBe(4000);
  });
});

describe("a size that is on no rung of the job's sizes", () => {
  it("is held by throughput where none of them may be tried", () => {
    const job = jobWith({ policy: "throughput", share: 0.95, step: 1.05, growth: 1, hold: 1 });
    const timedIn = (batchSize: number, stepSeconds: number) =>
      stretch(batchSize, { steps: 12, examples: 12 * batchSize, timed: { stepSeconds, steps: 3 } });
    const learnt = learntAfter(job, [timedIn(1, 0.0001)], [timedIn(74, 0.000925)]);
    expect(reasonAfter(job, learnt, 2)).toMatch(
      /^batch size 74 held: .* nothing nearer to \d+ may be tried now$/,
    );
  });
});
