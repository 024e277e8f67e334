import { describe, expect, it } from "vitest";
import type { RunEvent } from "../events.ts";
import type { Next } from "../next.ts";
import {
  aCheckpoint,
  aJob,
  anOutcome,
  aReport,
  commits,
  ended,
  evidenceOn,
  failed,
  opens,
  reported,
  run,
  started,
  trained,
} from "../testing/events.ts";
import type { Reply } from "../testing/model-journal.ts";
import { expectOneHistory, expectReplayable } from "../testing/replay.ts";
import { attemptOf, begun, Story } from "../testing/story.ts";

const takesOver = (failure: Parameters<typeof evidenceOn>[1] = "interrupted") =>
  opens("second", { evidence: [evidenceOn(1, failure)] });

describe("the answer of Review is lost after its journal entry", () => {
  const story = begun();
  const events: [string, RunEvent][] = [
    ["a report", reported(1, aReport(1))],
    ["a commit", commits(aCheckpoint(1, [aReport(1)]))],
    ["an end", ended(anOutcome(1, "done"))],
  ];

  it("the same answer comes again to a claim", () => {
    const again = new Story();
    again.say(opens("first", { job: aJob() }));
    expect(again.say(started(1))).toEqual(again.ask(started(1)));
  });

  it.each(events)("the same answer comes again to %s", (_, event) => {
    const first = story.say(event);
    expect(story.ask(event)).toEqual(first);
    expect(story.ask(event)).toEqual(first);
  });

  it("the same answer comes again to the state machine, whatever it had asked", () => {
    const again = new Story();
    const opened = again.say(opens("first", { job: aJob({ segment: 1 }) }));
    expect(again.ask(opens("first", { job: aJob({ segment: 1 }) }))).toEqual(opened);
    again.say(started(1));
    again.train(1, [1]);
    const planned = again.say(trained(1));
    expect(attemptOf(planned)).toBe(2);
    expect(again.ask(trained(1))).toEqual(planned);
    const recovered = again.say(failed(2, "spot-reclaim"));
    expect(attemptOf(recovered)).toBe(3);
    expect(again.ask(failed(2, "spot-reclaim", { random: 0.9 }))).toEqual(recovered);
    expectReplayable(again.journal.entries, again.journal.limits);
  });

  it("an old report repeated after newer ones gets the plan that is in force", () => {
    const again = begun();
    again.say(reported(1, aReport(1)));
    const newer = again.say(reported(1, aReport(2)));
    expect(again.ask(reported(1, aReport(1)))).toEqual(newer);
    again.say(commits(aCheckpoint(1, [aReport(1)])));
    again.say(commits(aCheckpoint(1, [aReport(2)])));
    expect(again.ask(commits(aCheckpoint(1, [aReport(1)])))).toMatchObject({ action: "committed" });
  });
});

describe("the agent dies between manifest and commit", () => {
  it("its checkpoint is adopted, and training goes on after it", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(reported(1, aReport(2)));
    const found = [aCheckpoint(1, [aReport(2)])];
    const next = story.say(failed(1, "spot-reclaim", { evidence: { found } }));
    expect(attemptOf(next)).toBe(2);
    expect(story.epochs).toEqual([1, 2]);
    expect(story.state.live).toMatchObject([{ number: 2, restore: "2-1", firstPlan: { epoch: 3 } }]);
    expect(story.journal.entries.at(-1)?.decision.reason).toContain("adopted its checkpoint 2-1");
  });

  it("its checkpoint is adopted where even the report had not arrived, and several are, in order", () => {
    const story = begun();
    const found = [aCheckpoint(1, [aReport(1)]), aCheckpoint(1, [aReport(2), aReport(3)])];
    story.say(failed(1, "spot-reclaim", { evidence: { found } }));
    expect(story.epochs).toEqual([1, 2, 3]);
  });

  it("a checkpoint that does not follow on what is committed is not adopted, nor is another attempt's", () => {
    const story = begun();
    const found = [aCheckpoint(1, [aReport(2)]), aCheckpoint(7, [aReport(1)])];
    story.say(failed(1, "spot-reclaim", { evidence: { found } }));
    expect(story.state.progress.epoch).toBe(0);
  });

  it.each(["user-exception", "no-checkpoint"] as const)(
    "a run whose last epoch is adopted is finished, neither tried again nor given up (%s)",
    (failure) => {
      const story = begun({ epochs: 1, retry: { failuresWithoutProgress: 1 } });
      story.say(reported(1, aReport(1)));
      const found = [aCheckpoint(1, [aReport(1)])];
      const next = story.say(failed(1, failure, { evidence: { found }, random: 0.999 }));
      expect(next).toMatchObject({ action: "done" });
    },
  );

  it("exit code 0 with something uncommitted is for Recover as well", () => {
    const story = begun({ segment: 2 });
    story.train(1, [1]);
    story.say(reported(1, aReport(2)));
    story.say(trained(1, { evidence: { found: [aCheckpoint(1, [aReport(2)])] } }));
    expect(story.epochs).toEqual([1, 2]);
    expect(story.state.failures.total).toBe(1);
  });

  it("a provisional plan whose epoch was never saved is dropped: it is trained again", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(reported(1, aReport(2)));
    story.say(failed(1, "spot-reclaim"));
    expect(story.state.live).toMatchObject([{ number: 2, restore: "1-1", firstPlan: { epoch: 2 } }]);
    expect(story.state.dropped).toContain("2-1");
  });
});

describe("a zombie's report races the new attempt's", () => {
  const raced = (): Story => {
    const story = begun();
    story.train(1, [1]);
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    return story;
  };

  it("the zombie leaves with whatever it says, and there is one history", () => {
    const story = raced();
    const report = aReport(2, { loss: 1 });
    const theirs: RunEvent[] = [
      started(1),
      reported(1, report),
      commits(aCheckpoint(1, [report])),
      ended(anOutcome(1, "done")),
    ];
    for (const event of theirs) expect(story.ask(event)).toMatchObject({ action: "leave" });
    story.train(2, [2]);
    for (const event of theirs) expect(story.ask(event)).toMatchObject({ action: "leave" });
    expect(story.state.recent).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
    expectOneHistory(story.journal.entries);
  });

  it("the zombie removes what it has saved since, and never what was adopted", () => {
    const story = begun();
    story.train(1, [1]);
    const [adopted, late] = [aCheckpoint(1, [aReport(2)]), aCheckpoint(1, [aReport(3)])];
    story.say(failed(1, "spot-reclaim", { evidence: { found: [adopted] } }));
    expect(story.ask(commits(adopted))).not.toHaveProperty("remove");
    expect(story.ask(commits(late))).toMatchObject({ action: "leave", remove: ["3-1"] });
  });

  it("of two decisions made from the same entry one is written, and the other is made again", () => {
    const story = begun();
    story.train(1, [1]);
    const zombie = story.journal.decide(reported(1, aReport(2)));
    story.say(failed(1, "spot-reclaim"));
    expect(zombie.decision.changed).toBe(true);
    expect(story.journal.append(zombie)).toBe(false);
    expect(story.ask(zombie.event)).toMatchObject({ action: "leave" });
    expect(story.state.live).toMatchObject([{ number: 2, pending: [] }]);
  });

  it("a commit that wins against Recover stands, and Recover decides again from it", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(reported(1, aReport(2)));
    const recovering = story.journal.decide(failed(1, "spot-reclaim"));
    story.say(commits(aCheckpoint(1, [aReport(2)])));
    expect(story.journal.append(recovering)).toBe(false);
    story.say(failed(1, "spot-reclaim"));
    expect(story.state.live).toMatchObject([{ number: 2, restore: "2-1", firstPlan: { epoch: 3 } }]);
  });
});

describe("the runner is killed and its agent lives on", () => {
  it("a new driver ends the attempt first, waits until it is gone, and adopts what it saved", () => {
    const story = begun();
    story.train(1, [1]);
    const running = evidenceOn(1, "interrupted", { gone: false });
    expect(story.say(opens("second", { evidence: [running] }))).toMatchObject({
      action: "wait",
      generation: 2,
    });
    expect(story.state.live).toMatchObject([{ number: 1 }]);
    expect(story.say(opens("second", { evidence: [running] }))).toMatchObject({ action: "wait" });
    const gone = evidenceOn(1, "interrupted", { found: [aCheckpoint(1, [aReport(2)])] });
    expect(attemptOf(story.say(opens("second", { evidence: [gone] })))).toBe(2);
    expect(story.epochs).toEqual([1, 2]);
  });

  it("what it says is heard until it is settled, and refused from then on", () => {
    const story = begun();
    story.say(opens("second", { evidence: [evidenceOn(1, "interrupted", { gone: false })] }));
    story.say(reported(1, aReport(1)));
    story.say(takesOver());
    expect(story.ask(commits(aCheckpoint(1, [aReport(1)])))).toMatchObject({ action: "leave" });
  });

  it("the killed driver's own last words are refused", () => {
    const story = begun();
    story.say(takesOver());
    for (const event of [trained(1), failed(1, "user-exception")])
      expect(story.ask(event)).toMatchObject({ action: "failed", error: "Pawl.Superseded", generation: 1 });
  });

  it("Open refuses while the driver is alive", () => {
    const story = begun();
    const asked = opens("second", { holder: { alive: true, who: "process 12 on this host" } });
    expect(story.ask(asked)).toMatchObject({
      action: "failed",
      error: "Pawl.RunHeld",
      cause: expect.stringContaining("process 12 on this host"),
    });
    expect(story.state.generation).toBe(1);
  });

  it("a segment that was all committed when its driver died is no failure", () => {
    const story = begun({ segment: 2 });
    story.train(1, [1, 2]);
    expect(attemptOf(story.say(takesOver("unknown")))).toBe(2);
    expect(story.state.failures).toMatchObject({ total: 0, withoutProgress: 0 });
    expect(story.state.live).toMatchObject([{ number: 2, firstPlan: { epoch: 3 } }]);
  });
});

describe("a crash at each step of a hand-over", () => {
  const handedOver = (): { story: Story; execution: string; before: Reply } => {
    const story = begun({ segment: 1 }, 2);
    story.train(1, [1]);
    story.say(trained(1));
    story.say(started(2));
    story.train(2, [2]);
    const before = story.say(trained(2));
    if (before.action !== "continue") throw new Error(`not handed over: ${before.action}`);
    return { story, execution: before.continue.name, before };
  };

  it("before its answer arrives: the same name comes again, so that two cannot be started", () => {
    const { story, before } = handedOver();
    expect(story.ask(trained(2))).toEqual(before);
    expect(story.ask(opens("first"))).toEqual(before);
  });

  it("after the start of the successor, before the old one ends: the successor is let in", () => {
    const { story, execution } = handedOver();
    const holder = { alive: true, who: "first" };
    const next = story.say(opens(execution, { holder }));
    expect(next).toMatchObject({ action: "train", generation: 2, train: { attempt: 3 } });
    expect(story.ask(opens(execution, { holder }))).toEqual(next);
    expect(story.ask(opens("first", { holder: { alive: true, who: execution } }))).toMatchObject({
      error: "Pawl.RunHeld",
    });
    expect(story.ask(trained(2))).toMatchObject({ error: "Pawl.Superseded" });
  });

  it("nobody else is let in between", () => {
    const { story } = handedOver();
    expect(story.ask(opens("other", { holder: { alive: true, who: "first" } }))).toMatchObject({
      error: "Pawl.RunHeld",
    });
  });

  it("before the start of the successor: whoever starts it takes over, and the successor comes too late", () => {
    const { story, execution } = handedOver();
    expect(story.say(opens("second"))).toMatchObject({ action: "train", generation: 2 });
    expect(story.ask(opens(execution, { holder: { alive: true, who: "second" } }))).toMatchObject({
      error: "Pawl.RunHeld",
    });
  });

  it("in the successor, before it opened: whoever starts it takes over", () => {
    const { story } = handedOver();
    expect(story.say(opens("second"))).toMatchObject({
      action: "train",
      generation: 2,
      train: { attempt: 3 },
    });
  });

  it("the next hand-over starts an execution of another name, since each name can be used once", () => {
    const { story, execution } = handedOver();
    story.say(opens(execution, { holder: { alive: true, who: "first" } }));
    story.say(started(3));
    story.train(3, [3]);
    story.say(trained(3, { generation: 2 }));
    story.say(started(4));
    story.train(4, [4]);
    const next = story.say(trained(4, { generation: 2 }));
    expect(next).toMatchObject({ action: "continue" });
    expect(next).not.toMatchObject({ continue: { name: execution } });
  });

  it("a hand-over counts turns afresh and gives no fresh budget", () => {
    const story = begun({ segment: 1, retry: { failuresWithoutProgress: 3 } }, 2);
    story.say(failed(1, "user-exception"));
    const next = story.say(failed(2, "user-exception"));
    if (next.action !== "continue") throw new Error(`not handed over: ${next.action}`);
    story.say(opens(next.continue.name, { holder: { alive: true, who: "first" } }));
    expect(story.state).toMatchObject({ turns: 1, failures: { withoutProgress: 2 } });
    expect(story.say(failed(3, "user-exception", { generation: 2 }))).toMatchObject({ action: "failed" });
  });

  it("the successor's name is an execution's name even for the longest run and generation", () => {
    const story = new Story(1);
    const longest = "r".repeat(60);
    story.say({ ...opens("first", { job: aJob({ segment: 1 }) }), run: longest });
    const next: Reply = story.say({ ...failed(1, "spot-reclaim"), run: longest });
    expect(next.action === "continue" && next.continue.name.length).toBeLessThanOrEqual(80);
  });
});

describe("duplicates of one assignment", () => {
  const claimed = (more: Parameters<typeof aJob>[0] = {}): Story => {
    const story = new Story();
    story.say(opens("first", { job: aJob(more) }));
    story.say(started(1, "winner"));
    return story;
  };
  const lost = failed(1, "unknown", { evidence: { winner: "winner" } });
  const look = (more: Parameters<typeof evidenceOn>[2]) =>
    opens("first", { evidence: [evidenceOn(1, "unknown", more)] });

  it("the loser is told who won, changes nothing, and leaves with whatever it says", () => {
    const story = claimed();
    const theirs = [
      started(1, "loser"),
      reported(1, aReport(1), "loser"),
      ended(anOutcome(1, "duplicate", { batchJobId: "loser" })),
    ];
    for (const event of theirs) expect(story.ask(event)).toMatchObject({ action: "leave", winner: "winner" });
  });

  it("where the loser is watched, Recover waits for the winner and starts no third", () => {
    const story = claimed();
    const waits = story.say(lost);
    expect(waits).toMatchObject({ action: "wait" });
    expect(story.ask(lost)).toEqual(waits);
    expect(story.ask(trained(1, { evidence: { winner: "winner" } }))).toEqual(waits);
    expect(story.say(look({ gone: false }))).toMatchObject({ action: "wait" });
    story.say(reported(1, aReport(1), "winner"));
    story.say(commits(aCheckpoint(1, [aReport(1)]), [], "winner"));
    expect(story.state).toMatchObject({ nextAttempt: 2, progress: { epoch: 1 } });
  });

  it("a winner that trained its segment meanwhile has not failed", () => {
    const story = claimed({ segment: 1 });
    story.say(lost);
    story.say(reported(1, aReport(1), "winner"));
    story.say(commits(aCheckpoint(1, [aReport(1)]), [], "winner"));
    expect(attemptOf(story.say(look({})))).toBe(2);
    expect(story.state.failures.total).toBe(0);
  });

  it("a winner that died is recovered from as any attempt", () => {
    const story = claimed();
    story.say(lost);
    expect(attemptOf(story.say(look({ class: "spot-reclaim" })))).toBe(2);
    expect(story.state.failures).toMatchObject({ total: 1, withoutProgress: 0 });
  });

  it("where the loser exits 0 and the winner has not trained all, Recover waits for it too", () => {
    const story = claimed();
    expect(story.say(trained(1, { evidence: { winner: "winner" } }))).toMatchObject({ action: "wait" });
    expect(story.state.live).toMatchObject([{ number: 1 }]);
  });

  it("an attempt that has not claimed its assignment changes nothing", () => {
    const story = new Story();
    story.say(opens("first", { job: aJob() }));
    for (const event of [reported(1, aReport(1)), commits(aCheckpoint(1, [aReport(1)]))])
      expect(story.ask(event)).toMatchObject({ action: "leave", reason: expect.stringContaining("claimed") });
  });
});

describe("a job file that changed", () => {
  it("is shown as a difference and refused, unless it is accepted", () => {
    const story = begun();
    const job = aJob({ epochs: 9, batchSize: 64 });
    expect(story.ask(opens("second", { job }))).toMatchObject({
      error: "Pawl.JobChanged",
      cause: expect.stringMatching(/batchSize\.size: absent → 64.*epochs: 5 → 9/),
    });
    story.say({ ...takesOver(), job, acceptChanges: true });
    expect(story.journal.entries.at(-1)?.decision.reason).toContain("accepted");
    expect(story.journal.head?.job).toEqual(job);
    expect(story.state.live).toMatchObject([{ firstPlan: { batchSize: 64 }, lastEpoch: 9 }]);
    expectReplayable(story.journal.entries, story.journal.limits);
  });

  it("is not a change where only its spelling differs", () => {
    const story = begun({ batchSize: 32 });
    const job = aJob({ batchSize: { policy: "fixed", size: 32 }, segment: "auto", seed: 0 });
    expect(attemptOf(story.say({ ...takesOver(), job }))).toBe(2);
  });

  const finished = (): Story => {
    const story = begun({ epochs: 2, stop: { metric: "accuracy", mode: "max", target: 0.99 } });
    for (const epoch of [1, 2]) {
      const report = aReport(epoch, { accuracy: 0.5, loss: 5 });
      story.say(reported(1, report));
      story.say(commits(aCheckpoint(1, [report])));
    }
    expect(story.say(trained(1))).toMatchObject({ action: "done" });
    return story;
  };

  it("opens a finished run again where it asks for more, and nothing else does", () => {
    const story = finished();
    const stop = { metric: "accuracy", mode: "max" as const, target: 0.99 };
    expect(story.ask(opens("second", { job: aJob({ epochs: 2, stop }) }))).toMatchObject({ action: "done" });
    expect(story.ask(opens("second"))).toMatchObject({ action: "done" });
    expect(story.ask(opens("second", { job: aJob({ epochs: 4, stop }) }))).toMatchObject({
      error: "Pawl.JobChanged",
    });
    expect(story.ask(opens("second", { job: aJob({ epochs: 1, stop }), acceptChanges: true }))).toMatchObject(
      {
        action: "done",
      },
    );
    const next = story.say(opens("second", { job: aJob({ epochs: 4, stop }), acceptChanges: true }));
    expect(attemptOf(next)).toBe(2);
    expect(story.state.live).toMatchObject([{ restore: "2-1", firstPlan: { epoch: 3 }, lastEpoch: 4 }]);
  });

  it("is not judged by the old metric's best value", () => {
    const story = finished();
    const stop = { metric: "loss", mode: "min" as const, target: 1 };
    const next = story.say(opens("second", { job: aJob({ epochs: 4, stop }), acceptChanges: true }));
    expect(attemptOf(next), "an accuracy of 0.5 was taken for a loss").toBe(2);
  });

  it("is not judged by the old metric's best value after it went back to an older checkpoint", () => {
    const story = finished();
    const stop = { metric: "loss", mode: "min" as const, target: 1 };
    story.say(opens("second", { job: aJob({ epochs: 4, stop }), acceptChanges: true }));
    story.say(started(2));
    story.say(failed(2, "checkpoint-corrupt", { generation: 2, evidence: { damaged: "2-1" } }));
    expect(story.state.progress.stopBest).toBeUndefined();
    expect(story.state.status).toBe("training");
  });
});

describe("a damaged checkpoint", () => {
  const trainedThree = (keep = 3, refersTo: readonly string[] = []): Story => {
    const story = begun({ checkpoint: { keep } });
    story.train(1, [1]);
    story.train(1, [2], refersTo);
    story.train(1, [3], refersTo);
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    return story;
  };
  const corrupt = (attempt: number, damaged?: string) =>
    failed(attempt, "checkpoint-corrupt", { evidence: damaged === undefined ? {} : { damaged } });

  it("falls back to the one before, and says so", () => {
    const story = trainedThree();
    expect(attemptOf(story.say(corrupt(2, "3-1")))).toBe(3);
    expect(story.state.live).toMatchObject([{ restore: "2-1", firstPlan: { epoch: 3 } }]);
    expect(story.epochs).toEqual([1, 2]);
    expect(story.state.lostSeconds).toBe(10);
    expect(story.journal.entries.at(-1)?.decision.reason).toContain("3-1 is damaged, going back to epoch 2");
    story.say(started(3));
    story.train(3, [3]);
    expectOneHistory(story.journal.entries);
  });

  it("does not use up the budget, and gives up when none is left", () => {
    const story = trainedThree();
    story.say(corrupt(2, "3-1"));
    story.say(started(3));
    story.say(corrupt(3, "2-1"));
    story.say(started(4));
    expect(story.say(corrupt(4, "1-1"))).toMatchObject({
      action: "failed",
      error: "Pawl.checkpoint-corrupt",
      cause: expect.stringContaining("no undamaged checkpoint is left"),
    });
    expect(story.state).toMatchObject({ progress: { epoch: 0 }, failures: { withoutProgress: 0 } });
  });

  it("is the one that the attempt was to restore, where its account does not say", () => {
    const story = trainedThree();
    story.say(corrupt(2));
    expect(story.state.live).toMatchObject([{ number: 3, restore: "2-1" }]);
  });

  it("is never fallen back from to one whose files are no longer all kept", () => {
    const story = begun({ checkpoint: { keep: 1 } });
    story.train(1, [1]);
    story.train(1, [2], ["1-1"]);
    story.train(1, [3], ["2-1"]);
    expect(story.state.kept.map(({ name }) => name)).toEqual(["2-1", "3-1"]);
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    expect(story.say(corrupt(2, "3-1"))).toMatchObject({ action: "failed" });
    expect(story.state).toMatchObject({ kept: [], progress: { epoch: 0 } });
    expect(story.state.dropped).toContain("2-1");
  });
});

describe("the budget of failures", () => {
  it("is used up by counted failures without progress, and refilled by a commit", () => {
    const story = begun({ epochs: 50, retry: { failuresWithoutProgress: 2 } });
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      story.train(attempt, [attempt]);
      expect(attemptOf(story.say(failed(attempt, "user-exception")))).toBe(attempt + 1);
      story.say(started(attempt + 1));
    }
    const last = story.say(failed(11, "user-exception"));
    expect(last).toMatchObject({
      action: "failed",
      cause: expect.stringContaining("failed 2 times without a committed epoch"),
    });
  });

  it("is never used up by what counts for nothing", () => {
    const story = begun({ retry: { failuresWithoutProgress: 1 } });
    for (let attempt = 1; attempt <= 30; attempt += 1)
      expect(attemptOf(story.say(failed(attempt, "spot-reclaim")))).toBe(attempt + 1);
    expect(story.state.failures).toMatchObject({ total: 30, withoutProgress: 0 });
  });

  it("is full again for whoever starts a run that gave up", () => {
    const story = begun({ retry: { failuresWithoutProgress: 1 } });
    expect(story.say(failed(1, "user-exception"))).toMatchObject({ action: "failed" });
    const next: Next | Reply = story.say(opens("second"));
    expect(attemptOf(next)).toBe(2);
    expect(story.journal.entries.at(-1)?.decision.kind).toBe("resumed");
    expect(story.state).toMatchObject({ failures: { withoutProgress: 0 } });
    expect(story.state.ending).toBeUndefined();
  });

  it("waits before another attempt, and then plans it", () => {
    const story = begun();
    const waits = story.say(failed(1, "user-exception", { random: 0.999 }));
    expect(waits).toMatchObject({ action: "wait", wait: { seconds: 1 } });
    expect(story.ask(failed(1, "user-exception"))).toEqual(waits);
    expect(attemptOf(story.say(opens("first")))).toBe(2);
  });
});

describe("an attempt", () => {
  it("is never more than 100 epochs ahead of its commits", () => {
    const story = begun({ epochs: 500 });
    for (let epoch = 1; epoch <= 100; epoch += 1) story.say(reported(1, aReport(epoch)));
    expect(story.ask(reported(1, aReport(101)))).toMatchObject({ action: "leave" });
  });

  it("leaves where its epochs do not follow one another", () => {
    const story = begun();
    expect(story.ask(reported(1, aReport(2)))).toMatchObject({ action: "leave" });
    expect(story.ask(commits(aCheckpoint(1, [aReport(2)])))).toMatchObject({ action: "leave" });
    story.say(reported(1, aReport(1)));
    const stranger = { ...commits(aCheckpoint(2, [aReport(1)])), attempt: 1, batchJobId: "batch-1" };
    expect(story.ask(stranger)).toMatchObject({ action: "leave", reason: expect.stringContaining("1-2") });
    const nothing = { ...commits(aCheckpoint(1, [aReport(1)])), checkpoint: null };
    expect(story.ask(nothing)).toMatchObject({
      action: "leave",
      reason: expect.stringContaining("checkpoint"),
    });
  });

  it("trains no further after it was told to finish", () => {
    const story = begun({ epochs: 9, segment: 1 });
    expect(story.say(reported(1, aReport(1)))).toMatchObject({ action: "finish" });
    expect(story.ask(reported(1, aReport(2)))).toMatchObject({ action: "leave" });
  });

  it("commits without a checkpoint only where the job keeps none", () => {
    const story = begun({ checkpoint: "none" });
    story.say(reported(1, aReport(1)));
    story.say({ ...commits(aCheckpoint(1, [aReport(1)])), checkpoint: null });
    story.say(failed(1, "spot-reclaim"));
    expect(story.state.live[0]?.restore).toBeUndefined();
    expect(story.state.live).toMatchObject([{ firstPlan: { epoch: 2, checkpoint: false } }]);
  });
});

describe("a run that was never opened", () => {
  it("is not found, and takes no events", () => {
    const { journal } = new Story();
    expect(journal.submit(opens("first")).decision).toMatchObject({
      changed: false,
      reply: { action: "failed", error: "Pawl.RunNotFound", cause: expect.stringContaining(run) },
    });
    for (const event of [started(1), trained(1)])
      expect(() => journal.submit(event)).toThrow(`run ${run} has not been opened: ${event.type} came first`);
  });
});
