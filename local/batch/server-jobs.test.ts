import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CancelJobCommand, TerminateJobCommand } from "@aws-sdk/client-batch";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryFolders } from "../../store/testing/temporary-folder.ts";
import { processesOf } from "./process-container.ts";
import { Account, shell, waiting } from "./testing/account.ts";

const freshFolder = temporaryFolders();

describe("a job", () => {
  it("is described as it was submitted, and as it ended", async () => {
    const account = await Account.make(shell("echo trained"));
    const job = await account.ended(await account.submit({ tags: { team: "vision" } }));
    const started = { startedAt: expect.any(Number), stoppedAt: expect.any(Number) };
    const container = { exitCode: 0, logStreamName: expect.stringMatching(/^attempt\/default\/\w{32}$/) };
    expect(job).toMatchObject({
      jobArn: `arn:aws:batch:us-east-1:000000000000:job/${job.jobId}`,
      jobName: "job",
      jobQueue: "arn:aws:batch:us-east-1:000000000000:job-queue/train",
      jobDefinition: "arn:aws:batch:us-east-1:000000000000:job-definition/attempt:1",
      status: "SUCCEEDED",
      statusReason: "Essential container in task exited",
      createdAt: expect.any(Number),
      ...started,
      attempts: [{ container, ...started, statusReason: "Essential container in task exited" }],
      container: { image: "python:3.13", ...container },
      tags: { team: "vision" },
    });
    expect(account.printed(job.jobId ?? "")).toBe("trained\n");
  });

  it("has the definition's environment as the submission changes it, Batch's, and nothing of the server's", async () => {
    process.env.OF_THE_SERVER = "secret";
    onTestFinished(() => {
      delete process.env.OF_THE_SERVER;
    });
    const account = await Account.make(["env"], { environment: { GIVEN: "to all" } });
    const jobId = await account.submit({
      containerOverrides: { environment: [{ name: "A", value: "of the submission" }] },
    });
    await account.ended(jobId);
    const lines = account.printed(jobId).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "A=of the submission",
        "B=kept",
        "GIVEN=to all",
        `AWS_BATCH_JOB_ID=${jobId}`,
        "AWS_BATCH_JOB_ATTEMPT=1",
        "AWS_BATCH_JQ_NAME=train",
        "AWS_BATCH_CE_NAME=gpus",
      ]),
    );
    expect(lines.join()).not.toContain("secret");
  });

  it("runs the command with the parameters that it refers to, and the submission's go before the definition's", async () => {
    const account = await Account.make(["echo", "Ref::word", "x=Ref::other", "Ref::absent"]);
    const jobId = await account.submit({ parameters: { other: "1" } });
    await account.ended(jobId);
    expect(account.printed(jobId)).toBe("from the definition x=1 Ref::absent\n");
  });

  it("finds what is mounted, in its command and in its environment", async () => {
    const folder = join(await freshFolder(), "bundle");
    await mkdir(folder);
    await writeFile(join(folder, "run.sh"), 'cat "$DATA/data.txt"; echo "$OTHER"');
    await writeFile(join(folder, "data.txt"), "mounted\n");
    const account = await Account.make(["sh", "/opt/agent/run.sh"], {
      mounts: [{ container: "/opt/agent", host: folder }],
    });
    const environment = [
      { name: "DATA", value: "/opt/agent" },
      { name: "OTHER", value: "/opt/agents" },
    ];
    const jobId = await account.submit({ containerOverrides: { environment } });
    await account.ended(jobId);
    expect(account.printed(jobId)).toBe("mounted\n/opt/agents\n");
  });

  it("is told of its instance, and of its end, by the instance's metadata", async () => {
    const script = `
      const { METADATA: base } = process.env;
      const token = await (await fetch(base + "/latest/api/token", { method: "PUT" })).text();
      const headers = { "X-aws-ec2-metadata-token": token };
      const ask = async (path) => (await fetch(base + "/latest/meta-data/" + path, { headers })).text();
      console.log(await ask("instance-type"), await ask("instance-life-cycle"));
      while (!(await ask("spot/instance-action"))) await new Promise((resolve) => setTimeout(resolve, 20));
      console.log(await ask("spot/instance-action"));`;
    const account = await Account.make([process.execPath, "--input-type=module", "-e", script]);
    const jobId = await account.submit();
    await account.saying(jobId, "g5.xlarge spot");
    await account.control("notice", { jobId, seconds: 120 });
    await account.ended(jobId);
    expect(account.printed(jobId)).toContain('"action":"terminate"');
  });

  it.each([
    ["exit 3", 3],
    ["kill -9 $$", 137],
    ["kill -ABRT $$", 134],
  ])("that ends by '%s' fails with exit code %i", async (script, exitCode) => {
    const account = await Account.make(shell(script));
    expect(await account.ended(await account.submit())).toMatchObject({
      status: "FAILED",
      statusReason: "Essential container in task exited",
      container: { exitCode },
    });
  });

  it("whose command is not there does not start, and the container's reason says so", async () => {
    const account = await Account.make(["/no/such/program"]);
    const job = await account.ended(await account.submit());
    expect(job).toMatchObject({ status: "FAILED", statusReason: "Task failed to start" });
    expect(job.container?.reason).toMatch(/^CannotStartContainerError: .*\/no\/such\/program/);
    expect(job.container?.exitCode).toBeUndefined();
  });

  it("that runs for longer than it may is ended, and says so", async () => {
    const account = await Account.make(waiting);
    const jobId = await account.submit({ timeout: { attemptDurationSeconds: 1 } });
    expect(await account.ended(jobId)).toMatchObject({
      status: "FAILED",
      statusReason: "Job attempt duration exceeded timeout",
    });
  });
});

describe("the end of a job", () => {
  it("is asked for with a reason: SIGTERM first, and the reason is its status's", async () => {
    const account = await Account.make(
      shell("trap 'echo leaving; exit 7' TERM; echo begun; sleep 600 & wait"),
    );
    const jobId = await account.submit();
    await account.saying(jobId, "begun");
    await account.client.send(new TerminateJobCommand({ jobId, reason: "Stopped by alice" }));
    expect(await account.ended(jobId)).toMatchObject({
      status: "FAILED",
      statusReason: "Stopped by alice",
      isTerminated: true,
      container: { exitCode: 7 },
    });
    expect(account.printed(jobId)).toContain("leaving");
    expect(processesOf(jobId)).toEqual([]);
  });

  it("comes by SIGKILL where it does not leave", async () => {
    const account = await Account.make(shell("trap '' TERM; echo begun; while :; do sleep 0.05; done"), {
      stopDelay: 50,
    });
    const jobId = await account.submit();
    await account.saying(jobId, "begun");
    await account.client.send(new TerminateJobCommand({ jobId, reason: "enough" }));
    expect(await account.ended(jobId)).toMatchObject({
      statusReason: "enough",
      container: { exitCode: 137 },
    });
  });

  it("takes what has left its group and session with it", async () => {
    const account = await Account.make(shell("setsid sleep 600 > /dev/null 2>&1 & echo begun; exit 0"));
    const jobId = await account.submit();
    expect((await account.ended(jobId)).status).toBe("SUCCEEDED");
    expect(processesOf(jobId)).toEqual([]);
  });

  it("by a kill that nobody speaks of has exit code 137", async () => {
    const account = await Account.make(waiting);
    const jobId = await account.submit();
    await account.saying(jobId, "begun");
    await account.control("kill", { jobId });
    const job = await account.ended(jobId);
    expect(job).toMatchObject({ status: "FAILED", container: { exitCode: 137 } });
    expect(job.container?.reason).toBeUndefined();
  });

  it("for want of memory has the container's reason", async () => {
    const account = await Account.make(waiting);
    const jobId = await account.submit();
    await account.saying(jobId, "begun");
    await account.control("out-of-memory", { jobId });
    expect(await account.ended(jobId)).toMatchObject({
      statusReason: "Essential container in task exited",
      container: { exitCode: 137, reason: "OutOfMemoryError: Container killed due to memory usage" },
    });
  });

  it("with its host has no exit code", async () => {
    const account = await Account.make(waiting);
    const jobId = await account.submit();
    await account.saying(jobId, "begun");
    await account.control("reclaim", { jobId, instance: "i-0123456789abcdef0" });
    const job = await account.ended(jobId);
    expect(job).toMatchObject({
      status: "FAILED",
      statusReason: "Host EC2 (instance i-0123456789abcdef0) terminated.",
    });
    expect(JSON.stringify(job)).not.toContain("exitCode");
  });

  it("comes to every job with the server's", async () => {
    const account = await Account.make(shell("trap '' TERM; setsid sleep 600 & echo begun; wait; sleep 600"));
    const jobId = await account.submit();
    await account.saying(jobId, "begun");
    await account.server.close();
    expect(processesOf(jobId)).toEqual([]);
  });
});

describe("a job that waits", () => {
  it("for room is RUNNABLE, can be cancelled, and those behind it come when there is room", async () => {
    const account = await Account.make(waiting, { maxVcpus: 1 });
    const [first, second, third] = [await account.submit(), await account.submit(), await account.submit()];
    await account.saying(first, "begun");
    expect((await account.describe(second)).status).toBe("RUNNABLE");
    await account.client.send(new CancelJobCommand({ jobId: second, reason: "not needed" }));
    expect(await account.describe(second)).toMatchObject({
      status: "FAILED",
      statusReason: "not needed",
      attempts: [],
    });
    // CancelJob does nothing to what runs.
    await account.client.send(new CancelJobCommand({ jobId: first, reason: "not needed" }));
    expect((await account.describe(first)).status).toBe("RUNNING");
    await account.client.send(new TerminateJobCommand({ jobId: first, reason: "enough" }));
    await account.saying(third, "begun");
  });

  it("at the head of its queue lets those behind it go on once it is cancelled", async () => {
    const account = await Account.make(waiting);
    const head = await account.submit({
      containerOverrides: { resourceRequirements: [{ type: "VCPU", value: "16" }] },
    });
    const behind = await account.submit({ containerOverrides: { command: ["true"] } });
    expect((await account.reaching(head, "RUNNABLE")).attempts).toEqual([]);
    expect((await account.describe(behind)).status).toBe("RUNNABLE");
    await account.client.send(new CancelJobCommand({ jobId: head, reason: "too large" }));
    expect((await account.ended(behind)).status).toBe("SUCCEEDED");
  });

  it("for more than any environment has says why", async () => {
    const account = await Account.make(waiting);
    const jobId = await account.submit({
      containerOverrides: { resourceRequirements: [{ type: "VCPU", value: "16" }] },
    });
    await expect
      .poll(async () => (await account.describe(jobId)).statusReason)
      .toContain("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE");
    expect((await account.describe(jobId)).status).toBe("RUNNABLE");
  });

  it("for its instance is STARTING, and one that is ended then has no attempt", async () => {
    const account = await Account.make(waiting, { startDelay: 600_000 });
    const jobId = await account.submit();
    await account.reaching(jobId, "STARTING");
    await account.client.send(new TerminateJobCommand({ jobId, reason: "too slow" }));
    const job = await account.describe(jobId);
    expect(job).toMatchObject({ status: "FAILED", statusReason: "too slow", attempts: [] });
    expect(job.startedAt).toBeUndefined();
  });
});
