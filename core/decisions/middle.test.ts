import { describe, expect, it } from "vitest";
import {
  aCheckpoint,
  aJob,
  aPart,
  aReport,
  commits,
  evidenceOn,
  failed,
  opens,
  reported,
  started,
  sweeps,
  trained,
} from "../testing/events.ts";
import { attemptOf, begun, Story } from "../testing/story.ts";

describe("a checkpoint in the middle of an epoch", () => {
  it("counts, and the next attempt goes on from it", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(commits(aPart(1, 2, 40)));
    expect(story.state.progress).toMatchObject({ epoch: 1, partial: { step: 40, seconds: 40 } });
    const next = story.say(failed(1, "spot-reclaim"));
    expect(attemptOf(next)).toBe(2);
    expect(next).toMatchObject({
      train: { reason: expect.stringContaining("trains from epoch 2, step 40, on") },
    });
    expect(story.say(started(2))).toMatchObject({ assignment: { restore: "2-1-40", plan: { epoch: 2 } } });
  });

  it("is followed by the epoch's end, and dropped then", () => {
    const story = begun();
    story.say(commits(aPart(1, 1, 40)));
    story.say(commits(aPart(1, 1, 80)));
    story.say(commits(aPart(1, 1, 120)));
    expect(story.state.kept.map(({ name }) => name)).toEqual(["1-1-80", "1-1-120"]);
    story.train(1, [1]);
    expect(story.state.kept.map(({ name }) => name)).toEqual(["1-1"]);
    expect(story.state.dropped).toEqual(["1-1-40", "1-1-80", "1-1-120"]);
    expect(story.state.progress).not.toHaveProperty("partial");
    expect(story.state.progress).toMatchObject({ epoch: 1, trainedSeconds: 10, examples: 100 });
  });

  it("brings the epochs before it that no checkpoint has", () => {
    const story = begun();
    story.say(reported(1, aReport(1)));
    story.say(reported(1, aReport(2)));
    story.say(commits(aPart(1, 3, 5, [aReport(1), aReport(2)])));
    expect(story.epochs).toEqual([1, 2]);
    expect(story.state.live[0]?.pending).toEqual([]);
    expect(story.state.recent.map(({ checkpoint }) => checkpoint)).toEqual(["3-1-5", "3-1-5"]);
  });

  it("changes nothing when it comes again, or late", () => {
    const story = begun();
    const part = commits(aPart(1, 1, 40));
    const first = story.say(part);
    expect(story.ask(part)).toEqual(first);
    story.train(1, [1]);
    expect(story.ask(part)).toMatchObject({ action: "committed" });
  });

  it("does not count where epochs before it are missing", () => {
    const story = begun();
    expect(story.ask(commits(aPart(1, 3, 5)))).toMatchObject({ action: "leave" });
    expect(story.ask(commits(aPart(1, 3, 5, [aReport(2)])))).toMatchObject({ action: "leave" });
  });

  it("does not count where it is of another attempt, epoch or step than it says", () => {
    const story = begun();
    const part = aPart(1, 1, 40);
    for (const wrong of [aPart(2, 1, 40), aPart(1, 1, 41), aCheckpoint(1, [aReport(1)]), null])
      expect(story.ask({ ...commits(part), checkpoint: wrong })).toMatchObject({ action: "leave" });
  });

  it("is adopted where its attempt died before the commit", () => {
    const story = begun();
    story.train(1, [1]);
    const evidence = { found: [aPart(1, 2, 40), aPart(1, 2, 80)] };
    story.say(failed(1, "spot-reclaim", { evidence }));
    expect(story.state.kept.map(({ name }) => name)).toEqual(["1-1", "2-1-40", "2-1-80"]);
    expect(story.state.progress.partial).toEqual({ step: 80, seconds: 80 });
  });

  it("is gone back from where it is damaged, to the one before it", () => {
    const story = begun();
    story.say(commits(aPart(1, 1, 40)));
    story.say(commits(aPart(1, 1, 80)));
    story.say(failed(1, "spot-reclaim"));
    story.say(started(2));
    const next = story.say(failed(2, "checkpoint-corrupt", { evidence: { damaged: "1-1-80" } }));
    expect(next).toMatchObject({
      train: {
        reason: expect.stringContaining("checkpoint 1-1-80 is damaged, going back to epoch 1, step 40"),
      },
    });
    expect(story.say(started(3))).toMatchObject({ assignment: { restore: "1-1-40" } });
    expect(story.state.lostSeconds).toBeGreaterThanOrEqual(40);
  });

  it("what was begun and never finished is dropped", () => {
    const story = begun();
    story.say(failed(1, "spot-reclaim", { evidence: { unfinished: ["1-1-7"] } }));
    expect(story.state.dropped).toContain("1-1-7");
  });

  it("is progress: the budget of failures is full again", () => {
    const story = begun({ retry: { failuresWithoutProgress: 2, baseDelay: "0s" } });
    story.say(failed(1, "store-failed"));
    story.say(started(2));
    story.say(commits(aPart(2, 1, 3)));
    expect(story.state.failures.withoutProgress).toBe(0);
    expect(attemptOf(story.say(failed(2, "store-failed")))).toBe(3);
  });
});

describe("a job that changes while an epoch is half trained", () => {
  const half = () => {
    const story = begun();
    story.train(1, [1]);
    story.say(commits(aPart(1, 2, 40)));
    return story;
  };
  const changed = (story: Story, more: Parameters<typeof aJob>[0]) =>
    story.say(
      opens("second", { job: aJob(more), acceptChanges: true, evidence: [evidenceOn(1, "interrupted")] }),
    );

  it.each([{ seed: 7 }, { batchSize: 8 }, { data: "other" }])(
    "goes back to the whole epoch where %j changes the order of the data",
    (more) => {
      const story = half();
      changed(story, more);
      expect(story.state.progress).not.toHaveProperty("partial");
      expect(story.state.kept.map(({ name }) => name)).toEqual(["1-1"]);
      expect(story.state.dropped).toContain("2-1-40");
    },
  );

  it("goes on in the middle where something else changes", () => {
    const story = half();
    changed(story, { epochs: 9 });
    expect(story.state.progress.partial).toEqual({ step: 40, seconds: 40 });
  });
});

describe("when to save", () => {
  const saving = (more: Parameters<typeof aJob>[0]) => {
    const story = new Story();
    story.say(opens("first", { job: aJob(more) }));
    return story.say(started(1));
  };

  it.each([
    ["epoch", { epochEnds: "always" }],
    ["10min", { epochEnds: "when-due", everySeconds: 600 }],
    [{ steps: 50 }, { epochEnds: "when-due", everySteps: 50 }],
  ] as const)("%j is told to the attempt as it is", (every, told) => {
    expect(saving({ checkpoint: { every } })).toMatchObject({ assignment: { saving: told } });
  });

  it("auto saves more often the more often it fails, and the less a save costs", () => {
    const story = begun({ compute: { market: "spot" } });
    const took = { pauseSeconds: 30, seconds: 40 };
    const every = () => {
      const { commit } = story.state.live[0]?.answers ?? {};
      return commit?.answer.action === "committed" ? commit.answer.saving?.everySeconds : undefined;
    };
    story.say({ ...commits(aPart(1, 1, 1)), took });
    const calm = every() ?? 0;
    for (let number = 1; number < 6; number += 1) {
      story.journal.pass(60);
      story.say(failed(number, "spot-reclaim", { evidence: { stoppedAt: story.journal.now } }));
      story.say(started(number + 1));
    }
    story.say({ ...commits(aPart(6, 1, 2)), took });
    const { commit } = story.state.live[0]?.answers ?? {};
    const often = commit?.answer.action === "committed" ? (commit.answer.saving?.everySeconds ?? 0) : 0;
    expect(often).toBeGreaterThan(0);
    expect(often).toBeLessThan(calm);
    story.say({ ...commits(aPart(6, 1, 3)), took: { pauseSeconds: 0.1, seconds: 1 } });
    expect(every()).toBeLessThan(often);
  });

  it("an attempt that trained its segment has lived without a failure, however it is found out", () => {
    const ended = [
      (story: Story) => story.say(trained(1)),
      (story: Story) => story.say(opens("second", { evidence: [evidenceOn(1, "interrupted")] })),
      (story: Story) => story.say(sweeps({ evidence: [evidenceOn(1, "interrupted")] })),
    ];
    for (const end of ended) {
      const story = begun({ segment: 1 });
      story.journal.pass(3600);
      story.train(1, [1]);
      end(story);
      expect(story.state.exposure).toEqual({ spot: { seconds: 3600, failures: 0 } });
    }
  });

  it("an attempt that had saved all when it was reclaimed has not failed", () => {
    const story = begun();
    story.journal.pass(100);
    const part = { ...aPart(1, 1, 1), at: story.journal.now };
    story.say(commits(part));
    story.say(failed(1, "spot-reclaim", { evidence: { stoppedAt: story.journal.now } }));
    expect(story.state.exposure).toEqual({ spot: { seconds: 100, failures: 0 } });
  });

  it("nor has one that left while its last save was on its way, in the time that saves take", () => {
    const story = begun();
    story.journal.pass(100);
    const part = { ...aPart(1, 1, 1), at: story.journal.now };
    story.journal.pass(20);
    story.say({ ...commits(part), took: { pauseSeconds: 1, seconds: 20 } });
    story.journal.pass(2);
    story.say(failed(1, "spot-reclaim", { evidence: { stoppedAt: story.journal.now } }));
    expect(story.state.exposure).toEqual({ spot: { seconds: 122, failures: 0 } });
  });
});

describe("a hand-over while an attempt lives", () => {
  it("lets the successor in, which goes on waiting and ends nothing", () => {
    const story = begun({}, 2);
    const winner = { winner: "batch-1" };
    story.say(failed(1, "unknown", { evidence: winner }));
    const handed = story.say(opens("first", { evidence: [evidenceOn(1, "unknown", { gone: false })] }));
    if (!("continue" in handed)) throw new Error("it was to hand over");
    expect(story.state.live.map(({ number }) => number)).toEqual([1]);
    const second = opens(handed.continue.name, {
      holder: { alive: true, who: "first" },
      evidence: [evidenceOn(1, "unknown", { gone: false })],
    });
    expect(story.say(second)).toMatchObject({ action: "wait" });
    story.train(1, [1]);
    expect(story.epochs).toEqual([1]);
  });
});
