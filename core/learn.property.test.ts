import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchProgress } from "./batch-progress.ts";
import { goodput } from "./estimators/goodput.ts";
import { TrainingJob } from "./job.ts";
import { learn } from "./learn.ts";
import { Measured, type Stretch } from "./measured.ts";
import type { MetricValue } from "./metric-value.ts";
import { Bounds, rangeOf, sizes } from "./policies/batch-size/bounds.ts";
import { type BatchSizePolicy, chooseBatchSize } from "./policies/batch-size/index.ts";
import { type Truth, trainSynthetic } from "./testing/synthetic-trainer.ts";

const jobWith = (batchSize: unknown, more: object = {}): TrainingJob =>
  TrainingJob.parse({ name: "digits", command: ["train"], epochs: 100, batchSize, ...more });

const adaptive = ["plateau", "noise-scale", "throughput", "goodput", "auto"] as const;

/** Bounds that a job may have. */
const jobs = fc
  .record({
    policy: fc.constantFrom(...adaptive),
    multipleOf: fc.constantFrom(1, 3, 8, 48),
    min: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    max: fc.option(fc.integer({ min: 100, max: 5000 }), { nil: undefined }),
    step: fc.constantFrom(1.05, 1.5, 2, 4),
    growth: fc.constantFrom(1, 2, 16),
    hold: fc.constantFrom(1, 8, 20),
  })
  .map((batchSize) => jobWith(JSON.parse(JSON.stringify(batchSize))));

const metricValue = fc.oneof(
  // JSON knows no -0.
  fc.double({ min: -1e3, max: 1e6, noNaN: true }).map((value) => value + 0),
  fc.double({ min: 1e-4, max: 10, noNaN: true }),
  fc.constantFrom("NaN" as const, "Infinity" as const, "-Infinity" as const, 0, -1, 1e308, 5e-324),
);

/** What any trainer could send, sense or not. */
const anything: fc.Arbitrary<Measured> = fc.record(
  {
    stretches: fc.array(
      fc.record(
        {
          batchSize: fc.integer({ min: 1, max: 5000 }),
          microBatchSize: fc.integer({ min: 1, max: 5000 }),
          workers: fc.integer({ min: 1, max: 8 }),
          steps: fc.integer({ min: 1, max: 500 }),
          examples: fc.integer({ min: 0, max: 100_000 }),
          timed: fc.record({ stepSeconds: metricValue, steps: fc.integer({ min: 1, max: 256 }) }),
          norms: fc.record({
            small: fc.record({ examples: fc.integer({ min: 1, max: 64 }), squaredNorm: metricValue }),
            large: fc.record({ examples: fc.integer({ min: 1, max: 5000 }), squaredNorm: metricValue }),
            steps: fc.integer({ min: 1, max: 100 }),
          }),
        },
        { requiredKeys: ["batchSize", "microBatchSize", "workers", "steps", "examples"] },
      ),
      { maxLength: 6 },
    ),
    resizes: fc.boolean(),
    optimizer: fc.constantFrom("SGD", "AdamW"),
    machine: fc.constantFrom("g5.xlarge", "p4d.24xlarge"),
  },
  { requiredKeys: ["stretches", "resizes"] },
);

const history = fc.array(fc.record({ measured: anything, loss: metricValue }), {
  minLength: 1,
  maxLength: 8,
});

const policyOf = ({ batchSize }: TrainingJob): Extract<BatchSizePolicy, { hold: number }> => {
  if (batchSize === undefined || !("hold" in batchSize)) throw new Error("not adaptive");
  return batchSize;
};

const folded = (job: TrainingJob, epochs: readonly Epoch[]) =>
  epochs.reduce<BatchProgress | undefined>((state, { measured, loss }, index) => {
    const epoch = index + 1;
    const metrics = { loss };
    return learn(state, { epoch, measured, report: { epoch, metrics, seconds: 1, measured } }, job);
  }, undefined);

type Epoch = { readonly measured: Measured; readonly loss: MetricValue };

describe("what is learnt of the batch size", () => {
  it("is a state that can be kept, whatever was measured, and stays small", () => {
    fc.assert(
      fc.property(jobs, history, (job, epochs) => {
        const learnt = folded(job, epochs);
        if (learnt === undefined) return;
        expect(BatchProgress.safeParse(JSON.parse(JSON.stringify(learnt))).error).toBeUndefined();
        expect(JSON.stringify(learnt).length).toBeLessThan(12_000);
      }),
    );
  });

  it("is the same for a run that was stopped after each epoch and went on from what was written down", () => {
    fc.assert(
      fc.property(jobs, history, (job, epochs) => {
        const resumed = epochs.reduce<BatchProgress | undefined>((state, { measured, loss }, index) => {
          const epoch = index + 1;
          const written =
            state === undefined ? undefined : BatchProgress.parse(JSON.parse(JSON.stringify(state)));
          const parsed = Measured.parse(JSON.parse(JSON.stringify(measured)));
          const report = { epoch, metrics: { loss }, seconds: 1, measured: parsed };
          return learn(written, { epoch, measured: parsed, report }, job);
        }, undefined);
        expect(resumed).toEqual(folded(job, epochs));
      }),
    );
  });

  it("does not depend on how often somebody looked while an epoch was trained", () => {
    fc.assert(
      fc.property(jobs, history, anything, (job, epochs, measured) => {
        const before = folded(job, epochs);
        const epoch = epochs.length + 1;
        const unseen = learn(structuredClone(before), { epoch, measured }, job);
        for (let count = 0; count <= measured.stretches.length; count += 1)
          learn(
            before,
            { epoch, measured: { ...measured, stretches: measured.stretches.slice(0, count) } },
            job,
          );
        expect(learn(before, { epoch, measured }, job)).toEqual(unseen);
        expect(before).toEqual(folded(job, epochs));
      }),
    );
  });

  it("counts the same where an epoch went on from a checkpoint in its middle", () => {
    const run = trainSynthetic(jobWith("auto"), gpu, { epochs: 3, examples: 6000, seed: 1 });
    let cuts = 0;
    let [whole, parts]: (BatchProgress | undefined)[] = [undefined, undefined];
    for (const [index, { measured }] of run.epochs.entries()) {
      const halves = measured.stretches.flatMap((stretch) => {
        if (stretch.steps < 20) return [stretch];
        cuts += 1;
        const steps = Math.floor(stretch.steps / 3);
        const part = { ...stretch, steps, examples: steps * stretch.batchSize };
        const rest = { steps: stretch.steps - steps, examples: stretch.examples - part.examples };
        return [part, { ...stretch, ...rest }];
      });
      whole = learn(whole, { epoch: index + 1, measured }, jobWith("auto"));
      parts = learn(
        parts,
        { epoch: index + 1, measured: { ...measured, stretches: halves } },
        jobWith("auto"),
      );
    }
    expect(cuts).toBeGreaterThan(0);
    const counted = (learnt: BatchProgress | undefined) => [
      learnt?.size,
      learnt?.stepsAtSize,
      learnt?.examples,
      learnt?.epochStart,
      learnt?.changes.map(({ from, to, epoch, step }) => ({ from, to, epoch, step })),
    ];
    expect(counted(parts)).toEqual(counted(whole));
  });
});

describe("the size chosen", () => {
  it("is within the job's bounds and a multiple of what it asks for, whatever was measured", () => {
    fc.assert(
      fc.property(jobs, history, fc.integer({ min: 1, max: 9 }), (job, epochs, later) => {
        const policy = policyOf(job);
        const learnt = folded(job, epochs);
        const { min, max } = rangeOf(policy);
        for (const epoch of [epochs.length, epochs.length + later]) {
          const { size, reason } = chooseBatchSize(policy, { epoch, learnt, microBatchLimit: undefined });
          expect(size).toBeGreaterThanOrEqual(min);
          expect(size).toBeLessThanOrEqual(max);
          expect(size % policy.multipleOf).toBe(0);
          expect(reason).toContain(`batch size ${size}`);
        }
      }),
    );
  });

  it("grows within an epoch by no more than the job says, and never by a leap beyond what was timed", () => {
    let changes = 0;
    fc.assert(
      fc.property(jobs, fc.integer({ min: 1, max: 1e6 }), (job, seed) => {
        const policy = policyOf(job);
        const ladder = sizes(policy);
        const { epochs, looks } = trainSynthetic(job, gpu, { epochs: 4, examples: 20_000, seed });
        let largest = 0;
        for (const [index, { measured }] of epochs.entries()) {
          const entered = epochs[index - 1]?.measured.stretches.at(-1) ?? measured.stretches[0];
          const chosen = looks.filter(({ epoch, choice: { reason } }) => {
            // What is taken back is no growth, nor is what is held then.
            return epoch === index + 1 && reason.includes(" for ") && !reason.includes(": it trained ");
          });
          for (const { choice } of chosen)
            expect(choice.size).toBeLessThanOrEqual((entered?.batchSize ?? 0) * policy.growth);
          for (const { batchSize, timed } of measured.stretches) {
            const rung = ladder.find((size) => size > largest) ?? 0;
            if (largest > 0 && batchSize > largest) {
              changes += 1;
              expect(batchSize).toBeLessThanOrEqual(Math.max(2 * largest, rung));
            }
            if (timed !== undefined) largest = Math.max(largest, batchSize);
          }
        }
      }),
      { numRuns: 60 },
    );
    expect(changes).toBeGreaterThan(20);
  });

  it.each(adaptive)("is the same by %s in seconds, in minutes and in nanoseconds", (policy) => {
    const sizesIn = (unit: number, seed: number) => {
      const truth = { ...gpu, seconds: (size: number) => gpu.seconds(size) / unit };
      const run = trainSynthetic(jobWith({ policy }), truth, { epochs: 4, examples: 8000, seed });
      return run.looks.map(({ choice }) => choice.size);
    };
    for (const seed of [1, 2, 3]) {
      const inSeconds = sizesIn(1, seed);
      expect(sizesIn(60, seed)).toEqual(inSeconds);
      expect(sizesIn(1e-9, seed)).toEqual(inSeconds);
    }
  });
});

/** A step takes as long as 100 examples do, before the first of them. */
const gpu: Truth = {
  seconds: (size) => 0.01 + 0.0001 * size,
  noiseScale: (epoch) => 100 * epoch,
  jitter: { time: 0.05, norms: 0.1 },
};

describe("on input that only fluctuates", () => {
  const truths = [0, 0.001, 0.01, 0.1].flatMap((constant) =>
    [1e-5, 1e-4].flatMap((each) => [10, 50, 200, 1000, 10_000].map((noise) => ({ constant, each, noise }))),
  );

  it.each(adaptive)("%s changes the size a bounded number of times in 200 epochs", (policy) => {
    const counts = truths.map(({ constant, each, noise }, seed) => {
      const truth: Truth = {
        seconds: (size) => constant + each * size,
        noiseScale: () => noise,
        jitter: { time: 0.1, norms: 0.3 },
        metrics: () => ({ loss: 1 }),
      };
      const given = { epochs: 200, examples: 4000, seed };
      const { learnt, looks } = trainSynthetic(jobWith({ policy }), truth, given);
      expect(looks.length).toBeGreaterThan(200);
      return learnt?.changeCount ?? 0;
    });
    // Six rungs up, and twice for each doubling of the examples from the first 512 on.
    expect(Math.max(...counts)).toBeLessThan(6 + 2 * Math.log2((200 * 4000) / 512));
  });

  it("goodput settles within a rung, or a tenth, of the best that a search over all sizes finds", () => {
    const shares = truths.flatMap(({ constant, each, noise }) =>
      [1, 2, 3].map((seed) => {
        const seconds = (size: number) => constant + each * size;
        const truth: Truth = { seconds, noiseScale: () => noise, jitter: { time: 0.1, norms: 0.3 } };
        const { learnt } = trainSynthetic(jobWith("auto"), truth, { epochs: 60, examples: 4000, seed });
        const ladder = sizes(Bounds.parse({}));
        const value = (size: number) => goodput(size, seconds(size), noise, 32);
        const best = ladder.toSorted((a, b) => value(b) - value(a))[0] ?? 0;
        const reached = learnt?.size ?? 0;
        const rungs = Math.abs(ladder.indexOf(reached) - ladder.indexOf(best));
        return { share: value(reached) / value(best), isNear: rungs <= 1 };
      }),
    );
    const settled = shares.filter(({ share, isNear }) => isNear || share > 0.9);
    // Luck with times a tenth off to both sides leaves a few a little further away.
    expect(settled.length / shares.length).toBeGreaterThan(0.98);
    expect(Math.min(...shares.map(({ share }) => share))).toBeGreaterThan(0.85);
  });
});

const stretch = (batchSize: number, more: Partial<Stretch> = {}): Stretch => ({
  batchSize,
  microBatchSize: batchSize,
  workers: 1,
  steps: 800,
  examples: 800 * batchSize,
  timed: { stepSeconds: gpu.seconds(batchSize), steps: 20 },
  norms: {
    small: { examples: batchSize / 2, squaredNorm: 1 + 800 / batchSize },
    large: { examples: batchSize, squaredNorm: 1 + 400 / batchSize },
    steps: 400,
  },
  ...more,
});

const told = (...stretches: Stretch[]): Measured => ({ stretches, resizes: true, optimizer: "SGD" });

const learntAfter = (job: TrainingJob, ...epochs: Stretch[][]) =>
  epochs.reduce<BatchProgress | undefined>(
    (state, stretches, index) => learn(state, { epoch: index + 1, measured: told(...stretches) }, job),
    undefined,
  );

const reasonAfter = (job: TrainingJob, learnt: BatchProgress | undefined, epoch = 2): string =>
  chooseBatchSize(policyOf(job), { epoch, learnt, microBatchLimit: undefined }).reason;

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
    expect(again?.barred).toEqual([{ size: 64, direction: "up", untilExamples: 2 * 800 * 96 }]);
    expect(reasonAfter(job, again, 1)).toContain(
      "64 and more not tried again before 153600 examples are trained",
    );
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

  it("that failed may be tried again when its bar has ended, and what was timed of it is forgotten", () => {
    const job = jobWith({ policy: "goodput" });
    const again = learntAfter(job, [slow(32), slow(64), slow(32)], [slow(32)]);
    expect(again?.barred).toHaveLength(1);
    const later = learntAfter(job, [slow(32), slow(64), slow(32)], [slow(32)], [slow(32)]);
    expect(later?.barred).toEqual([]);
    expect(later?.timings.local?.map(({ batchSize }) => batchSize)).toEqual([32]);
  });

  const losses = (job: TrainingJob, ...given: [size: number, loss: number][]) =>
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

  it("is kept where the loss moves as it did before, or where it is another epoch that is worse", () => {
    const job = jobWith({ policy: "goodput" });
    expect(losses(job, [32, 1], [32, 0.8], [32, 0.9], [64, 1])?.changes).toMatchObject([{ outcome: "kept" }]);
    expect(losses(job, [32, 1], [32, 0.9], [64, 0.8], [64, 2])?.changes).toMatchObject([{ outcome: "kept" }]);
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
