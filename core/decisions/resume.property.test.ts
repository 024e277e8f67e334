import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TrainingJobInput } from "../job.ts";
import type { Stretch } from "../measured.ts";
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

const epochs = 4;
const looks = 5;

/** Steps between two looks. */
const stride = 10;

/** `stretches` with so many more steps like the plan's. */
function longer(stretches: readonly Stretch[], size: number, micro: number): Stretch[] {
  const last = stretches.at(-1);
  const goesOn = last?.batchSize === size && last.microBatchSize === micro;
  const steps = stride + (goesOn ? last.steps : 0);
  return [...(goesOn ? stretches.slice(0, -1) : stretches), aStretch(size, steps, { microBatchSize: micro })];
}

/** Trains to the end; after each look whose number `cuts` has, a part is committed and the machine is lost. What was planned. */
function trains(job: Partial<TrainingJobInput>, cuts: ReadonlySet<number>) {
  const retry = { failuresWithoutProgress: 100, baseDelay: "0s" };
  const story = begun({ epochs: epochs + 1, retry, ...job });
  const told: unknown[] = [];
  let attempt = 1;
  const plan = () => {
    const [live] = story.state.live;
    if (live === undefined) throw new Error("nothing lives");
    return planInForce(live);
  };
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    let stretches: Stretch[] = [];
    for (let look = 1; look <= looks; look += 1) {
      const { batchSize = 0, microBatchSize = 0, accumulation, learningRateScale } = plan();
      told.push({ epoch, look, batchSize, microBatchSize, accumulation, learningRateScale });
      stretches = longer(stretches, batchSize, microBatchSize);
      story.journal.submit(measures(attempt, epoch, stretches));
      if (!cuts.has((epoch - 1) * looks + look)) continue;
      const part = aPart(attempt, epoch, look * stride);
      story.say(commits({ ...part, plan: plan(), measured: measuredOf(stretches) }));
      story.say(failed(attempt, "spot-reclaim"));
      attempt += 1;
      story.say(started(attempt));
    }
    const report = { ...aReport(epoch, { loss: 1 / epoch }), measured: measuredOf(stretches) };
    story.say(reported(attempt, report));
    story.say(commits(aCheckpoint(attempt, [report])));
  }
  return { told, batch: story.state.progress.batch };
}

const policies = fc.constantFrom<Partial<TrainingJobInput>>(
  { batchSize: { policy: "noise-scale", share: 0.2, start: 8, max: 512 } },
  { batchSize: { policy: "goodput", start: 8, max: 512 }, learningRate: { scaling: "adascale" } },
  { batchSize: "auto", microBatchSize: 8 },
  { batchSize: { policy: "throughput", start: 8, max: 256 } },
);

describe("a run that is interrupted in the middle of epochs", () => {
  it("is trained step by step as if it had not been", () => {
    const sizes = new Set<string>();
    fc.assert(
      fc.property(
        policies,
        fc.uniqueArray(fc.integer({ min: 1, max: epochs * looks }), { maxLength: 6 }),
        (job, cuts) => {
          const calm = trains(job, new Set());
          expect(trains(job, new Set(cuts))).toEqual(calm);
          sizes.add(JSON.stringify(calm.told));
        },
      ),
      { numRuns: 60 },
    );
    // Each of them has changed its sizes on the way, and in its own way.
    expect(sizes.size).toBe(4);
    for (const told of sizes) expect(new Set(told.match(/"batchSize":\d+/g)).size).toBeGreaterThan(2);
  });
});
