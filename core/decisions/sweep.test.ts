import { describe, expect, it } from "vitest";
import {
  aCheckpoint,
  aReport,
  evidenceOn,
  failed,
  opens,
  reported,
  started,
  stops,
  sweeps,
  trained,
} from "../testing/events.ts";
import { expectReplayable } from "../testing/replay.ts";
import { attemptOf, begun } from "../testing/story.ts";

const alive = { alive: true, who: "execution first" };
const aborted = { status: "ABORTED", error: "", cause: "" };
const interrupted = evidenceOn(1, "interrupted", { message: "its driver was gone, and it was ended" });

describe("a run whose driver is gone", () => {
  it("is interrupted once its attempt has ended, with what that had saved, and in words", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(reported(1, aReport(2)));
    const found = [aCheckpoint(1, [aReport(2)])];
    const answer = story.say(sweeps({ ending: aborted, evidence: [{ ...interrupted, found }] }));
    const words =
      /^execution first is gone \(ABORTED\); attempt 1: interrupted: its driver was gone, and it was ended.*; adopted its checkpoint 2-1; start the run again to go on$/;
    expect(answer).toMatchObject({ action: "swept", status: "interrupted", sequence: story.state.sequence });
    expect(story.state).toMatchObject({
      status: "interrupted",
      live: [],
      progress: { epoch: 2 },
      ending: expect.stringMatching(words),
      next: {
        action: "failed",
        error: "Pawl.Interrupted",
        cause: expect.stringMatching(words),
      },
    });
    expect(story.journal.entries.at(-1)?.decision.kind).toBe("swept");
    expectReplayable(story.journal.entries, story.journal.limits);
  });

  it("says why, in one line, where the execution's error and cause are known", () => {
    const story = begun();
    const cause = `{"errorType":"Error",\n "trace":"${"x".repeat(900)}"}`;
    story.say(
      sweeps({ ending: { status: "FAILED", error: "States.Runtime", cause }, evidence: [interrupted] }),
    );
    expect(story.state.ending).toMatch(
      /^execution first is gone \(FAILED, States\.Runtime: \{"errorType":"Error", "trace":"x+…\); attempt 1/,
    );
  });

  it("stays as it is while its attempt has not ended, and is interrupted when it has", () => {
    const story = begun();
    story.train(1, [1]);
    const running = sweeps({ evidence: [{ ...interrupted, gone: false }] });
    expect(story.ask(running)).toMatchObject({
      action: "ending",
      reason: expect.stringContaining("attempt 1 has not ended yet"),
    });
    // It may commit until then.
    story.train(1, [2]);
    expect(story.say(sweeps({ evidence: [interrupted] }))).toMatchObject({ status: "interrupted" });
    expect(story.state.progress.epoch).toBe(2);
  });

  it("is finished where what was saved makes it so, and where the last segment only was not answered", () => {
    const adopted = begun({ epochs: 2 });
    adopted.train(1, [1]);
    const found = [aCheckpoint(1, [aReport(2)])];
    expect(adopted.say(sweeps({ evidence: [{ ...interrupted, found }] }))).toMatchObject({
      action: "swept",
      status: "finished",
      reason: expect.stringContaining("all 2 epochs are trained"),
    });
    expect(adopted.state).toMatchObject({ status: "finished", next: { action: "done" } });

    const unanswered = begun({ epochs: 2 });
    unanswered.train(1, [1, 2]);
    expect(unanswered.say(sweeps({ evidence: [interrupted] }))).toMatchObject({ status: "finished" });
    expect(unanswered.state.failures.total).toBe(0);
  });

  it("is stopped where somebody had asked for that", () => {
    const story = begun();
    story.say(stops("x", { holder: alive }));
    expect(story.say(sweeps({ evidence: [interrupted] }))).toMatchObject({
      action: "swept",
      status: "stopped",
    });
    expect(story.state).toMatchObject({ status: "stopped", live: [], ending: "stopped by alice@laptop" });
  });

  it("has failed where every checkpoint is damaged, and begins again only when told to", () => {
    const story = begun();
    story.train(1, [1]);
    story.say(failed(1, "interrupted"));
    story.say(started(2));
    const damaged = evidenceOn(2, "checkpoint-corrupt", { damaged: "1-1" });
    expect(story.say(sweeps({ evidence: [damaged] }))).toMatchObject({
      action: "swept",
      status: "failed",
      reason: expect.stringContaining("no undamaged checkpoint is left"),
    });
    expect(story.ask(opens("second"))).toMatchObject({ action: "failed", error: "Pawl.NothingLeft" });
    expect(attemptOf(story.say(opens("second", { startAgain: true })))).toBe(3);
  });

  it("counts no failure where its attempt had trained its segment", () => {
    const story = begun({ segment: 1 });
    story.train(1, [1]);
    expect(story.say(sweeps({ evidence: [interrupted] }))).toMatchObject({
      status: "interrupted",
      reason: expect.stringContaining("attempt 1 trained its segment, up to epoch 1"),
    });
    expect(story.state.failures.total).toBe(0);
  });

  it("is interrupted where it waited, with nothing under way", () => {
    const story = begun();
    story.say(failed(1, "unknown", { random: 0.9 }));
    expect(story.state.status).toBe("waiting");
    expect(story.say(sweeps())).toMatchObject({ status: "interrupted" });
  });
});

describe("a run that is left alone", () => {
  it("is one whose driver lives", () => {
    const story = begun();
    expect(story.ask(sweeps({ holder: alive, evidence: [interrupted] }))).toMatchObject({
      action: "none",
      reason: "execution first drives run digits-1",
    });
  });

  it.each<[string, (story: ReturnType<typeof begun>) => unknown]>([
    [
      "finished",
      (story) => {
        story.train(1, [1, 2, 3, 4, 5]);
        story.say(trained(1));
      },
    ],
    ["failed", (story) => story.say(failed(1, "no-checkpoint"))],
    ["stopped", (story) => story.say(stops("x", { holder: { alive: false, who: "nobody" } }))],
    ["interrupted", (story) => story.say(sweeps({ evidence: [interrupted] }))],
  ])("is %s already", (status, end) => {
    const story = begun();
    end(story);
    expect(story.state.status).toBe(status);
    expect(story.ask(sweeps({ evidence: [interrupted] }))).toMatchObject({ action: "none" });
  });
});

describe("an interrupted run", () => {
  const swept = () => {
    const story = begun();
    story.train(1, [1, 2]);
    story.say(sweeps({ ending: aborted, evidence: [interrupted] }));
    return story;
  };

  it("goes on behind its last commit when somebody starts it again, with a fresh budget", () => {
    const story = swept();
    const next = story.say(opens("second"));
    expect(attemptOf(next)).toBe(2);
    expect(story.journal.entries.at(-1)?.decision).toMatchObject({
      kind: "resumed",
      reason: expect.stringContaining("resumed after it was interrupted"),
    });
    expect(story.state).toMatchObject({
      status: "training",
      generation: 2,
      live: [{ number: 2, restore: "2-1", firstPlan: { epoch: 3 } }],
    });
    expect(story.state.ending).toBeUndefined();
  });

  it("tells the functions of the driver before that come late how it stands, and changes nothing", () => {
    const story = swept();
    for (const late of [failed(1, "spot-reclaim"), trained(1)]) {
      expect(story.ask(late)).toMatchObject({ action: "failed", error: "Pawl.Interrupted" });
    }
    expect(story.ask(reported(1, aReport(3)))).toMatchObject({ action: "leave" });
  });

  it("can be stopped, so that nobody expects it to go on", () => {
    const story = swept();
    expect(story.say(stops("x"))).toMatchObject({ action: "stopped" });
  });
});

describe("a hand-over whose successor never began", () => {
  it("is an interruption that says so, and the successor may still begin", () => {
    const story = begun({ segment: 1 }, 1);
    story.train(1, [1]);
    const next = story.say(trained(1));
    if (next.action !== "continue" || !("continue" in next)) return expect.unreachable();
    const { name } = next.continue;
    expect(story.ask(sweeps({ holder: { alive: true, who: `execution ${name}` } }))).toMatchObject({
      action: "none",
    });
    expect(story.say(sweeps())).toMatchObject({
      status: "interrupted",
      reason: expect.stringContaining(`${name}, which it handed over to, has not begun`),
    });
    expect(attemptOf(story.say(opens(name)))).toBe(2);
  });
});
