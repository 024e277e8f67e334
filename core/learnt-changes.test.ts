import { describe, expect, it } from "vitest";
import { BatchProgress } from "./batch-progress.ts";
import type { TrainingJob } from "./job.ts";
import { learn } from "./learn.ts";
import { fromBeginning, withGrowthBarred } from "./learnt-bars.ts";
import type { Stretch } from "./measured.ts";
import type { MetricValue } from "./metric-value.ts";
import { chooseBatchSize } from "./policies/batch-size/index.ts";
import { gpu, jobWith, learntAfter, policyOf, reasonAfter, stretch, told } from "./testing/stretches.ts";
import { trainSynthetic } from "./testing/synthetic-trainer.ts";

describe("a change of the size", () => {
  const slow = (batchSize: number) =>
    stretch(batchSize, { timed: { stepSeconds: batchSize ** 2 / 1e5, steps: 20 } });

  it("that trains slower is taken back at once, and not tried again before the examples have doubled", () => {
    const job = jobWith({ policy: "goodput" });
    const learnt = learntAfter(job, [slow(32), slow(64)]);
    expect(learnt?.changes).toMatchObject([{ number: 1, from: 32, to: 64, step: 800, outcome: "undone" }]);
    expect(learnt?.changes[0]?.obtainedGain).toBeCloseTo(0.5 * (432 / 464), 2);
    const back = chooseBatchSize(policyOf(job), { epoch: 1, learnt, microBatchLimit: undefined });
    expect(back).toMatchObject({ size: 32, reason: "batch size 32 for 64: it trained 0.47 times as fast" });
    const again = learntAfter(job, [slow(32), slow(64), slow(32)]);
    expect(again?.changes[1]).toMatchObject({ from: 64, to: 32, outcome: "back" });
    expect(again?.barred).toEqual([
      { size: 64, direction: "up", untilExamples: 2 * 800 * 96, machine: "local" },
    ]);
    expect(reasonAfter(job, again, 1)).toContain(
      "64 and more not tried again before 153600 examples are trained",
    );
  });

  it.each([5, 12, 1000])(
    "after which examples take %d times as long is taken back within the epoch",
    (times) => {
      const job = jobWith({ policy: "goodput", start: 256 }, { epochs: 1 });
      const seconds = (size: number) => (0.1 + 1e-4 * size) * (size > 512 ? times : 1);
      const truth = { ...gpu, seconds, noiseScale: () => 20_000 };
      const { looks, learnt } = trainSynthetic(job, truth, { epochs: 1, examples: 200_000, seed: 1 });
      const words = looks.map(({ choice: { reason } }) => reason);
      expect(words).toContainEqual(
        expect.stringMatching(/^batch size 512 for 1024: it trained 0\.\d+ times/),
      );
      expect(learnt?.size).toBe(512);
      expect(learnt?.changes).toContainEqual(
        expect.objectContaining({ from: 512, to: 1024, outcome: "undone" }),
      );
      expect(learnt?.timings.local?.map(({ batchSize }) => batchSize)).toContain(256);
    },
  );

  it("after which examples take far longer is judged by several short stretches too, and nothing else is forgotten", () => {
    const job = jobWith({ policy: "goodput" });
    const far = stretch(64, { steps: 12, examples: 768, timed: { stepSeconds: 0.5, steps: 6 } });
    const epochs = [[stretch(16), stretch(32), far], [far], [far]];
    const sizesTimed = (learnt: BatchProgress | undefined) =>
      learnt?.timings.local?.map(({ batchSize }) => batchSize);
    const once = learntAfter(job, ...epochs.slice(0, 1));
    expect(sizesTimed(once)).toEqual([16, 32]);
    expect(once?.trouble).toMatch(/^steps of 64 examples took 0\.5 s, where about/);
    const twice = learntAfter(job, ...epochs.slice(0, 2));
    expect(sizesTimed(twice)).toEqual([16, 32, 64]);
    expect(twice).toMatchObject({ timedAtSize: 12, changes: [{ to: 32 }, { to: 64, outcome: "open" }] });
    const thrice = learntAfter(job, ...epochs);
    expect(thrice?.changes.at(-1)).toMatchObject({ from: 32, to: 64, outcome: "undone" });
    expect(sizesTimed(thrice)).toEqual([16, 32, 64]);
  });

  it("is not blamed where what was timed before takes far longer too: then it is the machine that changed", () => {
    const job = jobWith({ policy: "goodput" });
    const far = (size: number) => stretch(size, { timed: { stepSeconds: 10 * gpu.seconds(size), steps: 6 } });
    const learnt = learntAfter(job, [stretch(16), stretch(32)], [far(32), far(64)]);
    expect(learnt?.timings.local?.map(({ batchSize }) => batchSize)).toEqual([64]);
    expect(learnt?.changes.at(-1)).toMatchObject({ to: 64, outcome: "open" });
  });

  it("that trains faster is kept, with what was predicted and what was obtained", () => {
    const job = jobWith({ policy: "goodput" });
    const learnt = learntAfter(job, [stretch(32), stretch(64), stretch(128)]);
    expect(learnt?.changes.map(({ outcome }) => outcome)).toEqual(["kept", "kept"]);
    const [, second] = learnt?.changes ?? [];
    const truth = ((128 / gpu.seconds(128)) * (400 + 64)) / ((64 / gpu.seconds(64)) * (400 + 128));
    expect(second?.obtainedGain).toBeCloseTo(truth, 1);
    expect(second?.predictedGain).toBeCloseTo(truth, 1);
  });

  it("that the job's bounds forced is not taken back, whatever it obtained", () => {
    const wide = learntAfter(jobWith({ policy: "goodput", start: 256 }), [stretch(256)]);
    const job = jobWith({ policy: "goodput", start: 64, max: 64 });
    const learnt = learn(wide, { epoch: 2, measured: told(stretch(64)) }, job);
    expect(learnt?.changes).toMatchObject([{ from: 256, to: 64, outcome: "kept" }]);
    expect(learnt?.changes[0]?.obtainedGain).toBeLessThan(0.9);
    expect(learnt?.barred).toEqual([]);
  });

  it("is judged by nothing where the machine changed with it", () => {
    const job = jobWith({ policy: "goodput" });
    const first = learn(undefined, { epoch: 1, measured: { ...told(slow(32)), machine: "g5.xlarge" } }, job);
    const learnt = learn(first, { epoch: 2, measured: { ...told(slow(64)), machine: "p4d.24xlarge" } }, job);
    expect(learnt?.changes).toMatchObject([{ outcome: "open" }]);
    expect(Object.keys(learnt?.timings ?? {})).toEqual(["g5.xlarge", "p4d.24xlarge"]);
  });

  it("that seems not to pay is measured longer before it is taken back, and not waited for on another machine", () => {
    const job = jobWith({ policy: "goodput" });
    const few = { ...slow(64), timed: { stepSeconds: 64 ** 2 / 1e5, steps: 5 } };
    const learnt = learntAfter(job, [slow(32), few]);
    expect(learnt?.changes).toMatchObject([{ outcome: "open", obtainedGain: expect.closeTo(0.47, 2) }]);
    expect(reasonAfter(job, learnt, 1)).toContain(
      "held: it seems 0.466 times as fast as 32, and 5 timed steps",
    );
    expect(learntAfter(job, [slow(32), few], [slow(64)])?.changes).toMatchObject([{ outcome: "undone" }]);
    const elsewhere = { ...told(stretch(64)), machine: "p4d.24xlarge" };
    const moved = learn(learnt, { epoch: 2, measured: elsewhere }, job);
    expect(moved?.changes).toMatchObject([{ outcome: "open" }]);
    expect(moved?.changes[0]).not.toHaveProperty("obtainedGain");
  });

  it("that failed by its times on one machine is barred on that machine only", () => {
    const job = jobWith({ policy: "goodput" });
    const on = (machine: string, ...stretches: Stretch[]) => ({ ...told(...stretches), machine });
    const first = { epoch: 1, measured: on("slow", slow(32), slow(64), slow(32)) };
    const failed = learn(undefined, first, job);
    const elsewhere = learn(failed, { epoch: 2, measured: on("fast", stretch(32, { examples: 256 })) }, job);
    expect(reasonAfter(job, elsewhere)).toMatch(/^batch size 64 for 32: tried/);
    const again = learn(elsewhere, { epoch: 3, measured: on("slow", stretch(32, { examples: 256 })) }, job);
    expect(reasonAfter(job, again, 3)).toContain("64 and more not tried again before 153600 examples");
    const over = learn(again, { epoch: 4, measured: on("fast", stretch(32, { examples: 77_000 })) }, job);
    expect(over?.barred).toEqual([]);
    expect(Object.entries(over?.timings ?? {}).map(([name, all]) => [name, all.length])).toEqual([
      ["slow", 1],
      ["fast", 1],
    ]);
  });

  it("that fails again and again is barred for twice as long each time, for as long as the run lasts", () => {
    const job = jobWith({ policy: "goodput" });
    let learnt: BatchProgress | undefined;
    const lengths: number[] = [];
    for (let epoch = 1; lengths.length < 6; epoch += 1) {
      const isFree = (learnt?.barred.length ?? 0) === 0;
      // Far more examples than steps, so that bars end soon.
      const rest = stretch(32, { examples: 2 * (learnt?.examples ?? 0) + 800 });
      const tried = isFree ? [stretch(32), slow(64), stretch(32, { examples: 0 })] : [rest];
      const before: number = learnt?.examples ?? 0;
      learnt = learn(learnt, { epoch, measured: told(...tried) }, job);
      if (isFree) lengths.push((learnt?.barred[0]?.untilExamples ?? 0) / (before + 800 * 96));
    }
    expect(lengths).toEqual([2, 4, 8, 16, 32, 64]);
  });

  it("that failed is barred for as many steps where nobody tells of examples", () => {
    const job = jobWith({ policy: "noise-scale" });
    const untold = (batchSize: number) => stretch(batchSize, { examples: 0 });
    const learnt = learntAfter(job, [untold(32)], [untold(64)]);
    if (learnt === undefined) throw new Error("nothing is learnt");
    const back = withGrowthBarred(learnt, { from: 32, to: 64 }, "training diverged with it");
    expect(back.barred).toMatchObject([{ size: 64, untilExamples: 2 * 800 * 96 }]);
    const on = (epochs: number) =>
      Array.from({ length: epochs }).reduce<BatchProgress | undefined>(
        (state, _, index) => learn(state, { epoch: index + 3, measured: told(untold(32)) }, job),
        back,
      );
    expect(on(2)?.barred).toHaveLength(1);
    expect(on(3)?.barred).toEqual([]);
  });

  it("that failed may be tried again when its bar has ended, and what was timed of it is forgotten", () => {
    const job = jobWith({ policy: "goodput" });
    const again = learntAfter(job, [slow(32), slow(64), slow(32)], [slow(32)]);
    expect(again?.barred).toHaveLength(1);
    const later = learntAfter(job, [slow(32), slow(64), slow(32)], [slow(32)], [slow(32)]);
    expect(later?.barred).toEqual([]);
    expect(later?.timings.local?.map(({ batchSize }) => batchSize)).toEqual([32]);
  });

  const losses = (job: TrainingJob, ...given: [size: number, loss: MetricValue][]) =>
    given.reduce<BatchProgress | undefined>((state, [size, loss], index) => {
      const [epoch, measured] = [index + 1, told(stretch(size))];
      return learn(
        state,
        { epoch, measured, report: { epoch, metrics: { loss }, seconds: 1, measured } },
        job,
      );
    }, undefined);

  it("after which the loss is clearly worse is taken back, however fast it is", () => {
    const job = jobWith({ policy: "goodput" });
    const learnt = losses(job, [32, 1], [32, 0.9], [32, 0.82], [64, 1.5]);
    expect(learnt?.changes).toMatchObject([
      { to: 64, outcome: "undone", because: "loss became worse with it, 1.5 after 0.82" },
    ]);
    expect(reasonAfter(job, learnt, 5)).toBe(
      "batch size 32 for 64: loss became worse with it, 1.5 after 0.82",
    );
  });

  it.each(["NaN", "Infinity", "-Infinity"] as const)(
    "after which the loss is %s is taken back, and barred",
    (word) => {
      const job = jobWith({ policy: "goodput" });
      const failed = { outcome: "undone", because: `loss is ${word} with it` };
      for (const before of [
        [[32, 1]],
        [
          [32, 1],
          [32, 0.9],
          [32, 0.8],
        ],
      ] satisfies [number, number][][]) {
        const learnt = losses(job, ...before, [64, word]);
        expect(learnt?.changes).toMatchObject([{ to: 64, ...failed }]);
        expect(learnt?.barred).toMatchObject([{ size: 64, direction: "up" }]);
      }
      const measured = told(stretch(32), stretch(64));
      const report = { epoch: 1, metrics: { loss: word }, seconds: 1, measured };
      expect(learn(undefined, { epoch: 1, measured, report }, job)?.changes).toMatchObject([failed]);
    },
  );

  it("is not blamed where the loss was no number before it already, or is not reported", () => {
    const job = jobWith({ policy: "goodput" });
    for (const before of [
      [[32, "NaN"]],
      [
        [32, 1],
        [32, "NaN"],
      ],
    ] satisfies [number, MetricValue][][])
      expect(losses(job, ...before, [64, "NaN"])?.changes).toMatchObject([{ to: 64, outcome: "kept" }]);
    const well = losses(job, [32, "NaN"], [32, 1], [64, "NaN"]);
    expect(well?.changes).toMatchObject([{ to: 64, outcome: "undone" }]);
    const measured = told(stretch(64));
    const report = { epoch: 2, metrics: {}, seconds: 1, measured };
    const unsaid = learn(losses(job, [32, 1]), { epoch: 2, measured, report }, job);
    expect(unsaid?.changes).toMatchObject([{ to: 64, outcome: "kept" }]);
  });

  /** Whole epochs of so many steps, of which so many are timed. */
  const short = (job: TrainingJob, before: BatchProgress | undefined, count: number, timed: number) =>
    Array.from({ length: count }).reduce<BatchProgress | undefined>((state, _, index) => {
      const { timed: time, ...rest } = stretch(64, { steps: 3, examples: 192 });
      const measured = told({
        ...rest,
        ...(timed === 0 || time === undefined ? {} : { timed: { ...time, steps: timed } }),
      });
      const epoch = index + 2;
      return learn(state, { epoch, measured, report: { epoch, metrics: {}, seconds: 1, measured } }, job);
    }, before);

  it.each(["goodput", "noise-scale", "throughput"])(
    "that cannot be timed in four whole epochs is taken back by %s, and barred",
    (policy) => {
      const job = jobWith({ policy });
      const before = learntAfter(job, [stretch(32)]);
      expect(short(job, before, 3, 0)?.changes).toMatchObject([{ to: 64, outcome: "open" }]);
      const learnt = short(job, before, 4, 0);
      const because = "its steps could not be timed in 4 whole epochs";
      expect(learnt?.changes).toMatchObject([{ to: 64, outcome: "undone", because }]);
      expect(learnt?.barred).toMatchObject([{ size: 64, direction: "up" }]);
      expect(reasonAfter(job, learnt, 6)).toBe(`batch size 32 for 64: ${because}`);
      expect(short(job, before, 4, 1)?.changes).toMatchObject([{ to: 64, outcome: "kept" }]);
    },
  );

  it("that cannot be timed is left to the metric by plateau, and left alone where nothing ever is timed", () => {
    const plateau = jobWith({ policy: "plateau" });
    const grown = short(plateau, learntAfter(plateau, [stretch(32)]), 9, 0);
    expect(grown?.changes).toMatchObject([{ to: 64, outcome: "open" }]);
    const job = jobWith({ policy: "noise-scale" });
    const { timed: _timed, ...without } = stretch(32);
    expect(short(job, learntAfter(job, [without]), 9, 0)?.changes).toMatchObject([{ outcome: "open" }]);
  });

  it("is kept where the loss moves as it did before, or where it is another epoch that is worse", () => {
    const job = jobWith({ policy: "goodput" });
    expect(losses(job, [32, 1], [32, 0.8], [32, 0.9], [64, 1])?.changes).toMatchObject([{ outcome: "kept" }]);
    expect(losses(job, [32, 1], [32, 0.9], [64, 0.8], [64, 2])?.changes).toMatchObject([{ outcome: "kept" }]);
  });

  it("that training was rolled back from is told of, and barred until the examples have doubled", () => {
    const job = jobWith({ policy: "goodput" });
    const before = learntAfter(job, [stretch(32)]);
    if (before === undefined) throw new Error("nothing learnt");
    expect(reasonAfter(job, before)).toMatch(/^batch size 64 for 32: /);
    const barred = withGrowthBarred(before, { from: 32, to: 64, epoch: 2 }, "loss is NaN with it");
    expect(BatchProgress.parse(barred).changes).toEqual([
      { number: 1, epoch: 2, step: 0, from: 32, to: 64, outcome: "undone", because: "loss is NaN with it" },
    ]);
    expect(reasonAfter(job, barred)).toContain(
      "64 and more not tried again before 51200 examples are trained",
    );
    const halfway = learn(barred, { epoch: 2, measured: told(stretch(32, { examples: 25_599 })) }, job);
    expect(reasonAfter(job, halfway, 3)).toContain("64 and more not tried again");
    const later = learn(barred, { epoch: 2, measured: told(stretch(32)) }, job);
    expect(reasonAfter(job, later, 3)).toMatch(/^batch size 64 for 32: /);
    const grown = learn(later, { epoch: 3, measured: told(stretch(64)) }, job);
    expect(grown?.changes.at(-1)).toMatchObject({ number: 2, from: 32, to: 64, outcome: "kept" });
    expect(withGrowthBarred(grown ?? before, { from: 32, to: 64 }, "worse")).toMatchObject({
      changeCount: 2,
      changes: [{ number: 1 }, { number: 2, epoch: 3, outcome: "undone", because: "worse" }],
      barred: [{ size: 64, untilExamples: 4 * (grown?.examples ?? 0) }],
    });
  });

  it("that training was rolled back from to the beginning is barred from there on", () => {
    const job = jobWith({ policy: "goodput" });
    const grown = learntAfter(job, [stretch(32), stretch(64)]);
    if (grown === undefined) throw new Error("nothing learnt");
    const change = { from: 32, to: 64 };
    const barred = withGrowthBarred(fromBeginning(grown), change, "loss is NaN with it", grown.examples);
    expect(BatchProgress.parse(barred)).toMatchObject({ size: 32, examples: 0, timings: grown.timings });
    const first = learn(barred, { epoch: 1, measured: told(stretch(32)) }, job);
    expect(reasonAfter(job, first)).toContain(`64 and more not tried again before ${2 * 800 * 96} examples`);
    const shrunk = learn(first, { epoch: 2, measured: told(stretch(16)) }, job);
    expect(shrunk?.barred.filter(({ direction }) => direction === "up")).toHaveLength(1);
  });

  it("is none of Pawl's where the job fixes the sizes", () => {
    const schedule = {
      policy: "schedule",
      steps: [
        { fromEpoch: 1, size: 32 },
        { fromEpoch: 2, size: 64 },
      ],
    };
    for (const batchSize of [32, schedule]) {
      const learnt = losses(jobWith(batchSize), [32, 1], [64, 9]);
      expect(learnt).toMatchObject({ size: 64, changeCount: 0, changes: [] });
    }
  });
});
