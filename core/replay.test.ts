import { describe, expect, it } from "vitest";
import type { Stretch } from "./measured.ts";
import { BatchSizePolicy } from "./policies/batch-size/index.ts";
import { replay, replayPolicy } from "./replay.ts";
import {
  aCheckpoint,
  aReport,
  aStretch,
  commits,
  failed,
  measuredOf,
  measures,
  reported,
  started,
} from "./testing/events.ts";
import { begun, type Story } from "./testing/story.ts";

const policy = BatchSizePolicy.parse({ policy: "noise-scale", start: 8, max: 256 });
const job = { batchSize: { policy: "noise-scale" as const, start: 8, max: 256 }, epochs: 9 };

function trains(story: Story, attempt: number, epoch: number, stretches?: readonly Stretch[]): void {
  const measured = stretches === undefined ? {} : { measured: measuredOf(stretches) };
  const report = { ...aReport(epoch), ...measured };
  story.say(reported(attempt, report));
  story.say(commits(aCheckpoint(attempt, [report])));
}

/** Two epochs; the size changes within the first and between the two; then the machine is lost. */
function aStory(): Story {
  const story = begun(job);
  story.say(measures(1, 1, [aStretch(8, 16)]));
  trains(story, 1, 1, [aStretch(8, 17), aStretch(16, 40)]);
  trains(story, 1, 2, [aStretch(32, 40)]);
  story.say(failed(1, "spot-reclaim"));
  story.say(started(2));
  return story;
}

const rowsOf = (story: Story, other: BatchSizePolicy) =>
  replayPolicy(story.journal.entries, other).map(({ epoch, step, size, otherSize }) => ({
    ...{ epoch, step, size, otherSize },
  }));

describe("a journal decided anew", () => {
  it("comes out the same, entry by entry", () => {
    const { journal } = aStory();
    const again = replay(journal.entries, journal.limits);
    expect(again.map(({ sequence }) => sequence)).toEqual(journal.entries.map(({ sequence }) => sequence));
    expect(again.filter(({ differs }) => differs.length > 0)).toEqual([]);
  });

  it("says of an entry that comes out otherwise what is different", () => {
    const { journal } = aStory();
    const entries = structuredClone(journal.entries);
    const [first, second, third] = entries;
    if (first === undefined || second === undefined || third === undefined) throw new Error("too few");
    second.decision.reason = "somebody said so";
    third.state.turns += 1;
    const again = replay(entries, journal.limits).filter(({ differs }) => differs.length > 0);
    expect(again[0]).toMatchObject({
      ...{ sequence: 2, event: "started", kind: "claimed", reason: "somebody said so", differs: ["reason"] },
      again: { kind: "claimed", reason: "attempt 1 began as Batch job batch-1" },
    });
    expect(again[1]).toMatchObject({ sequence: 3, differs: ["state"] });
    // What follows is decided from the state as it was written, so that one fault is told once, and what it leads to.
    expect(again.at(-1)?.sequence).toBeGreaterThan(2);
  });

  it("says of an entry that would not be written at all that nothing would", () => {
    const { journal } = aStory();
    const entries = structuredClone(journal.entries);
    const [, claim] = entries;
    if (claim === undefined) throw new Error("too few");
    entries.splice(2, 0, claim);
    expect(replay(entries, journal.limits)[2]).toMatchObject({ differs: ["nothing"] });
  });
});

describe("another policy on the same measurements", () => {
  it("decides the same where it is the same, wherever the run decided", () => {
    const story = aStory();
    expect(rowsOf(story, policy)).toEqual([
      { epoch: 1, step: 0, size: 8, otherSize: 8 },
      { epoch: 1, step: 16, size: 16, otherSize: 16 },
      { epoch: 2, step: 0, size: 32, otherSize: 32 },
      { epoch: 3, step: 0, size: 64, otherSize: 64 },
      { epoch: 3, step: 0, size: 64, otherSize: 64 },
    ]);
    for (const { reason, otherReason } of replayPolicy(story.journal.entries, policy))
      expect(otherReason).toBe(reason);
  });

  it("is told with its reasons, what it expected, and the noise scale that was measured", () => {
    const [first, second] = replayPolicy(aStory().journal.entries, policy);
    expect(first).toEqual({
      ...{ sequence: 1, at: expect.any(String), epoch: 1, step: 0 },
      ...{ size: 8, reason: "batch size 8, the first", otherSize: 8, otherReason: "batch size 8, the first" },
    });
    expect(second?.sequence).toBe(3);
    expect(second?.noiseScale).toBeGreaterThan(16);
    expect(second?.reason).toMatch(/^batch size 16 for 8: noise scale /);
  });

  it("decides otherwise where it is another", () => {
    const smaller = BatchSizePolicy.parse({ policy: "noise-scale", start: 8, max: 16 });
    expect(rowsOf(aStory(), smaller).map(({ otherSize }) => otherSize)).toEqual([8, 16, 16, 16, 16]);
    const fixed = BatchSizePolicy.parse(48);
    expect(rowsOf(aStory(), fixed).map(({ otherSize }) => otherSize)).toEqual([48, 48, 48, 48, 48]);
  });

  it("has what a fixed size was measured by as far as reports tell it: examples and seconds", () => {
    const story = begun({ batchSize: 8, epochs: 9 });
    trains(story, 1, 1);
    trains(story, 1, 2);
    const throughput = BatchSizePolicy.parse({ policy: "throughput", start: 8, max: 256 });
    const rows = replayPolicy(story.journal.entries, throughput);
    expect(rows.map(({ epoch, size }) => ({ epoch, size }))).toEqual([
      { epoch: 1, size: 8 },
      { epoch: 2, size: 8 },
      { epoch: 3, size: 8 },
    ]);
    expect(rows[0]?.otherReason).toBe("batch size 8, the first");
    expect(rows[1]?.otherReason).not.toBe("batch size 8, the first");
  });

  it("decides also where the trainer changed its own size, which no entry tells of", () => {
    const story = begun({ epochs: 9 });
    trains(story, 1, 1, [aStretch(32, 40), aStretch(48, 40)]);
    const [first, change, second] = replayPolicy(story.journal.entries, policy);
    expect(first).not.toHaveProperty("size");
    expect(first?.reason).toBe("batch size left to the trainer");
    expect(change).toMatchObject({ epoch: 1, step: 40, size: 48, otherSize: 64 });
    expect(second).toMatchObject({ epoch: 2, step: 0 });
  });
});
