import { afterEach, describe, expect, it } from "vitest";
import type { RunEvent } from "../events.ts";
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
  stops,
  trained,
} from "../testing/events.ts";
import { ModelJournal } from "../testing/model-journal.ts";
import { expectOneHistory, expectReplayable } from "../testing/replay.ts";
import { attemptOf, begun as begin, Story } from "../testing/story.ts";

const dead = { holder: { alive: false, who: "nobody" } };
const at = expect.any(String);
const alice = { id: "a", by: "alice@laptop", at };

let told: Story[] = [];

afterEach(() => {
  for (const { journal } of told) {
    expectReplayable(journal.entries, journal.limits);
    expectOneHistory(journal.entries);
  }
  told = [];
});

const remembered = (story: Story): Story => {
  told.push(story);
  return story;
};

const begun = (...how: Parameters<typeof begin>): Story => remembered(begin(...how));
const reasonOf = ({ journal }: Story) => journal.entries.at(-1)?.decision.reason;
const kindOf = ({ journal }: Story) => journal.entries.at(-1)?.decision.kind;

describe("a stop of a run that is being trained", () => {
  it("is noted, and ends the segment after the epoch that is being trained; all of it is committed", () => {
    const story = begun();
    story.train(1, [1]);
    expect(story.say(stops("a"))).toMatchObject({
      action: "stopping",
      epoch: 1,
      stop: alice,
      who: "somebody",
    });
    expect(story.state).toMatchObject({ status: "training", stop: alice, next: { action: "train" } });
    expect(kindOf(story)).toBe("stop-asked");
    expect(story.say(reported(1, aReport(2)))).toMatchObject({
      action: "finish",
      reason: "stopped by alice@laptop",
    });
    story.say(commits(aCheckpoint(1, [aReport(2)])));
    expect(story.say(trained(1))).toMatchObject({ action: "done", reason: "stopped by alice@laptop" });
    expect(story.state).toMatchObject({
      status: "stopped",
      stop: alice,
      ending: "stopped by alice@laptop",
      live: [],
      progress: { epoch: 2 },
      failures: { total: 0 },
    });
    expect(reasonOf(story)).toBe("attempt 1 trained its segment, up to epoch 2; stopped by alice@laptop");
    expect(story.ask(trained(1))).toMatchObject({ action: "done" });
  });

  it("lets an attempt that was asked to leave adopt what it had saved, and no other begins", () => {
    const story = begun({ retry: { failuresWithoutProgress: 1 } });
    story.train(1, [1]);
    story.say(reported(1, aReport(2)));
    story.say(stops("a"));
    const found = [aCheckpoint(1, [aReport(2)])];
    expect(story.say(failed(1, "interrupted", { evidence: { found } }))).toMatchObject({ action: "done" });
    expect(story.epochs).toEqual([1, 2]);
    expect(story.state).toMatchObject({ status: "stopped", live: [], nextAttempt: 2 });
  });

  it.each(["user-exception", "no-checkpoint", "unknown"] as const)(
    "is a stop also where the attempt ends badly (%s): whoever starts it again sees whether it fails",
    (failure) => {
      const story = begun({ retry: { failuresWithoutProgress: 1 } });
      story.say(stops("a"));
      expect(story.say(failed(1, failure, { random: 0.999 }))).toMatchObject({ action: "done" });
      expect(story.state).toMatchObject({ status: "stopped", failures: { recent: [{ class: failure }] } });
    },
  );

  it("does not hide that no undamaged checkpoint is left", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    story.say(stops("a"));
    const corrupt = failed(2, "checkpoint-corrupt", { evidence: { damaged: "1-1" } });
    expect(story.say(corrupt)).toMatchObject({ action: "failed" });
    expect(story.state).toMatchObject({ status: "failed" });
    expect(story.state.stop).toBeUndefined();
  });

  it("that reaches its end all the same is finished, not stopped", () => {
    const story = begun({ epochs: 2 });
    story.train(1, [1]);
    story.say(stops("a"));
    story.train(1, [2]);
    expect(story.say(trained(1))).toMatchObject({ action: "done", reason: "all 2 epochs are trained" });
    expect(story.state).toMatchObject({ status: "finished", ending: "all 2 epochs are trained" });
    expect(story.state.stop).toBeUndefined();
    expect(story.ask(stops("a"))).toMatchObject({ action: "over", status: "finished", epoch: 2 });
  });

  it("sends an attempt away that has not begun, and it counts for nothing", () => {
    const story = remembered(new Story());
    story.say(opens("first", { job: aJob({ retry: { failuresWithoutProgress: 1 } }) }));
    story.say(stops("a"));
    expect(story.ask(started(1))).toMatchObject({
      action: "leave",
      reason: expect.stringContaining("stopped"),
    });
    story.say(failed(1, "unknown"));
    expect(story.state).toMatchObject({
      status: "stopped",
      failures: { withoutProgress: 0, recent: [{ class: "interrupted", message: "it had not begun" }] },
    });
  });

  it("gives a claim that it had answered the same answer again", () => {
    const story = remembered(new Story());
    story.say(opens("first", { job: aJob() }));
    const begins = story.say(started(1));
    story.say(stops("a"));
    expect(story.ask(started(1))).toEqual(begins);
  });

  it("waits for the Batch job that has the assignment, where the one that ended was its duplicate", () => {
    const story = begun();
    story.say(stops("a"));
    const twice = failed(1, "unknown", { evidence: { winner: "batch-1" } });
    expect(story.say(twice)).toMatchObject({ action: "wait" });
    const runs = opens("first", { evidence: [evidenceOn(1, "unknown", { gone: false })] });
    expect(story.say(runs)).toMatchObject({ action: "wait" });
    const gone = opens("first", { evidence: [evidenceOn(1, "interrupted")] });
    expect(story.say(gone)).toMatchObject({ action: "done" });
    expect(story.state).toMatchObject({ status: "stopped", nextAttempt: 2 });
  });

  it("hands over to nobody", () => {
    const story = begun({ segment: 1 }, 1);
    story.say(stops("a"));
    story.train(1, [1]);
    expect(story.say(trained(1))).toMatchObject({ action: "done" });
    expect(story.state.successor).toBeUndefined();
  });
});

describe("a stop of a run that nobody trains", () => {
  it("is final at once where it waits before another attempt; whoever waits is told when it looks", () => {
    const story = begun();
    expect(story.say(failed(1, "user-exception", { random: 0.999 }))).toMatchObject({ action: "wait" });
    expect(story.say(stops("a"))).toMatchObject({ action: "stopped", stop: alice });
    expect(story.state).toMatchObject({ status: "stopped", live: [], next: { action: "done" } });
    expect(story.ask(opens("first"))).toMatchObject({ action: "done" });
  });

  it("is final at once where its driver is dead; what its attempt left is settled by the next start", () => {
    const story = begun();
    story.train(1, [1]);
    expect(story.say(stops("a", dead))).toMatchObject({ action: "stopped", epoch: 1 });
    expect(story.state).toMatchObject({ status: "stopped", live: [{ number: 1 }] });
    expect(reasonOf(story)).toContain("nobody trains it");
    const found = [aCheckpoint(1, [aReport(2)])];
    const next = story.say(opens("second", { evidence: [evidenceOn(1, "interrupted", { found })] }));
    expect(attemptOf(next)).toBe(2);
    expect(story.epochs).toEqual([1, 2]);
    expect(story.state.stop).toBeUndefined();
  });

  it("becomes final where its driver dies before it has stopped, whoever looks", () => {
    const story = begun();
    story.say(stops("a"));
    expect(story.ask(stops("a"))).toMatchObject({ action: "stopping", stop: alice });
    expect(story.say(stops("b", dead))).toMatchObject({ action: "stopped", stop: alice });
    expect(story.ask(stops("a", dead))).toMatchObject({ action: "stopped", stop: alice });
    expect(kindOf(story)).toBe("stopped");
  });

  it("answers a driver that was believed dead that the run is over, and lets its attempt commit what it has", () => {
    const story = begun();
    story.say(stops("a", dead));
    expect(story.say(reported(1, aReport(1)))).toMatchObject({ action: "finish" });
    story.say(commits(aCheckpoint(1, [aReport(1)])));
    story.say(ended(anOutcome(1, "done")));
    expect(story.ask(trained(1))).toMatchObject({ action: "done" });
    expect(story.state).toMatchObject({ status: "stopped", progress: { epoch: 1 } });
    const next = story.say(opens("second", { evidence: [evidenceOn(1, "unknown")] }));
    expect(attemptOf(next)).toBe(2);
    expect(story.state.failures.total).toBe(0);
  });

  it("holds a successor back that a hand-over had named, and nobody else", () => {
    const story = begun({ segment: 1 }, 2);
    story.train(1, [1]);
    story.say(trained(1));
    story.say(started(2));
    story.train(2, [2]);
    const handed = story.say(trained(2));
    if (handed.action !== "continue") return expect.unreachable("it hands over");
    expect(story.say(stops("a"))).toMatchObject({ action: "stopped" });
    expect(story.ask(trained(2))).toMatchObject({ action: "done" });
    expect(story.ask(opens(handed.continue.name))).toMatchObject({ action: "done" });
    expect(attemptOf(story.say(opens("by-hand")))).toBe(3);
  });
});

describe("a stop that is asked again", () => {
  it("changes nothing while it is in force, whoever asks, and says who was first", () => {
    const story = begun();
    story.say(stops("a"));
    for (const event of [stops("a"), stops("b", { by: "bob@desk" })])
      expect(story.ask(event)).toMatchObject({ action: "stopping", stop: alice });
    story.say(failed(1, "interrupted"));
    for (const event of [stops("a"), stops("b", { by: "bob@desk" })])
      expect(story.ask(event)).toMatchObject({ action: "stopped", stop: alice, who: "somebody" });
    expect(story.ask(stops("a", dead))).not.toHaveProperty("who");
  });

  it("does not stop the run once more that somebody has started since; one that is new does", () => {
    const story = begun();
    story.say(stops("a"));
    story.say(stops("b", dead));
    const next = story.say(opens("second", { evidence: [evidenceOn(1, "interrupted")] }));
    expect(attemptOf(next)).toBe(2);
    expect(kindOf(story)).toBe("resumed");
    expect(reasonOf(story)).toContain("resumed after it was stopped by alice@laptop");
    for (const id of ["a", "b"])
      expect(story.ask(stops(id))).toMatchObject({ action: "went-on", who: "somebody" });
    expect(story.say(stops("c"))).toMatchObject({ action: "stopping" });
  });

  it.each([
    ["finished", { epochs: 1 }, "all 1 epochs are trained"],
    ["failed", { epochs: 2, retry: { failuresWithoutProgress: 1 } }, "failed once"],
  ] as const)("says of a run that has %s that it is over", (status, job, reason) => {
    const story = begun(job);
    story.train(1, [1]);
    story.say(status === "finished" ? trained(1) : failed(1, "user-exception"));
    const over = { action: "over", status, reason: expect.stringContaining(reason) };
    expect(story.ask(stops("a"))).toMatchObject(over);
    expect(story.ask(stops("a", dead))).toMatchObject(over);
  });

  it("is of no run where none was opened", () => {
    const event: RunEvent = stops("a");
    expect(() => new ModelJournal().submit(event)).toThrow(`run ${run} has not been opened`);
  });
});
