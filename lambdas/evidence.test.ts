import { beforeEach, describe, expect, it } from "vitest";
import { driverGoneReason } from "../core/driver-gone.ts";
import { logKey } from "../core/keys.ts";
import type { Outcome } from "../core/outcome.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { readLogTail } from "./log-tail.ts";
import type { JobSight } from "./ports.ts";
import { FakeWorld, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  await world.open("a");
  await world.claim();
});

const exited = {
  Error: "States.TaskFailed",
  Cause: JSON.stringify({
    JobId: "job-a",
    Status: "FAILED",
    StatusReason: "Essential container in task exited",
    Container: { ExitCode: 1 },
  }),
};

const evidence = async () => {
  const event = (await world.journal()).at(-1)?.event;
  return event?.type === "failed" ? event.evidence : undefined;
};

const log = (part: number, text: string) => world.store.create(logKey(run, 1, "job-a", part), text);

describe("the evidence on an attempt that failed", () => {
  it("has what its diagnosis rests on, from Batch's fields", async () => {
    const StatusReason = "Host EC2 (instance i-0abc12) terminated.";
    await world.recover({ ...exited, Cause: JSON.stringify({ JobId: "job-a", StatusReason }) });
    expect(await evidence()).toMatchObject({
      class: "spot-reclaim",
      confidence: "high",
      signs: [{ where: "StatusReason", text: StatusReason }],
      instance: "i-0abc12",
    });
  });

  it("has it from the end of its log, where it left no account of its end", async () => {
    await log(1, "epoch 1\n");
    await log(2, 'Traceback (most recent call last):\n  File "/a/train.py", line 7, in f\n');
    await log(3, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n");
    await world.recover(exited);
    expect(await evidence()).toMatchObject({
      class: "gpu-oom",
      confidence: "medium",
      place: "OutOfMemoryError at train.py:7",
      signs: [{ where: "log" }, { where: "Container.ExitCode", text: "exit code 1" }],
    });
  });

  it("has it from its own account, with the place, and then reads no log", async () => {
    await log(1, "RuntimeError: CUDA out of memory.\n");
    const own: Partial<Outcome> = {
      confidence: "medium",
      place: "KeyError at train.py:3",
      signs: [{ where: "log", text: "KeyError: 1" }],
    };
    await world.leaveOutcome({ result: "user-exception", message: "the trainer exited with code 1", ...own });
    await world.recover(exited);
    expect(await evidence()).toMatchObject({ class: "user-exception", ...own });
  });

  it.each([
    ["another run", { run: "digits-2" }],
    ["another attempt", { attempt: 2 }],
    ["another Batch job", { batchJobId: "job-b" }],
  ])("does not believe an account of %s", async (_, other) => {
    const outcome = {
      version: 1,
      run,
      attempt: 1,
      batchJobId: "job-a",
      result: "gpu-oom",
      message: "no",
      logTail: [],
      startedAt: "2026-11-21T10:00:00.000Z",
      endedAt: "2026-11-21T10:00:01.000Z",
      ...other,
    };
    await world.store.create(`attempts/${run}/1/job-a/outcome.json`, JSON.stringify(outcome));
    await world.recover(exited);
    expect(await evidence()).toMatchObject({ class: "unknown" });
  });

  it("does not excuse it by what its log says of the platform", async () => {
    await log(1, "Host EC2 (instance i-0abc12) terminated.\nCaught SIGTERM, exiting\n");
    await world.recover(exited);
    expect(await evidence()).toMatchObject({ class: "unknown", confidence: "low" });
  });
});

describe("the evidence on an attempt that nobody watched", () => {
  const stopped = (job: Record<string, unknown>) => ({
    error: "States.TaskFailed",
    cause: JSON.stringify({ JobId: "job-a", Status: "FAILED", ...job }),
  });

  /** Another driver takes over, and finds the job as Batch describes it. */
  const takenOver = async (sight: JobSight) => {
    world.alive.delete("a");
    const look = async () => sight;
    await world.open("b", undefined, world.ports(world.store, { jobs: { look, end: look } }));
    const event = (await world.journal()).at(-1)?.event;
    return event?.type === "open" ? event.evidence[0] : undefined;
  };

  it("is what Batch says of its end", async () => {
    const caught = stopped({ StatusReason: "Host EC2 (instance i-0abc12) terminated." });
    expect(await takenOver({ running: false, caught })).toMatchObject({
      class: "spot-reclaim",
      message: "Host EC2 (instance i-0abc12) terminated.",
    });
  });

  it("is the end of its log, where Batch has no reason", async () => {
    await log(1, "RuntimeError: CUDA out of memory.\n");
    const caught = stopped({
      StatusReason: "Essential container in task exited",
      Container: { ExitCode: 1 },
    });
    expect(await takenOver({ running: false, caught })).toMatchObject({ class: "gpu-oom" });
  });

  it("is that its driver was gone, where it was ended for that, whatever its exit code", async () => {
    const caught = stopped({ StatusReason: driverGoneReason, Container: { ExitCode: 137 } });
    expect(await takenOver({ running: false, caught })).toMatchObject({
      class: "interrupted",
      confidence: "high",
      message: "its driver was gone, and it was ended",
    });
  });

  it.each([
    ["nothing is said of its end", { running: false }],
    [
      "it still runs",
      { running: true, caught: { error: "States.TaskFailed", cause: '{"Status":"RUNNING"}' } },
    ],
  ])("is that its driver was gone, where %s", async (_, sight) => {
    expect(await takenOver(sight)).toMatchObject({
      class: "interrupted",
      message: "its driver was gone, and it was ended",
    });
  });

  it("is no failure's where Batch says that it succeeded", async () => {
    const caught = { error: "States.TaskFailed", cause: '{"JobId":"job-a","Status":"SUCCEEDED"}' };
    expect(await takenOver({ running: false, caught })).toMatchObject({
      class: "unknown",
      message: "the attempt ended well, but its segment is not committed",
    });
  });
});

describe("the end of an attempt's log", () => {
  const tail = () => readLogTail(world.store, run, 1, "job-a");

  it("is nothing where there is none", async () => {
    expect(await tail()).toEqual([""]);
  });

  it.each([1, 2, 63, 64, 65, 999, 1000, 1001, 2500, 3001])("is found behind %i parts", async (count) => {
    const parts = [...new Set([1, Math.ceil(count / 2), count - 1, count].filter((part) => part > 0))];
    for (const part of parts) await log(part, `part ${part}\n`);
    expect((await tail()).at(-2)).toBe(`part ${count}`);
  });

  it("is at most 64 KiB, and no more than 64 parts", async () => {
    await log(1, "first\n");
    await log(2, `${"x".repeat(200_000)}\nlast`);
    expect((await tail()).join("\n").length).toBe(65_536);
    for (let part = 3; part < 80; part += 1) await log(part, `${part}\n`);
    expect((await tail()).length).toBeLessThanOrEqual(65);
  });
});
