import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { TrainingJobInput } from "../core/job.ts";
import { outcomeKey } from "../core/keys.ts";
import type { Outcome } from "../core/outcome.ts";
import { removeCheckpoint, saveCheckpoint } from "../store/checkpoints.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { run as baseRun, FakeWorld, job } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;
let folder: string;

/** A run of three epochs, its best one the first, is there to begin from. */
beforeEach(async () => {
  const root = await freshFolder();
  world = await FakeWorld.make(root);
  folder = join(root, "job");
  await mkdir(join(folder, "pretrained"), { recursive: true });
  await writeFile(join(folder, "pretrained", "model.txt"), "weights");
  const best = { metric: "loss", mode: "min" } as const;
  await world.open("base", { job: { ...job, checkpoint: { keep: 2, best } } });
  await world.train(3);
});

const tune = "tune-1";
const tuning = (from: unknown): unknown => ({ ...job, name: "tune", checkpoint: { from } });
const open = (from: unknown, driver = "t", more: Record<string, unknown> = {}) =>
  world.open(driver, { run: tune, job: tuning(from), source: { folder }, ...more });
const claim = async (attempt = 1) =>
  (await world.claim({ run: tune, attempt, batchJobId: `tune-${attempt}` })).answer;
const origin = async (attempt = 1): Promise<unknown> => {
  const answer = await claim(attempt);
  return answer.action === "begin" ? answer.assignment.origin : answer;
};

const at = "2026-11-21T10:00:00.000Z";

const saveFirst = () =>
  saveCheckpoint(world.store, {
    run: tune,
    attempt: 1,
    epoch: 1,
    folder: join(folder, "pretrained"),
    jobDigest: "d".repeat(64),
    at,
    reports: [{ epoch: 1, metrics: {}, seconds: 1 }],
  });

describe("Open, of a run that begins from a checkpoint", () => {
  it.each([
    [baseRun, "3-1"],
    [`${baseRun}@last`, "3-1"],
    [`${baseRun}@best`, "1-1"],
    [`${baseRun}@2`, "2-1"],
    [{ run: baseRun, epoch: "best" }, "1-1"],
  ])("finds %j and gives it to the attempt that trains epoch 1", async (from, checkpoint) => {
    expect(await open(from)).toMatchObject({ action: "train" });
    const answer = await claim();
    expect(answer).toMatchObject({
      assignment: { plan: { epoch: 1 }, origin: { run: baseRun, checkpoint, digest: expect.any(String) } },
    });
    expect(answer).not.toHaveProperty("assignment.restore");
  });

  it.each([
    [{ run: baseRun, epoch: 2, store: "../store" }, "../store"],
    [`../store/checkpoints/${baseRun}/2-1`, "../store"],
  ])("finds it in the store that %j names", async (from, store) => {
    await open(from);
    const digest = expect.any(String);
    expect(await origin()).toEqual({ store, run: baseRun, checkpoint: "2-1", digest });
  });

  it("finds it from within the store's own folders", async () => {
    await open("./2-1", "t", { source: { folder: join(world.store.address, "checkpoints", baseRun) } });
    expect(await origin()).toMatchObject({ store: world.store.address, checkpoint: "2-1" });
  });

  it("finds a folder, and journals what is in it", async () => {
    await open("./pretrained");
    expect(await origin()).toEqual({
      place: "./pretrained",
      files: 1,
      sizeBytes: 7,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each<[from: unknown, ...words: string[]]>([
    ["nobody-1", "there is no run nobody-1 in", "it has digits-1"],
    [`${baseRun}@7`, "no checkpoint of epoch 7: it has those of epochs 1, 2, 3"],
    ["./absent", "there is no folder", "/job/absent"],
    [{ run: baseRun, store: "./absent" }, "there is no store at", "/job/absent"],
    ["../store/checkpoints/digits-1/9-1", "checkpoint 9-1 of run digits-1", "has no manifest"],
  ])("refuses %j, naming the field and what there is, and begins nothing", async (from, ...words) => {
    const refused = await open(from);
    expect(refused).toMatchObject({ action: "failed", error: "Pawl.CheckpointNotFound" });
    for (const word of ["checkpoint.from", ...words])
      expect(refused).toHaveProperty("cause", expect.stringContaining(word));
    expect(await world.ports().journal.newest(tune)).toBeUndefined();
  });

  it("refuses the best of a run that does not say what best means", async () => {
    await world.open("plain", { run: "plain-1", job });
    const refused = await open("plain-1@best");
    expect(refused).toMatchObject({
      cause: expect.stringContaining("no checkpoint known as its best: it has none"),
    });
  });

  it("refuses a relative folder where nobody says to what it is relative", async () => {
    const refused = await open("./pretrained", "t", { source: undefined });
    expect(refused).toMatchObject({ cause: expect.stringContaining("relative to the job file's folder") });
  });
});

describe("what a run begins from", () => {
  it("stays what it was found to be, for every attempt before the first commit", async () => {
    await open(`${baseRun}@last`);
    const first = await origin();
    await world.open("again", {
      run: baseRun,
      job: { ...job, epochs: 4, checkpoint: { keep: 2, best: { metric: "loss", mode: "min" } } },
      acceptChanges: true,
    });
    await world.train(4, 2, "job-b");
    await open(`${baseRun}@last`, "t2");
    expect(await origin(2)).toEqual(first);
    await world.open("t3", { run: tune });
    expect(await origin(3)).toEqual(first);
  });

  it("stays even where the source is gone: the attempt says so, and Open does not", async () => {
    await open(`${baseRun}@2`);
    await removeCheckpoint(world.store, baseRun, "2-1");
    expect(await open(`${baseRun}@2`, "t2")).toMatchObject({ action: "train", train: { attempt: 2 } });
    expect(await origin(2)).toMatchObject({ checkpoint: "2-1" });
  });

  it("is another once the job names another, where that is accepted and nothing is committed", async () => {
    await open(`${baseRun}@2`);
    expect(await open("./pretrained", "t2")).toMatchObject({
      error: "Pawl.JobChanged",
      cause: expect.stringContaining("checkpoint.from"),
    });
    expect(await open("./absent", "t3", { acceptChanges: true })).toMatchObject({
      error: "Pawl.CheckpointNotFound",
    });
    await open("./pretrained", "t4", { acceptChanges: true });
    expect(await origin(2)).toMatchObject({ place: "./pretrained" });
    const without: TrainingJobInput = { ...job, name: "tune" };
    await world.open("t5", { run: tune, job: without, acceptChanges: true });
    expect(await origin(3)).toBeUndefined();
  });

  it("is not looked at once an epoch is committed, whatever becomes of it", async () => {
    await open("./pretrained");
    await claim();
    const own = { run: tune, batchJobId: "tune-1" };
    await world.report(1, own);
    await saveFirst();
    expect((await world.commit(1, own)).answer.action).toBe("committed");
    await rm(join(folder, "pretrained"), { recursive: true });
    expect(await open("./pretrained", "t2")).toMatchObject({ action: "train" });
    const answer = await claim(2);
    expect(answer).toMatchObject({ assignment: { restore: "1-1", plan: { epoch: 2 } } });
    expect(answer).not.toHaveProperty("assignment.origin");
    // A name that is changed now is a change of the job, and no more than that.
    expect(await open("./absent", "t3")).toMatchObject({ error: "Pawl.JobChanged" });
    expect(await open("./absent", "t4", { acceptChanges: true })).toMatchObject({ action: "train" });
  });
});

describe("an attempt that finds nothing to begin from", () => {
  it("ends the run at once: no other attempt would find more", async () => {
    await open(`${baseRun}@2`);
    await claim();
    const outcome: Outcome = {
      version: 1,
      run: tune,
      attempt: 1,
      batchJobId: "tune-1",
      result: "starting-checkpoint",
      message: "checkpoint 2-1 of run digits-1 is not there any more",
      logTail: [],
      startedAt: at,
      endedAt: at,
    };
    await world.store.create(outcomeKey(tune, 1, "tune-1"), JSON.stringify(outcome));
    expect(await world.recover({ Error: "States.TaskFailed" }, { run: tune })).toMatchObject({
      action: "failed",
      error: "Pawl.starting-checkpoint",
      cause: expect.stringMatching(/not there any more.*Put back what 'checkpoint.from' names/s),
    });
  });
});
