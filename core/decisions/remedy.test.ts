import { describe, expect, it } from "vitest";
import type { Evidence } from "../events.ts";
import type { FailureClass } from "../failure.ts";
import { JournalEntry } from "../journal-entry.ts";
import { planInForce } from "../run-state.ts";
import {
  aCheckpoint,
  aJob,
  aPart,
  aReport,
  aStretch,
  commits,
  evidenceOn,
  failed,
  measuredOf,
  measures,
  opens,
  reported,
  started,
} from "../testing/events.ts";
import type { Reply } from "../testing/model-journal.ts";
import { expectReplayable } from "../testing/replay.ts";
import { attemptOf, begun, Story } from "../testing/story.ts";

const reasonOf = (story: Story): string => story.journal.entries.at(-1)?.decision.reason ?? "";

/** The live attempt fails; where another is planned at once, it begins. */
function fail(story: Story, name: FailureClass, evidence: Partial<Evidence> = {}): Reply {
  const [live] = story.state.live;
  if (live === undefined) throw new Error("nothing lives");
  const reply = story.say(failed(live.number, name, { evidence }));
  const next = attemptOf(reply);
  if (next !== undefined) story.say(started(next));
  return reply;
}

const planOf = (story: Story) => story.state.live[0]?.firstPlan;

function liveOf(story: Story) {
  const [live] = story.state.live;
  if (live === undefined) throw new Error("nothing lives");
  return live;
}

const reasons = (story: Story): string =>
  story.journal.entries.map(({ decision }) => decision.reason).join("\n");

const eager = { failuresWithoutProgress: 50, baseDelay: "0s" };

describe("memory that runs out", () => {
  it("is answered with a smaller micro-batch, and the batch stays", () => {
    const story = begun({ batchSize: 48 });
    fail(story, "gpu-oom");
    expect(planOf(story)).toMatchObject({ batchSize: 48, microBatchSize: 24, accumulation: 2 });
    fail(story, "container-oom");
    expect(planOf(story)).toMatchObject({ batchSize: 48, microBatchSize: 12, accumulation: 4 });
    const [, second] = story.journal.entries.filter(({ decision }) => decision.kind === "recovered");
    expect(second?.decision.reason).toContain(
      "micro-batches of 12 instead of 24, 4 to a step, so that the batch stays 48",
    );
  });

  it("halves a micro-batch that grew too far, and goes on from there", () => {
    const story = begun({ batchSize: 128, microBatchSize: "auto", epochs: 9, retry: eager });
    const micro = () => planInForce(liveOf(story)).microBatchSize;
    expect(micro()).toBe(16);
    expect(planOf(story)).toMatchObject({ batchSize: 128, accumulation: 8, measure: "times" });
    story.train(1, [1]);
    expect(micro()).toBe(32);
    expect(reasons(story)).toContain("micro-batches of 32 instead of 16: 16 at once fit");
    story.train(1, [2]);
    expect(micro()).toBe(64);
    fail(story, "gpu-oom");
    expect(reasonOf(story)).not.toContain("gpu-oom");
    expect(reasons(story)).toContain(
      "micro-batches of 32 instead of 64, 4 to a step, so that the batch stays 128",
    );
    expect(micro()).toBe(32);
    story.train(2, [3, 4, 5]);
    expect(micro()).toBe(32);
    expect(story.state.memory).toEqual([{ machine: "local", wall: 64, fits: 32, uses: [] }]);
  });

  it("is grown to the next equal parts, however far off; those that are small are given a reason", () => {
    const story = begun({ batchSize: 262, microBatchSize: "auto", epochs: 9, retry: eager });
    const micro = () => planInForce(liveOf(story)).microBatchSize;
    expect(micro()).toBe(2);
    expect(reasons(story)).toContain("as 131 times 2, since 262 have no equal parts of from 8 to 16");
    story.train(1, [1]);
    expect(micro()).toBe(131);
    expect(reasons(story)).toContain(
      "micro-batches of 131 instead of 2: 2 at once fit, and 262 have no equal parts between",
    );
    fail(story, "gpu-oom");
    expect(micro()).toBe(2);
    story.train(2, [2, 3]);
    expect(micro()).toBe(2);
    expect(story.state.memory).toEqual([{ machine: "local", wall: 131, fits: 2, uses: [] }]);
  });

  it("is of all workers together, each of which tells what it had at once", () => {
    const story = begun({ batchSize: 256, microBatchSize: "auto", epochs: 9 });
    const memory = { peakBytes: 4 * 2 ** 30, totalBytes: 16 * 2 ** 30 };
    const stretch = aStretch(256, 9, { microBatchSize: 8, workers: 2, memory });
    story.say(reported(1, { ...aReport(1), measured: measuredOf([stretch]) }));
    expect(planInForce(liveOf(story)).microBatchSize).toBe(32);
    expect(reasonOf(story)).toContain("micro-batches of 32 instead of 16: 4.0 of 16.0 GiB were in use");
  });

  it("grows by what was in use, where the trainer says so, at the beginnings of epochs only", () => {
    const story = begun({ batchSize: 256, microBatchSize: "auto", epochs: 9 });
    const memory = { peakBytes: 4 * 2 ** 30, totalBytes: 16 * 2 ** 30 };
    const stretch = aStretch(256, 9, { microBatchSize: 16, memory });
    const report = { ...aReport(1), measured: measuredOf([stretch]) };
    story.say(commits({ ...aPart(1, 1, 9), measured: report.measured }));
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    expect(planOf(story)?.microBatchSize).toBe(16);
    story.say(reported(2, report));
    expect(planInForce(liveOf(story)).microBatchSize).toBe(32);
    expect(reasonOf(story)).toContain("micro-batches of 32 instead of 16: 4.0 of 16.0 GiB were in use");
  });

  it("is remembered by the type of machine, and a claim on another one is split as that needs it", () => {
    const on = (attempt: number, type: string) => ({
      ...started(attempt),
      instance: { id: `i-${attempt}`, type, zone: "eu-west-1a", market: "spot" as const, upSeconds: 60 },
    });
    const story = new Story();
    story.say(opens("first", { job: aJob({ batchSize: 64, retry: eager }) }));
    story.say(on(1, "g4dn.xlarge"));
    story.say(failed(1, "gpu-oom"));
    expect(planOf(story)?.microBatchSize).toBe(32);
    expect(story.say(on(2, "p4d.24xlarge"))).toMatchObject({
      assignment: { plan: { batchSize: 64, microBatchSize: 64, accumulation: 1 } },
    });
    expect(planOf(story)?.microBatchSize).toBe(64);
    expect(reasonOf(story)).toBe(
      "attempt 2 began as Batch job batch-2, on p4d.24xlarge with micro-batches of 64",
    );
    story.say(failed(2, "spot-reclaim"));
    story.say(on(3, "g4dn.xlarge"));
    expect(planOf(story)?.microBatchSize).toBe(32);
    expect(reasonOf(story)).toBe("attempt 3 began as Batch job batch-3");
    expectReplayable(story.journal.entries, story.journal.limits);
  });

  it("is answered with a smaller one than the job gives, and with none below the smallest", () => {
    const story = begun({ batchSize: 64, microBatchSize: 32, memory: { smallestMicroBatch: 16 } });
    expect(planOf(story)).toMatchObject({ microBatchSize: 32, accumulation: 2 });
    fail(story, "gpu-oom");
    expect(planOf(story)).toMatchObject({ microBatchSize: 16, accumulation: 4 });
    fail(story, "gpu-oom");
    expect(reasonOf(story)).toContain(
      "a micro-batch of 16 does not fit, and none smaller is allowed (memory)",
    );
  });

  it("is answered by what was in force when the size had changed within the epoch", () => {
    const story = begun({ batchSize: { policy: "noise-scale", start: 8, max: 64 }, epochs: 9 });
    story.say(measures(1, 1, [aStretch(8, 16)]));
    expect(planInForce(liveOf(story)).microBatchSize).toBe(16);
    story.say(failed(1, "gpu-oom"));
    expect(reasonOf(story)).toContain("; micro-batches of 8 instead of 16; attempt 2 trains from epoch 1 on");
    story.say(started(2));
    const again = story.say(measures(2, 1, [aStretch(8, 16)]));
    expect(again).toMatchObject({ plan: { batchSize: 16, microBatchSize: 8, accumulation: 2 } });
  });

  it("stays learnt for the rest of the run, whatever the batch size becomes", () => {
    const steps = [
      { fromEpoch: 1, size: 8 },
      { fromEpoch: 2, size: 12 },
    ];
    const story = begun({ batchSize: { policy: "schedule", steps } });
    fail(story, "gpu-oom");
    story.train(2, [1]);
    expect(story.state.live[0]?.answers.report).toMatchObject({
      plan: { batchSize: 12, microBatchSize: 4, accumulation: 3 },
    });
  });

  it("ends the run where nothing smaller is allowed, or the job says so, or gives no batch size", () => {
    const tooSmall = begun({ batchSize: 8, memory: { smallestMicroBatch: 4 } });
    fail(tooSmall, "gpu-oom");
    expect(fail(tooSmall, "gpu-oom")).toMatchObject({ action: "failed", error: "Pawl.gpu-oom" });
    expect(reasonOf(tooSmall)).toContain("a micro-batch of 4 does not fit");
    expect(fail(begun({ batchSize: 8, memory: { onOutOfMemory: "give-up" } }), "gpu-oom")).toMatchObject({
      action: "failed",
    });
    const unknown = begun({ retry: eager });
    expect(attemptOf(fail(unknown, "gpu-oom"))).toBe(2);
    expect(fail(unknown, "gpu-oom")).toMatchObject({ cause: expect.stringContaining("no batch size") });
  });
});

describe("a micro-batch", () => {
  it("is made smaller until it fits, however often that takes", () => {
    const story = begun({ batchSize: 1024 });
    for (let size = 512; size >= 1; size /= 2) {
      fail(story, "gpu-oom");
      expect(planOf(story)?.microBatchSize).toBe(size);
    }
    expect(fail(story, "gpu-oom")).toMatchObject({ action: "failed" });
  });
});

describe("a loss that is no number", () => {
  const diverge = (story: Story, epoch: number) => {
    const [live] = story.state.live;
    const answer = story.say(reported(live?.number ?? 0, aReport(epoch, { loss: "NaN" })));
    expect(answer).toMatchObject({ action: "fail", class: "numeric" });
    return fail(story, "numeric");
  };

  it("does not count, however it is committed", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(reported(1, aReport(2, { loss: "NaN" })));
    expect(story.ask(commits(aCheckpoint(1, [aReport(2, { loss: "NaN" })])))).toMatchObject({
      action: "leave",
    });
    expect(story.ask(reported(1, aReport(2, { loss: "NaN" })))).toMatchObject({ action: "fail" });
    const found = [aCheckpoint(1, [aReport(2, { loss: "NaN" })])];
    story.say(failed(1, "numeric", { evidence: { found } }));
    expect(story.epochs).toEqual([1]);
    expect(story.state.dropped).toContain("2-1");
  });

  it("goes back to the newest whole epoch, with a lower learning rate from then on", () => {
    const story = begun();
    story.train(1, [1, 2]);
    story.say(commits(aPart(1, 3, 7)));
    diverge(story, 3);
    expect(story.state.progress.epoch).toBe(2);
    expect(story.state.progress).not.toHaveProperty("partial");
    expect(story.state.kept.map(({ name }) => name)).toEqual(["1-1", "2-1"]);
    expect(planOf(story)).toMatchObject({ epoch: 3, learningRateScale: 0.5 });
    story.train(2, [3, 4]);
    expect(story.state.live[0]?.answers.report).toMatchObject({ plan: { learningRateScale: 0.5 } });
  });

  it("goes further back each time that it comes again, and then gives up", () => {
    const story = begun({ numeric: { times: 2 } });
    story.train(1, [1, 2, 3]);
    diverge(story, 4);
    expect(story.state.progress.epoch).toBe(3);
    diverge(story, 4);
    expect(story.state.progress.epoch).toBe(2);
    story.train(3, [3]);
    expect(diverge(story, 4)).toMatchObject({ action: "failed", error: "Pawl.numeric" });
    expect(reasonOf(story)).toContain("rolled back 2 times at epoch 4 (numeric.times)");
  });

  it("has its times again once the run has come further", () => {
    const story = begun({ numeric: { times: 1 } });
    story.train(1, [1, 2]);
    diverge(story, 3);
    story.train(2, [3]);
    expect(attemptOf(diverge(story, 4))).toBe(3);
    expect(planOf(story)?.learningRateScale).toBe(0.25);
  });

  it("goes back to a part of an epoch before it where no whole one is kept", () => {
    const story = begun();
    story.say(reported(1, aReport(1)));
    story.say(commits(aPart(1, 2, 5, [aReport(1)])));
    story.say(reported(1, aReport(2)));
    story.say(reported(1, aReport(3, { loss: "NaN" })));
    fail(story, "numeric");
    expect(story.state.progress).toMatchObject({ epoch: 1, partial: { step: 5 } });
  });

  it("begins again where no epoch is committed, and goes as far back as the job says", () => {
    const fresh = begun();
    diverge(fresh, 1);
    expect(fresh.state.progress.epoch).toBe(0);
    const further = begun({ numeric: { back: 1 } });
    further.train(1, [1, 2]);
    diverge(further, 3);
    expect(further.state.progress.epoch).toBe(1);
  });

  it("takes nothing from the epochs before it, whose checkpoints are still on their way", () => {
    const story = begun();
    story.say(reported(1, aReport(1)));
    story.say(reported(1, aReport(2, { loss: "NaN" })));
    expect(story.say(commits(aCheckpoint(1, [aReport(1)])))).toMatchObject({ action: "committed" });
    expect(story.ask(commits(aCheckpoint(1, [aReport(2)])))).toMatchObject({ action: "leave" });
    fail(story, "numeric");
    expect(story.state.progress.epoch).toBe(1);
  });

  it("ends the run before its learning rate is lowered to nothing", () => {
    const story = begun({ numeric: { learningRateFactor: 1e-60, times: 9 } });
    expect(attemptOf(diverge(story, 1))).toBe(2);
    expect(diverge(story, 1)).toMatchObject({
      action: "failed",
      cause: expect.stringContaining("numeric.learningRateFactor"),
    });
    for (const entry of story.journal.entries) expect(JournalEntry.parse(entry)).toEqual(entry);
  });

  it("is left alone, or ends the run, where the job says so", () => {
    const ignoring = begun({ numeric: { after: "ignore" } });
    expect(ignoring.say(reported(1, aReport(1, { loss: "NaN" })))).toMatchObject({ action: "train" });
    const giving = begun({ numeric: { after: "give-up" } });
    expect(diverge(giving, 1)).toMatchObject({ action: "failed" });
    const other = begun({ numeric: { metrics: ["perplexity"] } });
    expect(other.say(reported(1, aReport(1, { loss: "NaN" })))).toMatchObject({ action: "train" });
  });
});

describe("the market", () => {
  it("is spot, and on demand after two reclaims without progress, for a while", () => {
    const story = begun();
    fail(story, "spot-reclaim");
    expect(story.state.market?.now).toBe("spot");
    fail(story, "spot-reclaim");
    expect(story.state.market).toMatchObject({ now: "on-demand", falls: 1 });
    story.train(3, [1]);
    expect(story.state.live[0]?.answers.report).toMatchObject({ action: "train" });
    story.journal.pass(3600);
    story.say(reported(3, aReport(2)));
    expect(story.state.live[0]?.answers.report).toMatchObject({
      action: "finish",
      reason: "spot is tried again",
    });
    story.say(commits(aCheckpoint(3, [aReport(2)])));
    fail(story, "interrupted");
    expect(story.state.market?.now).toBe("spot");
  });

  it("is not left for reclaims between which the run came further", () => {
    const story = begun();
    for (let attempt = 1; attempt < 6; attempt += 1) {
      story.train(attempt, [attempt]);
      if (attempt < 5) fail(story, "spot-reclaim");
    }
    expect(story.state.market?.now ?? "spot").toBe("spot");
    expect(story.state.failures.total).toBe(4);
  });

  it("is changed at once where no capacity comes, and where a host is broken", () => {
    for (const name of ["capacity-never-available", "hardware-gpu", "stalled"] as const) {
      const story = begun();
      expect(fail(story, name)).toMatchObject({ train: { market: "on-demand" } });
      expect(fail(story, name)).toMatchObject({ train: { market: "spot" } });
    }
  });

  it("is none on a machine of one's own: it waits, and says nothing of markets", () => {
    const story = new Story();
    const driver = { id: "local:holder:first", execution: "first" };
    story.say(opens("first", { driver, job: aJob({ retry: { baseDelay: "0s" } }) }));
    story.say(started(1));
    for (const name of ["stalled", "spot-reclaim", "spot-reclaim", "spot-reclaim"] as const) {
      expect(fail(story, name)).toMatchObject({ train: { market: "spot" } });
      expect(story.journal.entries.at(-2)?.decision.reason).not.toMatch(/on spot|on demand/);
    }
  });

  it("stays where the job names one, however often it is reclaimed, and waits instead", () => {
    const story = begun({ compute: { market: "spot" }, retry: { baseDelay: "10s", maxDelay: "20s" } });
    fail(story, "spot-reclaim");
    fail(story, "spot-reclaim");
    const third = story.say(failed(3, "spot-reclaim", { random: 0.9 }));
    expect(third).toMatchObject({ action: "wait", wait: { seconds: 9 } });
    expect(story.state.failures.withoutProgress).toBe(0);
  });
});

describe("budgets", () => {
  it("of a class are the job's own, and leave the others' alone", () => {
    const story = begun({ retry: { ...eager, failuresWithoutProgress: 2, budgets: { "store-failed": 4 } } });
    for (let time = 1; time < 4; time += 1) expect(attemptOf(fail(story, "store-failed"))).toBe(time + 1);
    expect(story.state.failures.withoutProgress).toBe(0);
    expect(fail(story, "store-failed")).toMatchObject({
      action: "failed",
      cause: expect.stringContaining("failed 4 times with store-failed"),
    });
  });

  it("can bound what does not count otherwise", () => {
    const story = begun({ retry: { ...eager, budgets: { "spot-reclaim": 2 } } });
    fail(story, "spot-reclaim");
    expect(fail(story, "spot-reclaim")).toMatchObject({ action: "failed", error: "Pawl.spot-reclaim" });
  });
});

describe("an exception of the trainer", () => {
  const place = "ValueError at train.py:12";

  it("that comes twice at the same place ends the run early", () => {
    const story = begun({ retry: eager });
    expect(attemptOf(fail(story, "user-exception", { place }))).toBe(2);
    expect(fail(story, "user-exception", { place })).toMatchObject({
      action: "failed",
      cause: expect.stringContaining(`failed twice at the same place (${place})`),
    });
  });

  it("that comes five times at the same place of one epoch ends the run, whatever was committed between", () => {
    const story = begun({ retry: eager });
    for (let attempt = 1; attempt < 5; attempt += 1) {
      expect(attemptOf(fail(story, "user-exception", { place }))).toBe(attempt + 1);
      story.say(commits(aPart(attempt + 1, 1, attempt)));
    }
    expect(fail(story, "user-exception", { place })).toMatchObject({
      action: "failed",
      cause: expect.stringContaining(`failed 5 times at the same place (${place}) in epoch 1`),
    });
  });

  it("at another place, in another epoch, or without one is tried again", () => {
    const story = begun({ retry: eager });
    fail(story, "user-exception", { place });
    expect(attemptOf(fail(story, "user-exception", { place: "ValueError at train.py:13" }))).toBe(3);
    expect(attemptOf(fail(story, "user-exception"))).toBe(4);
    fail(story, "user-exception", { place });
    story.train(5, [1]);
    expect(attemptOf(fail(story, "user-exception", { place }))).toBe(6);
  });
});

describe("an exception that comes again at the same place", () => {
  const evidence = { place: "ValueError at train.py:12" };

  it("is tried again where a part of the epoch was committed between", () => {
    const story = begun({ retry: eager });
    fail(story, "user-exception", evidence);
    story.say(commits(aPart(2, 1, 5000)));
    expect(attemptOf(fail(story, "user-exception", evidence))).toBe(3);
    expect(fail(story, "user-exception", evidence)).toMatchObject({ action: "failed" });
  });

  it("is tried again where somebody has started the run again since", () => {
    const story = begun({ retry: eager });
    fail(story, "user-exception", evidence);
    fail(story, "user-exception", evidence);
    story.say(opens("second"));
    story.say(started(3));
    expect(attemptOf(story.say(failed(3, "user-exception", { generation: 2, evidence })))).toBe(4);
  });
});

describe("what the signs say", () => {
  it("outweighs the rule for the class, either way", () => {
    expect(fail(begun(), "capacity-never-available", { retryable: false })).toMatchObject({
      action: "failed",
    });
    const story = begun({ retry: eager });
    expect(attemptOf(fail(story, "batch-api-error", { retryable: true }))).toBe(2);
  });
});

describe("what became of an attempt", () => {
  it("is said in one sentence: how long it lived, what was lost, and where it goes on", () => {
    const story = begun();
    story.train(1, [1]);
    story.journal.pass(100);
    story.say(commits({ ...aPart(1, 2, 40), at: story.journal.now }));
    story.journal.pass(190);
    const message = "spot reclaim of i-0ab";
    const reply = story.say(
      failed(1, "spot-reclaim", { evidence: { message, stoppedAt: story.journal.now } }),
    );
    const words =
      "attempt 1: spot-reclaim: spot reclaim of i-0ab; after 4 min 50 s, 3 min 10 s of training lost; attempt 2 trains from epoch 2, step 40, on, from checkpoint 2-1-40, on spot, batch size left to the trainer";
    expect(reasonOf(story)).toBe(words);
    expect(reply).toMatchObject({ train: { reason: words } });
    expect(story.state.failures.recent.at(-1)).toMatchObject({
      action: "at-once",
      lostSeconds: 190,
      epoch: 2,
    });
  });
});

describe("a run whose every checkpoint is damaged", () => {
  it("ends, and begins again only when it is told to", () => {
    const story = begun();
    story.train(1, [1]);
    fail(story, "spot-reclaim");
    expect(fail(story, "checkpoint-corrupt", { damaged: "1-1" })).toMatchObject({
      action: "failed",
      cause: expect.stringContaining("no undamaged checkpoint is left"),
    });
    expect(story.ask(opens("second"))).toMatchObject({ action: "failed", error: "Pawl.NothingLeft" });
    expect(story.ask(opens("third"))).toMatchObject({ action: "failed" });
    expect(attemptOf(story.say(opens("second", { startAgain: true })))).toBe(3);
    expect(planOf(story)?.epoch).toBe(1);
  });

  it("ends as well where somebody takes over from a driver that died of it", () => {
    const story = begun();
    story.train(1, [1]);
    fail(story, "spot-reclaim");
    const takesOver = opens("second", {
      evidence: [evidenceOn(2, "checkpoint-corrupt", { damaged: "1-1" })],
    });
    expect(story.say(takesOver)).toMatchObject({ action: "failed", error: "Pawl.NothingLeft" });
    expect(story.state.nextAttempt).toBe(3);
  });
});
