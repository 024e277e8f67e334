import { describe, expect, it } from "vitest";
import { TrainingJob } from "../core/job.ts";
import { learn } from "../core/learn.ts";
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

  it("says which batch size follows what is measured, why it is not another, and what fitted into memory", async () => {
    const input = aJob({ batchSize: { start: 16, max: 512 } });
    const job = TrainingJob.parse(input);
    const story = new Story();
    story.say(opens("a", { job: input }));
    const timed = { stepSeconds: 0.01, steps: 3 };
    const stretch = { batchSize: 16, microBatchSize: 16, workers: 1, steps: 4, examples: 64, timed };
    const batch = learn(undefined, { epoch: 1, measured: { resizes: true, stretches: [stretch] } }, job);
    const state = {
      ...story.state,
      progress: { ...story.state.progress, ...(batch === undefined ? {} : { batch }) },
      memory: [
        { machine: "g5.xlarge", fits: 16, wall: 32, uses: [] },
        { machine: "p4d.24xlarge", fits: 512, uses: [] },
      ],
    };
    const summary = summarizeRun(state, job, "s3://runs", "training", moment(7200));
    expect(Summary.parse(summary)).toMatchObject({
      batchSize: { size: 16, changes: 0, reason: "batch size 16 held: 4 of 8 steps trained with it" },
      memory: [{ machine: "g5.xlarge", fits: 16, wall: 32 }],
    });
    const text = renderSummary(summary, await openFolderStore(await temporaryFolder()));
    expect(text).toMatch(/^ {2}batch size +16 after 0 changes; held: 4 of 8 steps trained with it$/m);
    expect(text).toMatch(/^ {2}micro-batch +16 fit, 32 did not fit \(g5\.xlarge\)$/m);
    const fixed = TrainingJob.parse(aJob({ batchSize: 16 }));
    expect(summarizeRun(state, fixed, "s3://runs", "training").batchSize).toBeUndefined();
  });
});
