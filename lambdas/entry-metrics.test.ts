import { beforeEach, describe, expect, it } from "vitest";
import type { RunState } from "../core/run-state.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { type EntryMetric, entryMetrics } from "./entry-metrics.ts";
import { FakeWorld, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
});

/** All that the run's entries add up to, by the metrics' names. */
async function counted(): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  let before: RunState | undefined;
  for (const entry of await world.journal()) {
    for (const { name, value } of entryMetrics(entry, before)) found[name] = [...(found[name] ?? []), value];
    before = entry.state;
  }
  return found;
}

describe("what journal entries add to the metrics", () => {
  it("is each committed epoch once, and what its report says", async () => {
    await world.open("a");
    await world.claim();
    await world.save(1);
    await world.report(1, { report: { epoch: 1, metrics: { loss: 0.25 }, examples: 100, seconds: 4 } });
    await world.commit(1);
    await world.train(2);
    expect(await counted()).toEqual({ Loss: [0.25, 2], ExamplesPerSecond: [25], Epochs: [1, 1] });
  });

  it("is what a checkpoint says of a segment's last epoch, which nobody reports beforehand", async () => {
    await world.open("a");
    await world.claim();
    await world.save(1);
    await world.commit(1);
    await world.save(2, 1, { loss: 0.5 });
    await world.report(2, { report: { epoch: 2, metrics: { loss: 0.5 }, seconds: 1 } });
    await world.commit(2);
    expect(await counted()).toEqual({ Loss: [1, 0.5], Epochs: [1, 1] });
  });

  it("is lost time and a recovery, and one failure where the run gives up", async () => {
    await world.open("a", {
      job: {
        name: "digits",
        command: ["x"],
        epochs: 3,
        retry: { failuresWithoutProgress: 2, baseDelay: "0s" },
      },
    });
    for (const attempt of [1, 2]) {
      const batchJobId = `job-${attempt}`;
      await world.claim({ attempt, batchJobId });
      await world.leaveOutcome(
        { result: "user-exception", endedAt: "2026-11-21T10:01:00.000Z" },
        batchJobId,
        attempt,
      );
      const Cause = JSON.stringify({ JobId: batchJobId, StatusReason: "Essential container in task exited" });
      const state = await world.state();
      await world.recover({ Error: "States.TaskFailed", Cause }, { attempt, sequence: state?.sequence ?? 0 });
      await world.open("a", { run });
    }
    const { Recoveries, Failures, LostSeconds } = await counted();
    expect({ Recoveries, Failures }).toEqual({ Recoveries: [1], Failures: [1] });
    expect(LostSeconds?.every((seconds) => seconds > 0)).toBe(true);
    expect((await world.state())?.status).toBe("failed");
  });

  it.each(["NaN", "Infinity"])(
    "is nothing for a loss of %s, which CloudWatch does not take",
    async (loss) => {
      await world.open("a", {
        job: { name: "digits", command: ["x"], epochs: 3, numeric: { after: "ignore" } },
      });
      await world.claim();
      await world.report(1, { report: { epoch: 1, metrics: { loss }, seconds: 1 } });
      expect(await counted()).not.toHaveProperty("Loss");
    },
  );

  it("is the cost of an attempt when it is over, in USD", () => {
    const withCost = (usd: number): RunState => ({ ...aState, cost: { usd, hours: {} } });
    const decision = { kind: "swept" as const, reason: "its driver is gone" };
    const metric = (usd: number, before: number): EntryMetric[] =>
      entryMetrics({ event: swept, decision, state: withCost(usd) }, withCost(before));
    expect(metric(1.5, 1)).toEqual([{ name: "CostUsd", unit: "NoUnit", value: 0.5 }]);
    expect(metric(1.5, 1.5)).toEqual([]);
  });
});

const swept = {
  type: "sweep" as const,
  run,
  holder: { alive: false, who: "nobody" },
  evidence: [],
};
const aState: RunState = {
  version: 1,
  run,
  sequence: 2,
  status: "interrupted",
  job: { digest: "a".repeat(64), sequence: 1 },
  startedAt: "2026-11-21T10:00:00.000Z",
  generation: 1,
  driver: { id: "a", execution: "a" },
  turns: 1,
  next: { action: "done", run, sequence: 1, generation: 1, reason: "x" },
  progress: { epoch: 1, examples: 0, trainedSeconds: 0 },
  recent: [],
  kept: [],
  dropped: [],
  live: [],
  nextAttempt: 2,
  failures: { withoutProgress: 0, total: 0, recent: [] },
  recoveries: 0,
  lostSeconds: 0,
};
