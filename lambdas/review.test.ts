import { beforeEach, describe, expect, it } from "vitest";
import type { TrainingJobInput } from "../core/job.ts";
import { aStretch, measures } from "../core/testing/events.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { FakeWorld, job, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  await world.open("a", { job, source: { folder: "/somewhere" } });
});

describe("Review, asked by an attempt", () => {
  it("gives the assignment to whoever claims it first, with the job and where its code is", async () => {
    expect(await world.claim()).toMatchObject({
      answer: { action: "begin", sequence: 2, assignment: { run, attempt: 1, plan: { epoch: 1 } } },
      job,
      source: { folder: "/somewhere" },
    });
  });

  it("tells a second Batch job of the same assignment who has it, whatever it sends", async () => {
    await world.claim();
    const before = await world.kinds();
    await world.save(1);
    for (const reply of [
      await world.claim({ batchJobId: "job-b" }),
      await world.report(1, { batchJobId: "job-b" }),
      await world.commit(1, { batchJobId: "job-b" }),
    ]) {
      expect(reply).toEqual({ answer: expect.objectContaining({ action: "leave", winner: "job-a" }) });
    }
    expect(await world.kinds()).toEqual(before);
  });

  it("answers what it answered already the same again, and journals it once", async () => {
    const asked = [
      () => world.claim(),
      () => world.report(1),
      () => world.commit(1),
      () => world.report(2),
      () => world.commit(2),
    ];
    for (const epoch of [1, 2]) await world.save(epoch);
    for (const ask of asked) {
      const first = await ask();
      expect(await ask()).toEqual(first);
    }
    expect(await world.kinds()).toEqual([
      "opened",
      "claimed",
      "reported",
      "committed",
      "reported",
      "committed",
    ]);
  });

  it("changes a batch size within an epoch by what was measured of it, and journals that once", async () => {
    const follows = { ...job, batchSize: { policy: "noise-scale" as const, start: 8, max: 64 } };
    const fresh = await FakeWorld.make(await freshFolder());
    await fresh.open("a", { job: follows });
    await fresh.claim();
    const { run: _run, batchJobId: _job, ...event } = measures(1, 1, [aStretch(8, 16)]);
    const first = await fresh.send(event);
    expect(first).toMatchObject({ answer: { action: "train", plan: { epoch: 1, batchSize: 16 } } });
    expect(await fresh.send(event)).toEqual(first);
    const { run: _again, batchJobId: _same, ...few } = measures(1, 1, [aStretch(8, 3)]);
    expect(await fresh.send(few)).toEqual(first);
    expect(await fresh.kinds()).toEqual(["opened", "claimed", "resized"]);
  });

  it("gives an old event that comes late the plan in force", async () => {
    await world.train(2);
    await world.report(3);
    const late = await world.report(1);
    expect(late.answer).toMatchObject({ action: "finish" });
    expect(await world.commit(1)).toMatchObject({ answer: { action: "committed" } });
    expect((await world.state())?.progress.epoch).toBe(2);
  });

  it("sends a zombie away, and nothing of it changes the run", async () => {
    await world.train(1);
    await world.open("b", { run });
    await world.save(2, 1);
    const before = await world.journal();
    for (const reply of [await world.claim(), await world.report(2), await world.commit(2)]) {
      expect(reply.answer).toMatchObject({ action: "leave", reason: expect.stringContaining("not live") });
    }
    expect(await world.journal()).toEqual(before);
  });

  it("commits by what the manifest says, not by what the attempt said", async () => {
    await world.claim();
    await world.save(1, 1, { loss: 0.25 });
    await world.report(1);
    await world.commit(1);
    expect((await world.state())?.recent).toMatchObject([
      { report: { metrics: { loss: 0.25 }, seconds: 2 } },
    ]);
  });

  it("refuses a checkpoint without a manifest, another's, and one of another epoch", async () => {
    await world.claim();
    await world.report(1);
    const refused = async (checkpoint: string, epoch = 1) => {
      const { answer } = await world.commit(epoch, { checkpoint });
      expect(answer.action).toBe("leave");
    };
    await refused("1-1");
    await world.save(1, 7);
    await refused("1-7");
    await world.save(2, 1);
    await refused("2-1");
    await refused("2-1", 2);
    expect((await world.state())?.progress.epoch).toBe(0);
    await world.save(1);
    expect((await world.commit(1)).answer.action).toBe("committed");
  });

  it("refuses a checkpoint without a manifest also where the trainer need not keep anything", async () => {
    const none: TrainingJobInput = { ...job, checkpoint: "none" };
    await world.open("n", { job: none, run: "none-1" });
    const own = { run: "none-1" };
    await world.claim(own);
    await world.report(1, own);
    const { answer } = await world.commit(1, { ...own, checkpoint: "1-1" });
    expect(answer).toMatchObject({ action: "leave", reason: expect.stringContaining("1-1 is not complete") });
    expect((await world.commit(1, { ...own, checkpoint: null })).answer.action).toBe("committed");
  });

  it("refuses an event that is none", async () => {
    await expect(world.send({ type: "sing" })).rejects.toThrow();
    await expect(world.report(0)).rejects.toThrow();
    await expect(world.commit(1, { checkpoint: "../../other/1-1" })).rejects.toThrow();
    expect(await world.kinds()).toEqual(["opened"]);
  });

  it("refuses an attempt of a run that there is not", async () => {
    await expect(world.claim({ run: "none-1" })).rejects.toThrow("has not been opened");
  });
});

describe("Review, asked by the state machine", () => {
  it("ends a run whose last epoch is committed", async () => {
    await world.train(3);
    const done = await world.trained();
    expect(done).toMatchObject({ action: "done", reason: "all 3 epochs are trained" });
    expect(await world.trained()).toEqual(done);
  });

  it("starts another attempt where the one before ended well and committed nothing", async () => {
    await world.open("other", { job: { ...job, segment: 1 }, run: "short-1" });
    const own = { run: "short-1" };
    await world.claim(own);
    expect((await world.report(1, own)).answer).toMatchObject({ action: "finish" });
    expect((await world.commit(1, { ...own, checkpoint: null })).answer.action).toBe("leave");
    // Nothing is committed, so this is no end that went well.
    const next = await world.trained({ run: "short-1" });
    expect(next).toMatchObject({ action: "train", train: { attempt: 2 } });
  });

  it("counts an attempt that exits with 0 and has neither trained nor said anything, and gives up in the end", async () => {
    let next = await world.trained();
    for (let attempt = 2; next.action === "train" && attempt < 20; attempt += 1) {
      next = await world.trained({ attempt, result: { jobId: `job-${attempt}` } });
    }
    expect(next).toMatchObject({
      action: "failed",
      error: "Pawl.unknown",
      cause: expect.stringContaining("failed 5 times"),
    });
    expect((await world.state())?.failures.recent.at(-1)?.message).toContain("not committed");
  });

  it("adopts what an attempt saved and did not commit before it exited with 0", async () => {
    await world.train(2);
    await world.save(3);
    await world.report(3);
    expect(await world.trained()).toMatchObject({ action: "done" });
    expect((await world.state())?.progress.epoch).toBe(3);
  });
});
