import { describe, expect, it } from "vitest";
import { TrainingJob } from "../core/job.ts";
import { aJob, moment, opens, started } from "../core/testing/events.ts";
import { Story } from "../core/testing/story.ts";
import { openFolderStore } from "../store/folder.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { renderSummary, Summary, summarizeRun } from "./summary.ts";

const temporaryFolder = temporaryFolders();
const instance = { id: "i-1", type: "g5.xlarge", zone: "eu-west-1a", market: "spot", upSeconds: 0 } as const;

const running = (): Story => {
  const story = new Story();
  story.say(opens("a", { job: aJob({ budgetUsd: 5 }) }));
  story.say({ ...started(1), instance, price: { usdPerHour: 0.5, from: "table" } }, 0);
  return story;
};

describe("a summary", () => {
  it("says what the run has cost of its budget, the attempt that lives included", async () => {
    const job = TrainingJob.parse(aJob({ budgetUsd: 5 }));
    const summary = summarizeRun(running().state, job, "s3://runs", "training", moment(7200));
    expect(Summary.parse(summary).cost).toEqual({ usd: 1, hours: { spot: 2 }, budgetUsd: 5 });
    const store = await openFolderStore(await temporaryFolder());
    expect(renderSummary(summary, store)).toMatch(/cost +1 USD of 5 USD \(2 h 0 min on spot\)/);
  });

  it("counts no hours of an attempt that nobody drives any more", () => {
    const job = TrainingJob.parse(aJob());
    const summary = summarizeRun(running().state, job, "s3://runs", "interrupted", moment(7200));
    expect(summary.cost).toBeUndefined();
  });
});
