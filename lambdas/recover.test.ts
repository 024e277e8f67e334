import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { saveCheckpoint } from "../store/checkpoints.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { FakeWorld, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  await world.open("a");
});

/** A failed job as Step Functions gives it: with all that nobody looks at, and the job's own words in it. */
const failedJob = (more: Record<string, unknown>, JobId = "job-a") => ({
  Error: "States.TaskFailed",
  Cause: JSON.stringify({
    JobArn: `arn:aws:batch:eu-central-1:123456789012:job/${JobId}`,
    JobId,
    JobName: "digits-1-1",
    JobQueue: "arn:aws:batch:eu-central-1:123456789012:job-queue/pawl-spot",
    Status: "FAILED",
    Attempts: [
      {
        Container: {
          ContainerInstanceArn: "arn:aws:ecs:…",
          LogStreamName: "pawl/default/1",
          NetworkInterfaces: [],
        },
      },
    ],
    CreatedAt: 1795255200000,
    StartedAt: 1795255260000,
    StoppedAt: 1795255320000,
    RetryStrategy: { Attempts: 1, EvaluateOnExit: [] },
    Container: { Environment: [{ Name: "NOTE", Value: "Host EC2 (instance i-0) terminated." }] },
    ...more,
  }),
});

const recorded = async () => (await world.state())?.failures.recent.at(-1);

describe("Recover", () => {
  it.each([
    ["a spot reclaim", failedJob({ StatusReason: "Host EC2 (instance i-0a1b) terminated." }), "spot-reclaim"],
    [
      "memory that ran out",
      failedJob({
        StatusReason: "Essential container in task exited",
        Container: { ExitCode: 137, Reason: "OutOfMemoryError: Container killed due to memory usage" },
      }),
      "container-oom",
    ],
    ["a time limit", failedJob({ StatusReason: "Job attempt duration exceeded timeout" }), "job-timeout"],
    [
      "an exit code",
      failedJob({ StatusReason: "Essential container in task exited", Container: { ExitCode: 139 } }),
      "segfault/native-crash",
    ],
    ["nothing but a status", failedJob({}), "unknown"],
    ["a cause that is no JSON", { Error: "States.TaskFailed", Cause: "Job failed {" }, "sfn-error"],
    ["a cause that is JSON of something else", { Error: "States.TaskFailed", Cause: "[null]" }, "sfn-error"],
    [
      "fields of other types",
      { Error: "States.TaskFailed", Cause: '{"JobId": 7, "Container": "none"}' },
      "unknown",
    ],
    ["no cause", { Error: "States.TaskFailed" }, "sfn-error"],
    ["a timeout", { Error: "States.Timeout" }, "job-timeout"],
    [
      "throttling",
      { Error: "Batch.TooManyRequestsException", Cause: "Rate exceeded" },
      "batch-api-throttled",
    ],
  ])("names %s, and starts another attempt or waits", async (_, error, name) => {
    await world.claim();
    const next = await world.recover(error);
    expect(["train", "wait"]).toContain(next.action);
    expect(await recorded()).toMatchObject({ attempt: 1, class: name });
    expect((await world.journal()).at(-1)?.event).toMatchObject({
      type: "failed",
      evidence: { class: name },
    });
  });

  it("believes the attempt's own account first", async () => {
    await world.claim();
    await world.leaveOutcome({ result: "user-exception", message: "the trainer exited with code 3" });
    await world.recover(failedJob({ Container: { ExitCode: 10 } }));
    expect(await recorded()).toMatchObject({
      class: "user-exception",
      message: "the trainer exited with code 3",
    });
  });

  it.each(["", "{", '{"version": 1}', "null"])(
    "goes by Batch's words where the account is '%s'",
    async (text) => {
      await world.claim();
      await world.store.create(`attempts/${run}/1/job-a/outcome.json`, text);
      await world.recover(failedJob({ StatusReason: "Host EC2 (instance i-0) terminated." }));
      expect(await recorded()).toMatchObject({ class: "spot-reclaim" });
    },
  );

  it("gives up where trying again would not help", async () => {
    await world.claim();
    await world.leaveOutcome({ result: "no-checkpoint", message: "no file" });
    const next = await world.recover(failedJob({ Container: { ExitCode: 11 } }));
    expect(next).toMatchObject({ action: "failed", error: "Pawl.no-checkpoint" });
    expect(await world.recover(failedJob({ Container: { ExitCode: 11 } }))).toEqual(next);
  });

  it("adopts a complete checkpoint that nobody committed, whether its report was answered or not", async () => {
    await world.train(1);
    await world.save(2);
    await world.recover(failedJob({ StatusReason: "Host EC2 (instance i-0) terminated." }));
    expect(await world.state()).toMatchObject({
      progress: { epoch: 2 },
      live: [{ number: 2, restore: "2-1" }],
      recent: [{ report: { epoch: 1 } }, { report: { epoch: 2 }, checkpoint: "2-1" }],
    });
  });

  it("leaves a checkpoint whose manifest is damaged where it is", async () => {
    await world.train(1);
    await world.store.create(`checkpoints/${run}/2-1/manifest.json`, "{}");
    await world.recover(failedJob({}));
    expect(await world.state()).toMatchObject({ progress: { epoch: 1 }, live: [{ restore: "1-1" }] });
  });

  it("goes back behind a damaged checkpoint, and fails where none is left", async () => {
    await world.train(2);
    await world.recover(failedJob({}));
    await world.claim({ attempt: 2, batchJobId: "job-2" });
    const damaged = (name: string, attempt: number) =>
      world.leaveOutcome(
        { result: "checkpoint-corrupt", message: "damaged", damaged: name },
        `job-${attempt}`,
        attempt,
      );
    await damaged("2-1", 2);
    await world.recover(failedJob({}, "job-2"), { attempt: 2 });
    expect(await world.state()).toMatchObject({
      progress: { epoch: 1 },
      live: [{ number: 3, restore: "1-1" }],
    });
    await world.claim({ attempt: 3, batchJobId: "job-3" });
    await damaged("1-1", 3);
    expect(await world.recover(failedJob({}, "job-3"), { attempt: 3 })).toMatchObject({
      action: "failed",
      error: "Pawl.checkpoint-corrupt",
    });
  });

  it("waits for the Batch job that has the assignment, where the one that failed was its duplicate", async () => {
    await world.claim();
    world.running.add("job-a");
    await world.leaveOutcome({ result: "duplicate", message: "taken", winner: "job-a" }, "job-b");
    const duplicate = failedJob({ Container: { ExitCode: 18 } }, "job-b");
    expect(await world.recover(duplicate)).toMatchObject({ action: "wait", wait: { seconds: 5 } });
    expect((await world.state())?.live).toMatchObject([{ number: 1, batchJobId: "job-a" }]);
    expect(await world.open("a")).toMatchObject({ action: "wait" });
    await world.train(3);
    world.running.clear();
    expect(await world.open("a")).toMatchObject({ action: "done" });
    expect(world.ended).toEqual([]);
  });

  it("tells a state machine whose run another drives that it is over", async () => {
    await world.open("b", { run });
    const before = await world.kinds();
    expect(await world.recover(failedJob({}))).toMatchObject({ action: "failed", error: "Pawl.Superseded" });
    expect(await world.kinds()).toEqual(before);
  });

  it("answers a repeated question the same, and journals it once", async () => {
    await world.claim();
    const first = await world.recover(failedJob({}));
    expect(await world.recover(failedJob({}))).toEqual(first);
    expect((await world.kinds()).filter((kind) => kind === "recovered" || kind === "waiting")).toHaveLength(
      1,
    );
  });
});

describe("a checkpoint that is there before the run began", () => {
  it("is not adopted, though its name is that of a live attempt's: a copy has brought it", async () => {
    await world.train(1);
    const folder = join(await freshFolder(), "files");
    await mkdir(folder);
    await writeFile(join(folder, "model.txt"), "of another run of this name");
    await saveCheckpoint(world.store, {
      run,
      attempt: 1,
      epoch: 2,
      folder,
      jobDigest: "d".repeat(64),
      at: "2026-11-20T10:00:00.000Z",
      reports: [{ epoch: 2, metrics: {}, seconds: 1 }],
    });
    await world.leaveOutcome({});
    await world.recover({ Error: "States.TaskFailed" });
    const state = await world.state();
    expect(state?.progress.epoch).toBe(1);
    expect(state?.kept.map(({ name }) => name)).toEqual(["1-1"]);
  });
});
