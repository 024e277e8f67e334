import { describe, expect, it } from "vitest";
import {
  aCheckpoint,
  aJob,
  aReport,
  commits,
  failed,
  opens,
  reported,
  started,
} from "../../core/testing/events.ts";
import { Story } from "../../core/testing/story.ts";
import { comparable } from "./comparable.ts";

interface Told {
  readonly driver?: string;
  readonly market?: "spot" | "spot-first";
  readonly batchJobId?: string;
  readonly seconds?: number;
  readonly random?: number;
  readonly loss?: number;
  readonly failure?: "interrupted" | "spot-reclaim";
  /** Whether the second epoch is reported before the first is committed. */
  readonly ahead?: boolean;
}

/** A run of two epochs, and of a failure that another attempt follows. */
function told({
  driver = "first",
  market = "spot",
  batchJobId = "4f9c1f0e-65c8-4c39-b1a5-0123456789ab",
  seconds = 10,
  random = 0.5,
  loss = 1.5,
  failure = "spot-reclaim",
  ahead = false,
}: Told): string[] {
  const story = new Story();
  const first = { ...aReport(1, { loss: 2 }), seconds };
  const second = { ...aReport(2, { loss }), seconds };
  const begin = opens(driver, { job: aJob({ compute: { market }, retry: { baseDelay: "0s" } }), random });
  const stream = [
    reported(1, first, batchJobId),
    commits(aCheckpoint(1, [first]), [], batchJobId),
    reported(1, second, batchJobId),
  ];
  if (ahead) stream.splice(1, 2, ...stream.slice(1).reverse());
  story.say(begin);
  story.say(started(1, batchJobId), seconds);
  for (const [index, event] of stream.entries()) story.say(event, seconds * (index + 2));
  story.say(failed(1, failure, { random, evidence: { message: `it ran for ${seconds} s` } }), seconds * 6);
  return comparable(story.journal.entries);
}

describe("journals compared", () => {
  it.each<[string, Told]>([
    ["drivers' names", { driver: "digits-1-another" }],
    ["markets", { market: "spot-first" }],
    ["Batch jobs' ids", { batchJobId: "00000000-0000-4000-8000-000000000000" }],
    ["times", { seconds: 71 }],
    ["random draws", { random: 0 }],
    ["the order in which uploads and reports pass each other", { ahead: true }],
  ])("are the same whatever the %s", (_, other) => {
    expect(told(other)).toEqual(told({}));
  });

  it.each<[string, Told]>([
    ["a loss", { loss: 1.50002 }],
    ["a failure", { failure: "interrupted" }],
  ])("differ by %s", (_, other) => {
    expect(told(other)).not.toEqual(told({}));
  });

  it("have a line for each entry", () => {
    expect(told({})).toHaveLength(6);
  });
});
