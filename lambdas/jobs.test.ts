import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import * as z from "zod";
import { Aws } from "../aws/aws.ts";
import { Batch } from "../aws/batch.ts";
import { type Answered, AwsService, quickPatience, restError } from "../aws/testing/service.ts";
import { startBatchServer } from "../local/batch/server.ts";
import { BatchWorld } from "../local/testing/batch-world.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { BatchJobs } from "./batch-jobs.ts";
import { run } from "./testing/fake-world.ts";
import { jobsContract } from "./testing/jobs-contract.ts";

const freshFolder = temporaryFolders({ fast: true });
const until = 'echo "begun"\nwhile ! [ -e "$0.end" ]; do sleep 0.02; done\n';

const Submitted = z.object({ jobId: z.string() });

/** The functions' view of an emulated AWS Batch, over HTTP. */
async function deployedBatch(options: { maxVcpus?: number; startDelay?: number } = {}) {
  const folder = await freshFolder();
  const server = await startBatchServer({ stopDelay: 2000, ...options });
  onTestFinished(() => server.close());
  const tell = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await fetch(`${server.address}/v1/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    return await answer.json();
  };
  for (const market of ["spot", "on-demand"]) {
    await tell("createcomputeenvironment", { computeEnvironmentName: market, type: "MANAGED" });
    const order = [{ order: 1, computeEnvironment: market }];
    await tell("createjobqueue", {
      jobQueueName: `pawl-${market}`,
      priority: 1,
      computeEnvironmentOrder: order,
    });
  }
  const script = join(folder, "job.sh");
  await writeFile(script, until);
  const resourceRequirements = [
    { type: "VCPU", value: "1" },
    { type: "MEMORY", value: "128" },
  ];
  await tell("registerjobdefinition", {
    jobDefinitionName: "pawl-default-cpu",
    type: "container",
    containerProperties: { image: "none", command: ["sh", script], resourceRequirements },
  });
  const submit = async (attempt: number, market = "spot", name = `${run}-${attempt}`): Promise<string> => {
    const jobQueue = `pawl-${market}`;
    const submitted = await tell("submitjob", {
      jobName: name,
      jobQueue,
      jobDefinition: "pawl-default-cpu",
    });
    return Submitted.parse(submitted).jobId;
  };
  const service = await new AwsService(async ({ path, body }) => {
    const answer = await fetch(`${server.address}${path}`, { method: "POST", body });
    const type = answer.headers.get("x-amzn-errortype");
    return {
      status: answer.status,
      headers: type === null ? {} : { "x-amzn-errortype": type },
      body: await answer.text(),
    };
  }).start();
  const batch = new Batch(new Aws({ patience: quickPatience }));
  const describe = async (id: string) => (await batch.describe([id]))[0];
  const start = async (attempt: number) => {
    const id = await submit(attempt);
    await expect.poll(async () => (await describe(id))?.status).toBe("RUNNING");
    return id;
  };
  const finish = () => writeFile(`${script}.end`, "");
  return { jobs: new BatchJobs(batch, "pawl"), service, server, submit, start, finish, describe };
}

describe("AWS Batch, as the functions see it", () => {
  jobsContract(deployedBatch);

  it("finds what waits on either queue, and ends it before it has begun", async () => {
    const { jobs, submit } = await deployedBatch({ startDelay: 60_000, maxVcpus: 1 });
    await submit(1, "on-demand");
    await submit(2, "spot");
    const ref = { run, attempt: 2, batchJobId: undefined };
    await expect.poll(() => jobs.look(ref)).toEqual({ running: true, waiting: true });
    const one = { run, attempt: 1, batchJobId: undefined };
    await expect.poll(() => jobs.look(one)).toEqual({ running: true, waiting: false });
    expect(await jobs.end(ref, "Stopped by alice")).toMatchObject({
      running: false,
      caught: { error: "States.TaskFailed", cause: expect.stringContaining('"Stopped by alice"') },
    });
  });

  it("finds both jobs of a submission that was repeated, and no job of another attempt", async () => {
    const { jobs, submit, describe } = await deployedBatch();
    const [first, second] = [await submit(1), await submit(1)];
    const others = [await submit(11), await submit(1, "spot", `${run.toUpperCase()}-1`)];
    await jobs.end({ run, attempt: 1, batchJobId: undefined }, "Stopped by alice");
    for (const id of [first, second])
      await expect.poll(async () => (await describe(id))?.status).toBe("FAILED");
    for (const id of others) expect((await describe(id))?.status).not.toBe("FAILED");
  });

  it("tells of a failed job what a state machine would have caught, without what the job was given", async () => {
    const { jobs, server, start } = await deployedBatch();
    const batchJobId = await start(1);
    server.jobs.job(batchJobId).reclaim("i-0123456789abcdef0");
    const ref = { run, attempt: 1, batchJobId };
    await expect.poll(async () => (await jobs.look(ref)).running).toBe(false);
    const { caught, stoppedAt } = await jobs.look(ref);
    expect(stoppedAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
    expect(caught?.error).toBe("States.TaskFailed");
    const cause: unknown = JSON.parse(caught?.cause ?? "");
    expect(cause).toMatchObject({
      JobId: batchJobId,
      JobName: "digits-1-1",
      Status: "FAILED",
      StatusReason: "Host EC2 (instance i-0123456789abcdef0) terminated.",
      Attempts: [{ StatusReason: "Host EC2 (instance i-0123456789abcdef0) terminated." }],
    });
    expect(caught?.cause).not.toMatch(/environment|command/i);
  });

  it("keeps the first reason where an end is asked for again", async () => {
    const { jobs, start, describe } = await deployedBatch();
    const batchJobId = await start(1);
    const ref = { run, attempt: 1, batchJobId };
    await jobs.end(ref, "Stopped by alice");
    await jobs.end(ref, "Stopped by bob");
    await expect.poll(async () => (await describe(batchJobId))?.status).toBe("FAILED");
    expect((await describe(batchJobId))?.statusReason).toBe("Stopped by alice");
  });

  it.each<[string, Answered]>([
    ["is throttled", restError(429, "TooManyRequestsException", "Too Many Requests")],
    ["fails at the server", restError(500, "ServerException")],
    ["loses its connection", "lost"],
    ["loses the answer", "done-and-lost"],
  ])("is asked again where it %s", async (_, fault) => {
    const { jobs, service, start } = await deployedBatch();
    const batchJobId = await start(1);
    const ref = { run, attempt: 1, batchJobId: undefined };
    service.first(fault, fault, fault);
    expect(await jobs.look(ref)).toMatchObject({ running: true });
    const own = { run, attempt: 1, batchJobId };
    service.first(fault);
    await jobs.end(own, "Stopped by alice");
    await expect.poll(async () => (await jobs.look(ref)).running).toBe(false);
  });

  it("says which action was refused", async () => {
    const { jobs, service } = await deployedBatch();
    service.first(restError(403, "AccessDeniedException", "User: arn:x is not authorized"));
    await expect(jobs.look({ run, attempt: 1, batchJobId: "some" })).rejects.toMatchObject({
      code: "AWS_DENIED",
      message: expect.stringContaining("batch:DescribeJobs"),
      next: expect.stringContaining("Let them do batch:DescribeJobs"),
    });
  });
});

describe("the Batch of a machine of one's own", () => {
  jobsContract(async () => {
    const folder = await freshFolder();
    const end = join(folder, "end");
    const script = `echo begun\nwhile ! [ -e "${end}" ]; do sleep 0.02; done\necho 1 > "$PAWL_CHECKPOINT_DIR/model"\n`;
    const world = await BatchWorld.make(folder, script, { epochs: 1 });
    return {
      jobs: world.batch,
      async start(attempt) {
        world.submit(attempt).catch(() => {});
        await world.saying("begun");
        return world.updates[0]?.jobId ?? "";
      },
      finish: () => writeFile(end, ""),
    };
  });
});
