import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import type { ReviewReply } from "../core/answers.ts";
import { LocalBatch } from "./batch.ts";
import { StateError } from "./interpreter.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const request = {
  JobName: "digits-1-1",
  JobQueue: "queue",
  JobDefinition: "definition",
  ContainerOverrides: {
    Environment: [
      { Name: "PAWL_RUN", Value: "digits-1" },
      { Name: "PAWL_ATTEMPT", Value: "1" },
      { Name: "PAWL_SEQUENCE", Value: "1" },
    ],
  },
};

const JobDetail = z.object({
  JobId: z.string(),
  JobName: z.string(),
  Status: z.string(),
  StatusReason: z.string(),
  StartedAt: z.number(),
  StoppedAt: z.number(),
  Container: z.object({ ExitCode: z.number().optional() }),
  Attempts: z.array(z.object({ StatusReason: z.string() })).length(1),
});

interface Scene {
  readonly batch: LocalBatch;
  readonly statuses: string[];
  readonly scratch: string;
  /** The job's detail, from the cause that the state machine would catch. */
  failure(): Promise<z.infer<typeof JobDetail>>;
}

async function scene(review: (payload: unknown) => Promise<ReviewReply>): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-batch-"));
  folders.push(folder);
  const scratch = join(folder, "scratch");
  const statuses: string[] = [];
  const batch = new LocalBatch({
    scratch,
    storeAddress: join(folder, "store"),
    review,
    onUpdate: ({ status }) => statuses.push(status),
  });
  return {
    batch,
    statuses,
    scratch,
    async failure() {
      const thrown = await batch.submitAndWait(request).catch((error: unknown) => error);
      if (!(thrown instanceof StateError)) throw new Error(`not a state's error: ${String(thrown)}`);
      expect(thrown.error).toBe("States.TaskFailed");
      return JobDetail.parse(JSON.parse(thrown.cause));
    },
  };
}

const leave: ReviewReply = { answer: { action: "leave", sequence: 1, reason: "it is not live" } };

/** A Review that never answers, and says when it was first asked. */
function silent() {
  const asked = Promise.withResolvers<void>();
  const review = (): Promise<ReviewReply> => {
    asked.resolve();
    return new Promise(() => {});
  };
  return { review, asked: asked.promise };
}

describe("Batch on this machine", () => {
  it("takes a job through Batch's states, and describes a failed one as Batch does", async () => {
    const it_ = await scene(async () => leave);
    const detail = await it_.failure();
    expect(it_.statuses).toEqual(["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "FAILED"]);
    expect(detail).toMatchObject({
      JobName: "digits-1-1",
      Status: "FAILED",
      StatusReason: "Essential container in task exited",
      Container: { ExitCode: 18 },
    });
    expect(detail.StoppedAt).toBeGreaterThanOrEqual(detail.StartedAt);
    expect(await readdir(it_.scratch)).toEqual([]);
  });

  it("says of a host that was reclaimed that it terminated, with no exit code", async () => {
    const { review, asked } = silent();
    const it_ = await scene(review);
    void asked.then(() => it_.batch.reclaim("i-0abc"));
    const detail = await it_.failure();
    expect(detail.StatusReason).toBe("Host EC2 (instance i-0abc) terminated.");
    expect(detail.Container.ExitCode).toBeUndefined();
  });

  it("ends a job that is terminated, and knows which jobs run", async () => {
    const { review, asked } = silent();
    const it_ = await scene(review);
    const failed = it_.failure();
    await asked;
    const job = { run: "digits-1", attempt: 1, batchJobId: undefined };
    expect(await it_.batch.look(job)).toEqual({ running: true });
    expect(await it_.batch.look({ ...job, attempt: 2 })).toEqual({ running: false });
    expect(await it_.batch.end(job, "its driver is gone")).toMatchObject({ running: false });
    expect((await failed).Container.ExitCode).toBe(143);
    expect(await it_.batch.look(job)).toEqual({ running: false });
  });

  it("starts nothing any more once it is closing", async () => {
    const it_ = await scene(async () => leave);
    await it_.batch.close();
    await expect(it_.batch.submitAndWait(request)).rejects.toBeInstanceOf(StateError);
  });
});
