import { describe, expect, it } from "vitest";
import { HistoryReader } from "../history.ts";
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
  opens,
  reported,
  started,
  stops,
} from "../testing/events.ts";
import type { Reply } from "../testing/model-journal.ts";
import { expectReplayable } from "../testing/replay.ts";
import { begun, type Story } from "../testing/story.ts";

const noise = { policy: "noise-scale" as const, start: 8, max: 256 };
const job = { batchSize: noise, epochs: 9 };

const planOf = (reply: Reply): EpochPlan => {
  if (reply.action === "train" && "plan" in reply) return reply.plan;
  if (reply.action === "begin") return reply.assignment.plan;
  throw new Error(`no plan in ${JSON.stringify(reply)}`);
};

const reportOf = (epoch: number, stretches: readonly Stretch[]) => ({
  ...aReport(epoch, { loss: 1 / epoch }),
  measured: measuredOf(stretches),
});

/** The part of an epoch that is in after these stretches, under the plan in force. */
const partOf = (story: Story, attempt: number, epoch: number, stretches: readonly Stretch[]) => {
  const [live] = story.state.live;
  if (live === undefined) throw new Error("nothing lives");
  const steps = stretches.reduce((sum, each) => sum + each.steps, 0);
  return { ...aPart(attempt, epoch, steps), plan: planInForce(live), measured: measuredOf(stretches) };
};

const liveOf = (story: Story) => {
  const [live] = story.state.live;
  if (live === undefined) throw new Error("nothing lives");
  return live;
};

/** One attempt that begins with 8 examples and goes on with 16 after 16 steps. */
function resized(more: Parameters<typeof begun>[0] = {}) {
  const story = begun({ ...job, ...more });
  const event = measures(1, 1, [aStretch(8, 16)]);
  const reply = story.say(event);
  return { story, event, reply, plan: planOf(reply) };
}

describe("a batch size that follows what is measured", () => {
  it("changes in the middle of an epoch, and is written down with its reason", () => {
    const { story, plan } = resized();
    expect(plan).toMatchObject({ epoch: 1, batchSize: 16, measure: "norms" });
    const { decision, state } = story.journal.entries.at(-1) ?? {};
    expect(decision?.kind).toBe("resized");
    expect(decision?.reason).toMatch(
      /^epoch 1 goes on after step 16 with batch size 16 for 8: noise scale \d/,
    );
    expect(planInForce(liveOf(story)).batchSize).toBe(16);
    expect(state?.progress).toEqual({ epoch: 0, examples: 0, trainedSeconds: 0 });
    expectReplayable(story.journal.entries, story.journal.limits);
  });

  it("stays where it is, and nothing is written down, where that is best, or nothing can be said", () => {
    const story = begun(job);
    const first = planInForce(liveOf(story));
    const held = (reply: Reply) => expect(planOf(reply)).toEqual(first);
    held(story.ask(measures(1, 1, [aStretch(8, 3)])));
    held(story.ask(measures(1, 1, [])));
    held(story.ask(measures(1, 1, [aStretch(8, 64)], { resizes: false })));
    const { norms: _norms, ...silent } = aStretch(8, 64);
    held(story.ask(measures(1, 1, [silent])));
    const bad = { examples: 8, squaredNorm: -1 };
    const norms = { small: { examples: 4, squaredNorm: 1 }, large: bad, steps: 64 };
    held(story.ask(measures(1, 1, [aStretch(8, 64, { norms })])));
  });

  it("stays where it is once an epoch has as many stretches as can be told", () => {
    const story = begun(job);
    const many = Array.from({ length: 32 }, (_, i) => aStretch(i % 2 === 0 ? 8 : 16, 20));
    expect(planOf(story.ask(measures(1, 1, many))).batchSize).toBe(8);
  });

  it("is nothing that a fixed size does, or a schedule", () => {
    for (const batchSize of [8, { policy: "schedule" as const, steps: [{ fromEpoch: 1, size: 8 }] }]) {
      const story = begun({ batchSize });
      expect(planOf(story.ask(measures(1, 1, [aStretch(8, 64)])))).toEqual(planInForce(liveOf(story)));
    }
  });

  it("begins where a trainer that was left its own size turns out to measure, from that size on", () => {
    const story = begun({ epochs: 9 });
    expect(planInForce(liveOf(story))).not.toHaveProperty("batchSize");
    expect(planOf(story.say(measures(1, 1, [aStretch(32, 64)]))).batchSize).toBe(64);
    const still = begun({ epochs: 9 });
    const { norms: _norms, ...silent } = aStretch(32, 64);
    expect(planOf(still.ask(measures(1, 1, [silent])))).not.toHaveProperty("batchSize");
  });
});

describe("what was measured that comes again, late or from somebody else", () => {
  it("gets the same answer again", () => {
    const { story, event, reply } = resized();
    expect(story.ask(event)).toEqual(reply);
    story.say(commits(partOf(story, 1, 1, [aStretch(8, 16), aStretch(16, 2)])));
    expect(story.ask(event)).toEqual(reply);
  });

  it("gets the plan in force where later steps were answered before", () => {
    const { story, plan } = resized();
    expect(planOf(story.ask(measures(1, 1, [aStretch(8, 9)])))).toEqual(plan);
  });

  it("gets the next epoch's plan once its epoch is reported, and that is all it does", () => {
    const { story, event } = resized();
    const next = planOf(story.say(reported(1, reportOf(1, [aStretch(8, 16), aStretch(16, 16)]))));
    expect(next.epoch).toBe(2);
    expect(planOf(story.ask(event))).toEqual(next);
  });

  it("gets the same as its epoch's report where nothing follows", () => {
    const { story, event } = resized({ epochs: 1 });
    const finish = story.say(reported(1, reportOf(1, [aStretch(8, 16), aStretch(16, 16)])));
    expect(finish.action).toBe("finish");
    expect(story.ask(event)).toEqual(finish);
    expect(story.ask(measures(1, 2, [aStretch(8, 16)]))).toMatchObject({ action: "leave" });
  });

  it("gets the same as its epoch's report where that was of no use", () => {
    const { story, event } = resized();
    const fail = story.say(reported(1, aReport(1, { loss: "NaN" })));
    expect(fail.action).toBe("fail");
    expect(story.ask(event)).toEqual(fail);
  });

  it("is told to leave where it is of an epoch that nobody was told to train", () => {
    const { story } = resized();
    expect(story.ask(measures(1, 2, [aStretch(8, 16)]))).toMatchObject({
      action: "leave",
      reason: "epoch 2 was measured where 1 is being trained",
    });
  });

  it("is told to leave where its attempt lives no more, or holds no assignment", () => {
    const { story, event } = resized();
    story.say(failed(1, "spot-reclaim"));
    expect(story.ask(event)).toMatchObject({ action: "leave" });
    expect(story.ask(measures(2, 1, [aStretch(8, 16)]))).toMatchObject({ action: "leave" });
    story.say(started(2));
    expect(story.ask({ ...measures(2, 1, [aStretch(8, 16)]), batchJobId: "another" })).toMatchObject({
      action: "leave",
      winner: "batch-2",
    });
  });

  it("changes nothing of a stop that somebody asked for", () => {
    const story = begun(job);
    story.say(stops("a"));
    expect(planOf(story.say(measures(1, 1, [aStretch(8, 16)]))).batchSize).toBe(16);
    expect(story.state.stop).toMatchObject({ id: "a" });
    expect(story.say(reported(1, reportOf(1, [aStretch(8, 16), aStretch(16, 16)])))).toMatchObject({
      action: "finish",
      reason: "stopped by alice@laptop",
    });
  });
});

describe("a run that goes on from the middle of an epoch", () => {
  it("goes on with the checkpoint's batch size and learning rate", () => {
    const { story, plan } = resized({ learningRate: { scaling: "linear" } });
    expect(plan.learningRateScale).toBe(2);
    story.say(commits(partOf(story, 1, 1, [aStretch(8, 16), aStretch(16, 4)])));
    story.say(failed(1, "spot-reclaim"));
    const resumed = planOf(story.say(started(2)));
    expect(resumed).toEqual(plan);
    expect(story.journal.entries.at(-2)?.decision.reason).toContain(", batch size 16, as at step 20");
    expectReplayable(story.journal.entries, story.journal.limits);
  });

  it("lowers that learning rate as a remedy says, and once only", () => {
    const { story } = resized({ learningRate: { scaling: "linear" } });
    const whole = reportOf(1, [aStretch(8, 16), aStretch(16, 16)]);
    story.say(reported(1, whole));
    story.say(commits(aCheckpoint(1, [whole])));
    story.say(reported(1, aReport(2, { loss: "NaN" })));
    story.say(failed(1, "numeric", { evidence: { class: "numeric" } }));
    story.say(started(2));
    story.say(reported(2, aReport(2, { loss: "NaN" })));
    story.say(failed(2, "numeric", { evidence: { class: "numeric" } }));
    const lowered = planOf(story.say(started(3)));
    expect(lowered).toMatchObject({ epoch: 1, batchSize: 8, learningRateScale: 0.5 });
    story.say(commits(partOf(story, 3, lowered.epoch, [aStretch(lowered.batchSize ?? 0, 20)])));
    story.say(failed(3, "spot-reclaim"));
    expect(planOf(story.say(started(4)))).toMatchObject({
      batchSize: lowered.batchSize,
      learningRateScale: lowered.learningRateScale,
    });
  });

  it("decides as if it had not stopped, since what was measured before counts once", () => {
    const told = (stop: boolean) => {
      const { story } = resized();
      const sofar = [aStretch(8, 16), aStretch(16, 4)];
      if (stop) {
        story.say(commits(partOf(story, 1, 1, sofar)));
        story.say(failed(1, "spot-reclaim"));
        story.say(started(2));
      }
      const attempt = stop ? 2 : 1;
      const later = [aStretch(8, 16), aStretch(16, 32)];
      const plan = planOf(story.say(measures(attempt, 1, later)));
      const all = [...later, aStretch(32, 40)];
      const next = planOf(story.say(reported(attempt, reportOf(1, all))));
      story.say(commits(aCheckpoint(attempt, [reportOf(1, all)])));
      return { plan, next, batch: story.state.progress.batch };
    };
    expect(told(true)).toEqual(told(false));
    expect(told(true).batch?.examples).toBe(16 * 8 + 32 * 16 + 40 * 32);
  });

  it("goes on with what the trainer's own size had become, before anything of it is committed as a whole", () => {
    const story = begun({ epochs: 9 });
    story.say(measures(1, 1, [aStretch(32, 64)]));
    story.say(commits(partOf(story, 1, 1, [aStretch(32, 64), aStretch(64, 9)])));
    story.say(failed(1, "spot-reclaim"));
    expect(planOf(story.say(started(2)))).toMatchObject({ batchSize: 64, measure: "norms" });
  });

  it("begins the epoch again as it first was where nothing of it was saved", () => {
    const { story } = resized();
    story.say(failed(1, "spot-reclaim"));
    expect(planOf(story.say(started(2))).batchSize).toBe(8);
  });

  it("keeps to an accepted change of how the learning rate follows", () => {
    const { story } = resized({ learningRate: { scaling: "linear" } });
    story.say(commits(partOf(story, 1, 1, [aStretch(8, 16), aStretch(16, 4)])));
    const changed = { name: "digits", command: ["python3", "train.py"], ...job };
    story.say(
      opens("second", {
        job: { ...changed, learningRate: { scaling: "sqrt" } },
        acceptChanges: true,
        evidence: [
          { attempt: 1, gone: true, found: [], class: "interrupted", message: "it was interrupted" },
        ],
      }),
    );
    const plan = planOf(story.say(started(2)));
    expect(plan).toMatchObject({ batchSize: 16, learningRateScale: Math.SQRT2 });
  });
});

describe("a run that goes back", () => {
  it("goes back in its batch size too", () => {
    const { story } = resized({ numeric: { back: 1 } });
    const first = reportOf(1, [aStretch(8, 40)]);
    const second = reportOf(2, [aStretch(16, 40)]);
    story.say(reported(1, first));
    story.say(commits(aCheckpoint(1, [first])));
    const after = structuredClone(story.state.progress.batch);
    story.say(reported(1, second));
    story.say(commits(aCheckpoint(1, [second])));
    expect(story.state.progress.batch?.size).toBe(16);
    story.say(reported(1, aReport(3, { loss: "NaN" })));
    story.say(failed(1, "numeric", { evidence: { class: "numeric" } }));
    expect(story.state.progress).toMatchObject({ epoch: 1, batch: { size: 8, examples: 320 } });
    // What is known of machines, and of the size that it diverged with, is not forgotten.
    expect(story.state.progress.batch).toMatchObject({
      ...{ ...after, timings: expect.anything(), changeCount: 1 },
      changes: [{ number: 1, from: 16, to: 32, outcome: "undone" }],
      barred: [{ size: 32, direction: "up", untilExamples: 2 * 40 * (8 + 16) }],
    });
    expect(story.state.progress.batch?.timings.local).toHaveLength(2);
  });

  it("has in its history the changes that stand, each once, and each epoch's last size", () => {
    const { story } = resized({ numeric: { back: 1 } });
    const reader = new HistoryReader();
    const first = reportOf(1, [aStretch(8, 16), aStretch(16, 40)]);
    const second = reportOf(2, [aStretch(16, 8), aStretch(32, 60)]);
    for (const report of [first, second]) {
      story.say(reported(1, report));
      story.say(commits(aCheckpoint(1, [report])));
    }
    for (const entry of story.journal.entries) reader.add(entry);
    const { changes = [], epochs = [] } = reader.history() ?? {};
    expect(changes.map(({ number, from, to, epoch, step }) => ({ number, from, to, epoch, step }))).toEqual([
      { number: 1, from: 8, to: 16, epoch: 1, step: 16 },
      { number: 2, from: 16, to: 32, epoch: 2, step: 8 },
    ]);
    expect(changes.map(({ outcome }) => outcome)).toEqual(["kept", "kept"]);
    expect(epochs.map(({ batchSize }) => batchSize)).toEqual([16, 32]);
    const seen = story.journal.entries.length;
    story.say(reported(1, aReport(3, { loss: "NaN" })));
    story.say(failed(1, "numeric", { evidence: { class: "numeric" } }));
    for (const entry of story.journal.entries.slice(seen)) reader.add(entry);
    const standing = reader.history()?.changes.map(({ number, to, outcome }) => ({ number, to, outcome }));
    expect(standing).toEqual([
      { number: 1, to: 16, outcome: "kept" },
      { number: 2, to: 64, outcome: "undone" },
    ]);
  });
});

describe("a warm-up", () => {
  const warm = { learningRate: { scaling: "linear" as const, warmUp: 10 } };

  it("goes from the rate in force to the new one after a change within an epoch", () => {
    const { plan } = resized(warm);
    expect(plan).toMatchObject({ learningRateScale: 2, warmUp: { from: 1, steps: 10 } });
  });

  it("goes on where the checkpoint has it, and is over when it is", () => {
    const resumedAfter = (steps: number) => {
      const { story } = resized(warm);
      story.say(commits(partOf(story, 1, 1, [aStretch(8, 16), aStretch(16, steps)])));
      story.say(failed(1, "spot-reclaim"));
      return { story, plan: planOf(story.say(started(2))) };
    };
    const { story, plan } = resumedAfter(4);
    expect(plan.warmUp).toEqual({ from: 1.4, steps: 6 });
    // And once more from there.
    story.say(commits(partOf(story, 2, 1, [aStretch(8, 16), aStretch(16, 7)])));
    story.say(failed(2, "spot-reclaim"));
    const again = planOf(story.say(started(3)));
    expect(again.warmUp?.steps).toBe(3);
    expect(again.warmUp?.from).toBeCloseTo(1.7, 9);
    expect(resumedAfter(10).plan).toMatchObject({ learningRateScale: 2 });
    expect(resumedAfter(10).plan).not.toHaveProperty("warmUp");
  });

  it("begins where a second change finds the rate that is still on its way", () => {
    const { story } = resized({ ...warm, learningRate: { scaling: "linear", warmUp: 100 } });
    const plan = planOf(story.say(measures(1, 1, [aStretch(8, 16), aStretch(16, 20)])));
    expect(plan).toMatchObject({ batchSize: 32, learningRateScale: 4, warmUp: { steps: 100 } });
    expect(plan.warmUp?.from).toBeCloseTo(1.2, 9);
  });

  it("goes on over the end of an epoch that was too short for it", () => {
    const { story } = resized({ learningRate: { scaling: "linear", warmUp: 100 } });
    // Too few steps of 16 for another change.
    const all = [aStretch(8, 16), aStretch(16, 5)];
    const next = planOf(story.say(reported(1, reportOf(1, all))));
    expect(next).toMatchObject({ batchSize: 16, learningRateScale: 2, warmUp: { steps: 95 } });
    expect(next.warmUp?.from).toBeCloseTo(1.05, 9);
  });

  it("is kept as a whole while a loader still gives batches of the size before", () => {
    const { story } = resized(warm);
    story.say(commits(partOf(story, 1, 1, [aStretch(8, 46)])));
    story.say(failed(1, "spot-reclaim"));
    const whole = { batchSize: 16, learningRateScale: 2, warmUp: { from: 1, steps: 10 } };
    expect(planOf(story.say(started(2)))).toMatchObject(whole);
    story.say(commits(partOf(story, 2, 1, [aStretch(8, 46), aStretch(16, 4)])));
    story.say(failed(2, "spot-reclaim"));
    expect(planOf(story.say(started(3))).warmUp).toEqual({ from: 1.4, steps: 6 });
  });

  it("begins at the rate in force after a resume, too", () => {
    const { story } = resized({ ...warm, learningRate: { scaling: "linear", warmUp: 100 } });
    story.say(commits(partOf(story, 1, 1, [aStretch(8, 16), aStretch(16, 5)])));
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    const plan = planOf(story.say(measures(2, 1, [aStretch(8, 16), aStretch(16, 20)])));
    expect(plan).toMatchObject({ batchSize: 32, learningRateScale: 4, warmUp: { steps: 100 } });
    expect(plan.warmUp?.from).toBeCloseTo(1.2, 9);
  });

  it("of a schedule goes on over the ends of epochs, whose steps are counted", () => {
    const steps = [1, 2].map((epoch) => ({ fromEpoch: epoch, size: 8 * epoch }));
    const learningRate = { scaling: "linear" as const, referenceBatchSize: 8, warmUp: 100 };
    const story = begun({ batchSize: { policy: "schedule", steps }, learningRate });
    expect(planInForce(liveOf(story)).measure).toBe("times");
    story.say(reported(1, reportOf(1, [aStretch(8, 25)])));
    const third = planOf(story.say(reported(1, reportOf(2, [aStretch(16, 25)]))));
    expect(third).toMatchObject({ learningRateScale: 2, warmUp: { from: 1.25, steps: 75 } });
    for (const epoch of [1, 2])
      story.say(commits(aCheckpoint(1, [reportOf(epoch, [aStretch(8 * epoch, 25)])])));
    story.say(failed(1, "spot-reclaim"));
    expect(planOf(story.say(started(2)))).toEqual(third);
  });

  it("comes at the beginning of an epoch that has another size, and again when that begins again", () => {
    const steps = [
      { fromEpoch: 1, size: 8 },
      { fromEpoch: 2, size: 16 },
    ];
    const story = begun({
      batchSize: { policy: "schedule", steps },
      learningRate: { ...warm.learningRate, referenceBatchSize: 8 },
    });
    expect(planInForce(liveOf(story))).not.toHaveProperty("warmUp");
    const second = planOf(story.say(reported(1, aReport(1))));
    expect(second.warmUp).toEqual({ from: 1, steps: 10 });
    story.say(commits(aCheckpoint(1, [aReport(1)])));
    story.say(failed(1, "spot-reclaim"));
    expect(planOf(story.say(started(2)))).toEqual(second);
    expect(planOf(story.say(reported(2, aReport(2))))).not.toHaveProperty("warmUp");
  });
});
