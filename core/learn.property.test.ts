import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchProgress } from "./batch-progress.ts";
import { goodput } from "./estimators/goodput.ts";
import type { TrainingJob } from "./job.ts";
import { learn } from "./learn.ts";
import { Measured } from "./measured.ts";
import type { MetricValue } from "./metric-value.ts";
import { Bounds, rangeOf, sizes } from "./policies/batch-size/bounds.ts";
import { chooseBatchSize } from "./policies/batch-size/index.ts";
import { gpu, jobWith, policyOf } from "./testing/stretches.ts";
import { type Truth, trainSynthetic } from "./testing/synthetic-trainer.ts";

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
          const begins = entered?.batchSize ?? 0;
          const next = ladder.find((size) => size > begins) ?? 0;
          for (const { examples, choice } of chosen) {
            // Where an epoch begins a rung is always allowed.
            const most = Math.max(begins * policy.growth, examples === 0 ? next : 0);
            expect(choice.size).toBeLessThanOrEqual(most);
          }
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

  it("leaves eight whole steps in an epoch once its examples are known, unless the job begins with fewer", () => {
    let grown = 0;
    fc.assert(
      fc.property(jobs, fc.integer({ min: 20, max: 5000 }), fc.nat(), (job, examples, seed) => {
        const { looks } = trainSynthetic(
          job,
          { ...gpu, noiseScale: () => 5000 },
          { epochs: 5, examples, seed },
        );
        const first = looks[0]?.choice.size ?? 0;
        for (const [index, { epoch, choice }] of looks.entries()) {
          if (epoch === 1 || choice.size <= (looks[index - 1]?.choice.size ?? 0)) continue;
          if (choice.reason.includes(": it trained ")) continue;
          grown += 1;
          // An epoch of the synthetic trainer has up to a batch more.
          const whole = examples + (looks[index - 1]?.choice.size ?? 0);
          expect(choice.size <= first || whole / choice.size >= 8).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
    expect(grown).toBeGreaterThan(20);
  });

  it("grows only where epochs begin, rung by rung, with a growth of 1", () => {
    const job = jobWith({ policy: "noise-scale", max: 1024, growth: 1 });
    const truth = { ...gpu, noiseScale: () => 5000 };
    const { epochs } = trainSynthetic(job, truth, { epochs: 5, examples: 20_000, seed: 1 });
    const sizesIn = epochs.map(({ measured: { stretches } }) => stretches.map(({ batchSize }) => batchSize));
    expect(sizesIn).toEqual([[32], [64], [128], [256], [512]]);
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
        // An epoch has steps enough of all sizes.
        const given = { epochs: 15, examples: 20_000, seed };
        const { learnt } = trainSynthetic(jobWith("auto"), truth, given);
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
