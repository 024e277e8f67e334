import { describe, expect, it } from "vitest";
import type { Origin } from "../checkpoint-source.ts";
import { aCheckpoint, aJob, aReport, commits, failed, opens, reported, started } from "../testing/events.ts";
import { ModelJournal } from "../testing/model-journal.ts";

const origin: Origin = { run: "base-1", checkpoint: "7-2", digest: "b".repeat(64) };
const job = aJob({ checkpoint: { from: "base-1@7" } });

/** A run that has just begun from another one's checkpoint. */
function begun(): ModelJournal {
  const journal = new ModelJournal();
  journal.submit(opens("first", { job, origin }));
  return journal;
}

const assignment = (journal: ModelJournal, attempt: number): unknown => {
  const { reply } = journal.submit(started(attempt)).decision;
  return reply.action === "begin" ? reply.assignment : reply;
};

describe("what a run begins from", () => {
  it("is given to every attempt until an epoch is committed, and to none after it", () => {
    const journal = begun();
    for (const attempt of [1, 2, 3]) {
      expect(assignment(journal, attempt)).toMatchObject({ origin, plan: { epoch: 1 } });
      journal.submit(reported(attempt, aReport(1)));
      if (attempt < 3) journal.submit(failed(attempt, "spot-reclaim"));
    }
    journal.submit(commits(aCheckpoint(3, [aReport(1)])));
    journal.submit(failed(3, "spot-reclaim"));
    const last = assignment(journal, 4);
    expect(last).toMatchObject({ restore: "1-3", plan: { epoch: 2 } });
    expect(last).not.toHaveProperty("origin");
  });

  it("is told in the reason of each decision that begins from it", () => {
    const journal = begun();
    const reasons = [journal.head?.state.origin, journal.submit(failed(1, "spot-reclaim")).decision];
    expect(reasons[0]).toEqual(origin);
    expect(reasons[1]).toMatchObject({
      reason: expect.stringContaining("from checkpoint 7-2 of run base-1"),
    });
  });

  it("is what an open brings that changes the job before the first commit, and nothing after it", () => {
    const other: Origin = { place: "./pretrained", files: 1, sizeBytes: 7, digest: "c".repeat(64) };
    const changed = { job: aJob({ checkpoint: { from: "./pretrained" } }), acceptChanges: true };
    const journal = begun();
    journal.submit(opens("second", { ...changed, origin: other }));
    expect(journal.head?.state.origin).toEqual(other);
    journal.submit(opens("third", { job: aJob(), acceptChanges: true }));
    expect(journal.head?.state.origin).toBeUndefined();
    journal.submit(opens("fourth", { job, origin, acceptChanges: true }));
    const attempt = journal.head?.state.live[0]?.number ?? 0;
    journal.submit(started(attempt));
    journal.submit(reported(attempt, aReport(1)));
    journal.submit(commits(aCheckpoint(attempt, [aReport(1)])));
    journal.submit(opens("fifth", { ...changed, origin: other }));
    expect(journal.head?.state.origin).toEqual(origin);
  });

  it("ends the run at once where it is not there, however many failures are left", () => {
    const journal = begun();
    journal.submit(started(1));
    const { decision } = journal.submit(failed(1, "starting-checkpoint"));
    expect(decision.reply).toMatchObject({ action: "failed", error: "Pawl.starting-checkpoint" });
    expect(journal.head?.state).toMatchObject({ status: "failed", failures: { total: 1 }, live: [] });
  });
});
