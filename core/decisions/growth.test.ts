import { describe, expect, it } from "vitest";
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
import { expectReplayable } from "../testing/replay.ts";
import { begun, type Story } from "../testing/story.ts";

const job = {
  epochs: 9,
  batchSize: { policy: "noise-scale" as const, start: 8, max: 512, growth: 2 },
  learningRate: { scaling: "linear" as const },
};

const liveOf = (story: Story) => {
  const [live] = story.state.live;
  if (live === undefined) throw new Error("nothing lives");
  return live;
};

const planOf = (story: Story) => planInForce(liveOf(story));

const reportOf = (epoch: number, stretches: readonly Stretch[]) => ({
  ...aReport(epoch, { loss: 1 / epoch }),
  measured: measuredOf(stretches),
});

const trains = (story: Story, epoch: number, stretches: readonly Stretch[]) => {
  const { number } = liveOf(story);
  story.say(reported(number, reportOf(epoch, stretches)));
  story.say(commits(aCheckpoint(number, [reportOf(epoch, stretches)])));
};

/** The live attempt diverges, as its report says, or its trainer by its end; another one begins. What was decided. */
const diverges = (story: Story, epoch: number, way: "report" | "exit" = "report") => {
  const { number } = liveOf(story);
  if (way === "report") story.say(reported(number, aReport(epoch, { loss: "NaN" })));
  story.say(failed(number, "numeric"));
  const { reason } = story.journal.entries.at(-1)?.decision ?? {};
  if (story.state.live.length > 0) story.say(started(number + 1));
  return reason;
};

describe("training that diverges after Pawl made the batch larger", () => {
  for (const way of ["report", "exit"] as const) {
    it(`goes on without that growth, at the same learning rate, by its ${way}`, () => {
      const story = begun(job);
      trains(story, 1, [aStretch(8, 40)]);
      expect(planOf(story)).toMatchObject({ epoch: 2, batchSize: 16, learningRateScale: 2 });
      expect(diverges(story, 2, way)).toContain(
        "back to epoch 1, batch size 16 for 8 is taken back, the learning rate stays (1 of 3 times)",
      );
      expect(story.state.numeric).toEqual({ epoch: 2, times: 1, learningRateFactor: 1 });
      expect(planOf(story)).toMatchObject({ epoch: 2, batchSize: 8, learningRateScale: 1 });
      story.ask(measures(2, 2, [aStretch(8, 30)]));
      trains(story, 2, [aStretch(8, 30)]);
      expect(planOf(story)).toMatchObject({ epoch: 3, batchSize: 8, learningRateScale: 1 });
      // Once the examples have doubled it is tried again.
      trains(story, 3, [aStretch(8, 40)]);
      expect(planOf(story)).toMatchObject({ epoch: 4, batchSize: 16, learningRateScale: 2 });
      expectReplayable(story.journal.entries, story.journal.limits);
    });
  }

  it("has its learning rate lowered where it diverges again without a growth, and the growth stays away", () => {
    const story = begun({ ...job, numeric: { times: 2 } });
    trains(story, 1, [aStretch(8, 40)]);
    diverges(story, 2);
    expect(diverges(story, 2)).toContain(
      "back to the beginning, learning rate × 0.5 from now on (2 of 2 times)",
    );
    expect(planOf(story)).toMatchObject({ epoch: 1, batchSize: 8, learningRateScale: 0.5 });
    story.ask(measures(3, 1, [aStretch(8, 30)]));
    expect(diverges(story, 1)).toContain("rolled back 2 times");
    expect(story.state.status).toBe("failed");
  });

  it("loses all growth of the epoch that it diverged in, whichever of it was to blame", () => {
    const story = begun({ ...job, batchSize: { ...job.batchSize, growth: 16 } });
    trains(story, 1, [aStretch(8, 400)]);
    story.say(measures(1, 2, [aStretch(16, 16)]));
    story.say(measures(1, 2, [aStretch(16, 16), aStretch(32, 16)]));
    expect(planOf(story).batchSize).toBe(64);
    expect(diverges(story, 2, "exit")).toContain("batch size 16 for 8 is taken back");
    story.ask(measures(2, 2, [aStretch(8, 64)]));
  });

  it("loses a growth of the first epoch too, which is begun again", () => {
    for (const batchSize of [job.batchSize, undefined]) {
      const story = begun({ epochs: 9, ...(batchSize === undefined ? {} : { batchSize }) });
      story.say(measures(1, 1, [aStretch(8, 64)]));
      expect(planOf(story).batchSize).toBe(16);
      expect(diverges(story, 1)).toContain("back to the beginning, batch size 16 for 8 is taken back");
      expect(planOf(story).batchSize).toBe(batchSize && 8);
      story.ask(measures(2, 1, [aStretch(8, 64)]));
      expect(diverges(story, 1)).toContain("learning rate × 0.5");
      story.ask(measures(3, 1, [aStretch(8, 64)]));
      expect(story.say(measures(3, 1, [aStretch(8, 129)]))).toMatchObject({ plan: { batchSize: 16 } });
    }
  });

  it("loses one that an earlier attempt had made in the same epoch", () => {
    for (const epochs of [[], [1]]) {
      const story = begun(job);
      for (const epoch of epochs) trains(story, epoch, [aStretch(8, 40)]);
      const { epoch } = planOf(story);
      const before = epoch === 1 ? [aStretch(8, 32)] : [];
      if (epoch === 1) story.say(measures(1, epoch, before));
      const plan = planOf(story);
      expect(plan.batchSize).toBe(16);
      const step = epoch === 1 ? 36 : 4;
      const measured = measuredOf([...before, aStretch(16, 4)]);
      story.say(commits({ ...aPart(1, epoch, step), plan, measured }));
      story.say(failed(1, "spot-reclaim"));
      story.say(started(2));
      expect(diverges(story, epoch)).toContain("batch size 16 for 8 is taken back");
      expect(planOf(story).batchSize).toBe(8);
    }
  });

  it("loses one of an epoch before, where that is gone back from too", () => {
    const story = begun({ ...job, numeric: { back: 1 }, batchSize: { ...job.batchSize, max: 16 } });
    trains(story, 1, [aStretch(8, 40)]);
    trains(story, 2, [aStretch(16, 40)]);
    expect(planOf(story)).toMatchObject({ epoch: 3, batchSize: 16 });
    expect(diverges(story, 3)).toContain("back to epoch 1, batch size 16 for 8 is taken back");
    expect(planOf(story)).toMatchObject({ epoch: 2, batchSize: 8, learningRateScale: 1 });
  });

  it("keeps from it until twice the examples are trained that were when it diverged", () => {
    const story = begun(job);
    story.say(measures(1, 1, [aStretch(8, 64)]));
    const trained = {
      ...aReport(1, { loss: "NaN" }),
      measured: measuredOf([aStretch(8, 64), aStretch(16, 100)]),
    };
    story.say(reported(1, trained));
    story.say(failed(1, "numeric"));
    expect(story.state.progress.batch?.barred).toEqual([
      { size: 16, direction: "up", untilExamples: 2 * (8 * 64 + 16 * 100) },
    ]);
  });

  it("has its learning rate lowered where the growth was undone before it diverged", () => {
    const timed = (stepSeconds: number) => ({ timed: { stepSeconds, steps: 38 } });
    const story = begun(job);
    trains(story, 1, [aStretch(8, 40, timed(0.01))]);
    expect(planOf(story)).toMatchObject({ epoch: 2, batchSize: 16 });
    story.say(measures(1, 2, [aStretch(16, 40, timed(0.05))]));
    expect(planOf(story)).toMatchObject({ epoch: 2, batchSize: 8 });
    for (const way of ["report", "exit"] as const)
      expect(diverges(story, 2, way)).toContain("learning rate × 0.");
  });

  it("has its learning rate lowered where the sizes are the job's own, or leave no choice", () => {
    const steps = [1, 2].map((epoch) => ({ fromEpoch: epoch, size: 8 * epoch }));
    const learningRate = { ...job.learningRate, referenceBatchSize: 8 };
    const scheduled = begun({ ...job, learningRate, batchSize: { policy: "schedule", steps } });
    trains(scheduled, 1, [aStretch(8, 40)]);
    expect(diverges(scheduled, 2)).toContain("learning rate × 0.5");
    const forced = begun({ ...job, batchSize: { ...job.batchSize, min: 16, start: 16, max: 16 } });
    trains(forced, 1, [aStretch(8, 40)]);
    expect(planOf(forced).batchSize).toBe(16);
    expect(diverges(forced, 2)).toContain("learning rate × 0.5");
  });
});
