import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scaleAfter } from "../../trainer/warm-up.ts";
import type { TrainingJobInput } from "../job.ts";
import type { Stretch } from "../measured.ts";
import type { EpochPlan } from "../report.ts";
import { planInForce } from "../run-state.ts";
import {
  aCheckpoint,
  aPart,
  aReport,
  aStretch,
  commits,
  failed,
  measuredOf,
  measures,
  reported,
  started,
} from "../testing/events.ts";
import { begun } from "../testing/story.ts";

/** What an epoch is like: its steps, after which of them Review is asked, and the noise scale that is measured in it. */
interface Course {
  readonly steps: number;
  readonly every: number;
  readonly noiseScale: number;
}

/** Something ends training after so many steps of `epoch`, of which the first `saved` are in a checkpoint; 0 where nothing is. */
interface Kill {
  readonly epoch: number;
  readonly step: number;
  readonly saved: number;
}

/** What the trainer multiplied its rate with in a step, where that was going to, and the size of the batch. */
interface StepTold {
  readonly factor: number;
  readonly aim: number;
  readonly size: number;
}

const aim = ({ learningRateScale: to, batchSize: size = 0 }: EpochPlan) => ({ aim: to, size });

/** One more step like `plan` says. */
function longer(stretches: readonly Stretch[], { batchSize = 0 }: EpochPlan, noiseScale: number): Stretch[] {
  const last = stretches.at(-1);
  const same = last?.batchSize === batchSize ? last : undefined;
  const norm = (examples: number) => ({ examples, squaredNorm: 1 + noiseScale / examples });
  const steps = 1 + (same?.steps ?? 0);
  const norms = { small: norm(batchSize / 2), large: norm(batchSize), steps };
  return [
    ...(same === undefined ? stretches : stretches.slice(0, -1)),
    aStretch(batchSize, steps, { norms }),
  ];
}

/** Trains `courses`, one for each epoch, with what kills it on the way; every step that counts, in order. */
function trains(job: Partial<TrainingJobInput>, courses: readonly Course[], kills: readonly Kill[]) {
  const retry = { failuresWithoutProgress: 100, baseDelay: "0s" };
  const story = begun({ epochs: courses.length + 1, retry, ...job });
  const told: StepTold[] = [];
  const left = [...kills];
  let attempt = 1;
  const again = (evidence: Parameters<typeof failed>[2] = {}) => {
    story.say(failed(attempt, "spot-reclaim", evidence));
    attempt += 1;
    story.say(started(attempt));
  };
  const inForce = () => {
    const [live] = story.state.live;
    if (live === undefined) throw new Error("nothing lives");
    return planInForce(live);
  };
  for (const [index, { steps, every, noiseScale }] of courses.entries()) {
    const epoch = index + 1;
    let saved = { step: 0, stretches: [] as Stretch[], told: told.length };
    let { step, stretches } = saved;
    let plan = inForce();
    let since = 0;
    while (step < steps) {
      told.push({ factor: scaleAfter(plan, step - since), ...aim(plan) });
      stretches = longer(stretches, plan, noiseScale);
      step += 1;
      if (step % every === 0 && step < steps) {
        story.journal.submit(measures(attempt, epoch, stretches));
        const next = inForce();
        if (!isDeepStrictEqual(next, plan)) since = step;
        plan = next;
      }
      const kill = left.findIndex((each) => each.epoch === epoch && each.step === step);
      const due = left[kill];
      if (left.some((each) => each.epoch === epoch && each.saved === step) && step > saved.step) {
        story.say(commits({ ...aPart(attempt, epoch, step), plan, measured: measuredOf(stretches) }));
        saved = { step, stretches, told: told.length };
      }
      if (due === undefined) continue;
      left.splice(kill, 1);
      again();
      told.splice(saved.told);
      ({ step, stretches } = saved);
      plan = inForce();
      since = step;
    }
    const report = { ...aReport(epoch, { loss: 1 }), measured: measuredOf(stretches) };
    const whole = aCheckpoint(attempt, [report]);
    const isLost = left.some((each) => each.epoch === epoch && each.step > steps);
    if (isLost) {
      // It is gone before it could report; its checkpoint is adopted.
      again({ evidence: { found: [whole] } });
      continue;
    }
    story.say(reported(attempt, report));
    story.say(commits(whole));
  }
  return {
    told,
    batch: story.state.progress.batch,
    reasons: story.journal.entries.map((e) => e.decision.reason),
  };
}

const size = fc.constantFrom(8, 16, 32, 64, 256);

const policies: fc.Arbitrary<Pick<TrainingJobInput, "batchSize" | "learningRate">> = fc.oneof(
  fc.record({
    batchSize: fc.array(size, { minLength: 6, maxLength: 6 }).map((sizes) => ({
      policy: "schedule" as const,
      steps: sizes.map((each, index) => ({ fromEpoch: index + 1, size: each })),
    })),
    learningRate: fc.constant({ scaling: "linear" as const, referenceBatchSize: 8 }),
  }),
  fc.constantFrom<Pick<TrainingJobInput, "batchSize" | "learningRate">>(
    {
      batchSize: { policy: "noise-scale", start: 8, max: 512, hold: 4 },
      learningRate: { scaling: "linear" },
    },
    { batchSize: { policy: "goodput", start: 8, max: 512, hold: 4 }, learningRate: { scaling: "adascale" } },
    { batchSize: { policy: "throughput", start: 8, max: 256, hold: 4 }, learningRate: { scaling: "sqrt" } },
    {
      batchSize: { policy: "plateau", metric: "loss", start: 8, max: 256, patience: 1, hold: 4 },
      learningRate: { scaling: "linear" },
    },
  ),
);

const cases = fc.record({
  job: policies,
  warmUp: fc.integer({ min: 1, max: 90 }),
  courses: fc.array(
    fc.record({
      steps: fc.integer({ min: 1, max: 40 }),
      every: fc.integer({ min: 4, max: 12 }),
      noiseScale: fc.integer({ min: 20, max: 9000 }),
    }),
    { minLength: 2, maxLength: 6 },
  ),
  kills: fc.array(
    fc
      .record({
        epoch: fc.integer({ min: 1, max: 6 }),
        saved: fc.integer({ min: 0, max: 36 }),
        lost: fc.integer({ min: 0, max: 8 }),
      })
      .map(({ lost, ...kill }) => ({ ...kill, step: Math.max(1, kill.saved + lost) })),
    { maxLength: 8 },
  ),
});

describe("what the learning rate is multiplied with", () => {
  it("goes to its new value over the warm-up's steps, whatever the epochs' lengths, and arrives", () => {
    let arrivals = 0;
    fc.assert(
      fc.property(cases, ({ job, warmUp, courses }) => {
        const learningRate = { ...job.learningRate, warmUp };
        const { told } = trains({ ...job, learningRate }, courses, []);
        let slope = 0;
        let steady = 0;
        told.forEach((now, index) => {
          const before = told[index - 1];
          if (before === undefined) return;
          const isSame = before.aim === now.aim && before.size === now.size;
          steady = isSame ? steady + 1 : 0;
          if (!isSame) slope = Math.max(slope, Math.abs(now.aim - now.factor) / warmUp);
          expect(Math.abs(now.factor - before.factor)).toBeLessThanOrEqual(slope * (1 + 1e-9) + 1e-12);
          if (steady < warmUp) return;
          expect(now.factor).toBeCloseTo(now.aim, 9);
          if (now.aim !== 1) arrivals += 1;
        });
      }),
      { numRuns: 60 },
    );
    expect(arrivals).toBeGreaterThan(50);
  });

  it("is in each step the same where training was killed on the way, anywhere", () => {
    let warming = 0;
    fc.assert(
      fc.property(cases, ({ job, warmUp, courses, kills }) => {
        const given = { ...job, learningRate: { ...job.learningRate, warmUp } };
        const calm = trains(given, courses, []);
        const cut = trains(given, courses, kills);
        expect(cut.told.length).toBe(calm.told.length);
        for (const [index, { factor, size }] of cut.told.entries()) {
          expect({ index, size }).toEqual({ index, size: calm.told[index]?.size });
          expect(factor).toBeCloseTo(calm.told[index]?.factor ?? 0, 9);
        }
        expect(cut.batch).toEqual(calm.batch);
        if (cut.reasons.some((reason) => /, as at step .*, over \d+ steps/.test(reason))) warming += 1;
      }),
      { numRuns: 60 },
    );
    expect(warming).toBeGreaterThan(4);
  });
});
