import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { JournalEntry } from "../core/journal-entry.ts";
import { journalKey } from "../core/keys.ts";
import { openRun } from "../lambdas/open.ts";
import { recoverRun } from "../lambdas/recover.ts";
import { reviewAttempt, reviewRun } from "../lambdas/review.ts";
import { sweepRuns } from "../lambdas/sweep.ts";
import { FakeWorld, job } from "../lambdas/testing/fake-world.ts";
import { checkDefinition, type Definition } from "../local/definition-check.ts";
import { runExecution } from "../local/interpreter.ts";
import { saveCheckpoint } from "../store/checkpoints.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";

/**
 * What the version before images, prices and several job definitions has written and asks for: a stack that is deployed
 * anew while runs are under way meets all of it.
 */
const fixtures = fileURLToPath(new URL("../test/fixtures/", import.meta.url));
const freshFolder = temporaryFolders({ fast: true });
const run = "before-1";
const batchJobId = "465d19d4-c0fc-4c8a-a4b8-1d2af01ff5ca";
const own = { run, attempt: 1, batchJobId };
const offers = { images: { default: "image:1" }, instanceTypes: ["g5.xlarge"], maxVcpus: 64 };
let world: FakeWorld;

const stack = () => ({ ...world.ports(), now: () => new Date(), offers });
const state = async () => (await world.ports().journal.newest(run))?.state;
const review = (event: object) => reviewAttempt(stack())({ sequence: 5, event: { ...own, ...event } });

async function texts(): Promise<string[]> {
  const folder = join(fixtures, "journals", "before-images");
  const names = (await readdir(folder)).sort();
  return await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
}

/** Saves an epoch as attempt 1 does. */
async function save(epoch: number, jobDigest: string): Promise<void> {
  const folder = join(world.root, "source-of-saves");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "model.txt"), `epoch ${epoch}`);
  const at = new Date().toISOString();
  const reports = [{ epoch, metrics: { loss: 0.01 / epoch }, seconds: 1 }];
  await saveCheckpoint(world.store, { run, attempt: 1, epoch, folder, jobDigest, at, reports });
}

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  for (const [index, text] of (await texts()).entries())
    await world.store.create(journalKey(run, index + 1), text);
});

describe("a journal of the version before", () => {
  it("is read as it is, each entry", async () => {
    const entries = (await texts()).map((text) => JournalEntry.parse(JSON.parse(text)));
    expect(entries.map(({ event }) => event.type)).toEqual(["open", "started", "report", "report", "commit"]);
    expect(entries.at(-1)?.state.next).toMatchObject({ train: { definition: "default-gpu" } });
  });

  it("is gone on from by the attempt that is under way: its next report and commit, to the end of the run", async () => {
    const digest = (await state())?.job.digest ?? "";
    await save(2, digest);
    const commit = { type: "commit", epoch: 2, checkpoint: "2-1", removed: [] };
    expect((await review(commit)).answer).toMatchObject({ action: "committed" });
    for (const epoch of [3, 4, 5, 6]) {
      await save(epoch, digest);
      const report = { epoch, metrics: { loss: 0.01 / epoch }, seconds: 1 };
      expect((await review({ type: "report", report })).answer).toMatchObject({
        action: epoch === 6 ? "finish" : "train",
      });
      const saved = { type: "commit", epoch, checkpoint: `${epoch}-1`, removed: [] };
      expect((await review(saved)).answer).toMatchObject({ action: "committed" });
    }
    const trained = { run, generation: 1, sequence: 1, attempt: 1, result: { jobId: batchJobId } };
    expect(await reviewRun(stack())({ trained })).toMatchObject({ action: "done" });
    expect(await state()).toMatchObject({ status: "finished", progress: { epoch: 6 } });
  });

  it("gives a claim that is repeated the answer that it was given", async () => {
    const { answer, job: told, source } = await review({ type: "started" });
    expect(answer).toMatchObject({ action: "begin", sequence: 2 });
    expect(told).toMatchObject({ name: "shell" });
    expect(source).toMatchObject({ folder: expect.any(String) });
  });

  it("is gone on from by Recover, whose attempt may be on another image's definition from now on", async () => {
    const Cause = JSON.stringify({ JobId: batchJobId, StatusReason: "Host EC2 (instance i-1) terminated." });
    const error = { Error: "States.TaskFailed", Cause };
    expect(await recoverRun(stack())({ run, generation: 1, sequence: 1, attempt: 1, error })).toMatchObject({
      action: "train",
      train: { attempt: 2, definition: "default-gpu", jobName: "before-1-2" },
    });
    expect(await state()).toMatchObject({ progress: { epoch: 1 }, live: [{ number: 2, restore: "1-1" }] });
  });

  it("is taken over by a stack, once its code is where instances can reach it", async () => {
    const driver = { id: "arn:aws:states:eu-west-1:1:execution:pawl-Runs:a", execution: "a" };
    const open = (more: object) => openRun(stack())({ input: { run, ...more }, driver });
    expect(await open({})).toMatchObject({ action: "failed", error: "Pawl.JobInvalid" });
    const source = { code: `code/${"a".repeat(64)}.tar.gz` };
    expect(await open({ source })).toMatchObject({ action: "train", generation: 2, train: { attempt: 2 } });
  });

  it("is settled by Sweep, whose driver is gone", async () => {
    const later = { ...stack(), now: () => new Date(Date.now() + 3_600_000) };
    expect(await sweepRuns(later)({})).toMatchObject({ answers: [{ action: "swept", run }], problems: [] });
    expect(await state()).toMatchObject({ status: "interrupted", live: [] });
  });
});

describe("an execution of the state machine of the version before", () => {
  async function previousDefinition(): Promise<Definition> {
    const definition: unknown = JSON.parse(
      await readFile(join(fixtures, "definitions", "before-images.json"), "utf8"),
    );
    checkDefinition(definition);
    return definition;
  }

  it("goes through all of it with the functions as they are now: another attempt, and the end", async () => {
    const definition = await previousDefinition();
    expect(JSON.stringify(definition)).not.toContain("train.definition");
    const submitted: unknown[] = [];
    const drive = (name: string, input: unknown) =>
      runExecution({
        definition,
        input,
        name,
        executionId: `arn:aws:states:eu-west-1:1:execution:pawl-Runs:${name}`,
        stateMachineId: "arn:aws:states:eu-west-1:1:stateMachine:pawl-Runs",
        signal: new AbortController().signal,
        onState: () => {},
        handlers: {
          Open: openRun(stack()),
          Review: reviewRun(stack()),
          Recover: recoverRun(stack()),
          Continue: async () => ({}),
          Train: async (parameters) => {
            submitted.push(parameters);
            const attempt = submitted.length;
            await world.claim({ attempt, batchJobId: `job-${attempt}` });
            if (attempt === 1) throw new Error("the host is gone");
            await world.train(3, attempt, `job-${attempt}`);
            return { JobId: `job-${attempt}`, Status: "SUCCEEDED" };
          },
        },
      });
    expect(await drive("a", { job })).toMatchObject({ status: "SUCCEEDED" });
    expect(submitted).toHaveLength(2);
    expect(submitted[1]).toMatchObject({ JobName: "digits-1-2", JobDefinition: "Pawl-Attempt" });
    expect(await world.state()).toMatchObject({ status: "finished", progress: { epoch: 3 } });
  });

  it("is refused with the words of pawl validate where its job is wrong", async () => {
    const definition = await previousDefinition();
    const Open = openRun(stack());
    const unused = async () => expect.unreachable("nothing is to be trained");
    const result = await runExecution({
      definition,
      input: { job: { ...job, epochs: 0 } },
      name: "a",
      executionId: "arn:aws:states:eu-west-1:1:execution:pawl-Runs:a",
      stateMachineId: "arn:aws:states:eu-west-1:1:stateMachine:pawl-Runs",
      signal: new AbortController().signal,
      onState: () => {},
      handlers: { Open, Review: unused, Recover: unused, Train: unused, Continue: unused },
    });
    expect(result).toMatchObject({
      status: "FAILED",
      error: "Pawl.JobInvalid",
      cause: expect.stringMatching(/epochs must be .*; it is 0/),
    });
  });
});
