import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costAt } from "../decisions/cost.ts";
import type { Instance } from "../instance.ts";
import { JournalEntry } from "../journal-entry.ts";
import { affordableSeconds, affordsEpoch, budgetNoticeSeconds } from "../policies/cost-budget.ts";
import {
  aCheckpoint,
  aJob,
  aReport,
  commits,
  failed,
  moment,
  opens,
  reported,
  started,
  trained,
} from "../testing/events.ts";
import { Story } from "../testing/story.ts";

const spot: Instance = { id: "i-1", type: "g5.xlarge", zone: "eu-west-1a", market: "spot", upSeconds: 120 };
const aHour = { usdPerHour: 1, from: "given" } as const;
const onSpot = (attempt: number, instance = spot) => ({ ...started(attempt), instance, price: aHour });

const begun = (job: Parameters<typeof aJob>[0] = {}): Story => {
  const story = new Story();
  story.say(opens("a", { job: aJob(job) }), 0);
  return story;
};

/** One epoch of `seconds`, committed. */
function epoch(story: Story, attempt: number, number: number, at: number): void {
  const report = { ...aReport(number), seconds: 10 };
  story.say(reported(attempt, report), at);
  story.say(commits(aCheckpoint(attempt, [report])), at);
}

describe("what a run costs", () => {
  it("is its instance's price from the later of its start and its submission on, until the attempt is over", () => {
    const story = begun();
    story.say(onSpot(1), 600);
    expect(costAt(story.state, moment(600)).usd).toBeCloseTo(120 / 3600);
    story.say(failed(1, "spot-reclaim", { evidence: { stoppedAt: moment(3600 + 480) } }), 4200);
    expect(story.state.cost).toEqual({
      usd: expect.closeTo(1, 9),
      hours: { spot: expect.closeTo(1, 9) },
      usdPerHour: 1,
    });
  });

  it("does not hold what an instance was up for before the attempt was asked for", () => {
    const story = begun();
    story.say(onSpot(1, { ...spot, upSeconds: 90_000 }), 60);
    expect(costAt(story.state, moment(60)).usd).toBeCloseTo(60 / 3600);
  });

  it("is told by market, and names the hours whose price nobody knows", () => {
    const story = begun();
    story.say({ ...started(1), instance: { ...spot, upSeconds: 0 } }, 0);
    story.say(failed(1, "spot-reclaim", { evidence: { stoppedAt: moment(3600) } }), 3600);
    story.say(onSpot(2, { ...spot, market: "on-demand", upSeconds: 0 }), 3600);
    story.say(failed(2, "host-terminated-other", { evidence: { stoppedAt: moment(9000) } }), 9000);
    expect(story.state.cost).toMatchObject({
      usd: 1.5,
      hours: { spot: 1, "on-demand": 1.5 },
      unpricedHours: 1,
    });
  });

  it("is nothing on a machine of one's own, whatever the budget", () => {
    const story = new Story();
    const driver = { id: "local:a:b", execution: "b" };
    story.say(opens("a", { job: aJob({ budgetUsd: 0.0001 }), driver }), 0);
    story.say(started(1), 0);
    epoch(story, 1, 1, 90_000);
    expect(story.state.cost).toBeUndefined();
    expect(story.state.live[0]?.answers.report).toMatchObject({ action: "train" });
  });
});

describe("a budget", () => {
  it("tells an attempt how long it is paid for", () => {
    const story = begun({ budgetUsd: 2 });
    const answer = story.say(onSpot(1), 120);
    expect(answer).toMatchObject({ action: "begin", assignment: { budgetSeconds: 2 * 3600 - 120 } });
  });

  it("ends the attempt with its commit where it pays for no further epoch, and stops the run", () => {
    const story = begun({ budgetUsd: 1, epochs: 100 });
    story.say(onSpot(1, { ...spot, upSeconds: 0 }), 0);
    epoch(story, 1, 1, 3000);
    expect(story.state.live[0]?.answers.report).toMatchObject({ action: "train" });
    epoch(story, 1, 2, 3500);
    expect(story.state.live[0]?.answers.report).toMatchObject({
      action: "finish",
      reason: "its budget of 1 USD pays for no further epoch",
    });
    const next = story.say(trained(1), 3510);
    expect(next).toMatchObject({ action: "done", reason: "stopped by its budget of 1 USD (budgetUsd)" });
    expect(story.state).toMatchObject({ status: "stopped", progress: { epoch: 2 } });
    expect(story.state.cost?.usd).toBeLessThan(1);
    for (const entry of story.journal.entries) JournalEntry.parse(JSON.parse(JSON.stringify(entry)));
  });

  it("that was raised lets the run go on, and one that was not stops it again", () => {
    const story = begun({ budgetUsd: 1, epochs: 100 });
    story.say(onSpot(1, { ...spot, upSeconds: 0 }), 0);
    epoch(story, 1, 1, 3500);
    story.say(trained(1), 3510);
    expect(story.say(opens("b"), 4000)).toMatchObject({ action: "done" });
    expect(story.state.status).toBe("stopped");
    const raised = opens("c", { job: aJob({ budgetUsd: 2, epochs: 100 }), acceptChanges: true });
    expect(story.say(raised, 4000)).toMatchObject({ action: "train" });
  });

  it("that nobody can keep to, since the price is not known, stops the run before it trains", () => {
    const story = begun({ budgetUsd: 1 });
    expect(story.say({ ...started(1), instance: { ...spot, type: "x9.large" } }, 10)).toMatchObject({
      action: "leave",
    });
    const next = story.say(failed(1, "unknown"), 20);
    expect(next).toMatchObject({ action: "done" });
    expect(story.state).toMatchObject({
      status: "stopped",
      ending: expect.stringContaining("what a x9.large costs is not known"),
    });
  });

  it("stops the run where an instance of AWS does not know what it is, whose hours nobody could count", () => {
    const story = begun({ budgetUsd: 1 });
    expect(story.say(started(1), 10)).toMatchObject({ action: "leave" });
    expect(story.say(failed(1, "unknown"), 20)).toMatchObject({ action: "done" });
    expect(story.state).toMatchObject({
      status: "stopped",
      ending: expect.stringContaining("its instance could not be asked what it is"),
    });
  });

  it("is never exceeded by epochs of one length, whatever the price", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: 0.1, max: 5000, noNaN: true }),
        (budgetUsd, usdPerHour, epochSeconds) => {
          let spentUsd = 0;
          const cost = (seconds: number) => (seconds / 3600) * usdPerHour;
          for (
            let epochs = 0;
            epochs < 200 && affordsEpoch({ budgetUsd, spentUsd, usdPerHour }, epochSeconds);
            epochs += 1
          )
            spentUsd += cost(epochSeconds);
          const whole = affordableSeconds({ budgetUsd, spentUsd: 0, usdPerHour });
          expect(spentUsd).toBeLessThanOrEqual(budgetUsd);
          expect(budgetNoticeSeconds(whole)).toBeLessThanOrEqual(120);
        },
      ),
    );
  });
});
