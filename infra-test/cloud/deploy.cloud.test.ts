import { setTimeout as sleep } from "node:timers/promises";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stackOutputs } from "../../core/stack.ts";
import { region } from "../servers/server-group.ts";
import { account } from "./assembly.ts";
import { connectCloud } from "./emulated-cloud.ts";

const cloud = connectCloud();
const client = { endpoint: cloud.endpoint, region };
const [sfn, lambda] = [new SFNClient(client), new LambdaClient(client)];

/** What this account has of its own accord, once something has been deployed: the place for assets. */
const assets = `bucket cdk-hnb659fds-assets-${account}-${region}`;

let before: string[];
const stackName = "PawlSmoke";
let outputs: Record<string, string>;
const bucketOf = (each: Record<string, string>): string => each[stackOutputs.bucket] ?? "";

beforeAll(async () => {
  before = await cloud.account();
  outputs = await cloud.deploy(stackName);
});

afterAll(() => {
  for (const each of [sfn, lambda]) each.destroy();
});

async function ended(executionArn: string | undefined): Promise<DescribeExecutionOutput> {
  for (;;) {
    const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (execution.status !== "RUNNING") return execution;
    await sleep(50);
  }
}

/** A state machine with one task, which submits a job with the stack's queue and definition. */
async function submitting(
  command: readonly string[],
  use: (stateMachineArn: string | undefined) => Promise<void>,
  more: object = {},
): Promise<void> {
  const Task = {
    Type: "Task",
    Resource: "arn:aws:states:::batch:submitJob.sync",
    Parameters: {
      JobName: "smoke",
      JobQueue: `${stackName}-spot`,
      JobDefinition: `${stackName}-default-cpu`,
      ContainerOverrides: {
        Command: command,
        ResourceRequirements: [{ Type: "VCPU", Value: "1" }],
      },
    },
    End: true,
    ...more,
  };
  const { stateMachineArn } = await sfn.send(
    new CreateStateMachineCommand({
      name: `smoke-${Date.now()}`,
      roleArn: `arn:aws:iam::${account}:role/smoke`,
      definition: JSON.stringify({ StartAt: "Task", States: { Task } }),
    }),
  );
  try {
    await use(stateMachineArn);
  } finally {
    await sfn.send(new DeleteStateMachineCommand({ stateMachineArn }));
  }
}

async function execute(stateMachineArn: string | undefined, input = {}): Promise<DescribeExecutionOutput> {
  const started = await sfn.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
  );
  return await ended(started.executionArn);
}

describe("a deployed stack", () => {
  it("has every output that it is found by", () => {
    for (const name of Object.values(stackOutputs)) expect(outputs[name], name).toBeTruthy();
  });

  it("is listed with all that it is made of", async () => {
    const kinds = new Set((await cloud.account()).map((each) => each.split(" ")[0]));
    expect([...kinds]).toEqual(
      expect.arrayContaining(
        "stack bucket function state-machine topic compute-environment job-queue job-definition vpc launch-template role dashboard log-group rule".split(
          " ",
        ),
      ),
    );
  });

  it("has functions that answer: Stop says what is wrong with what it is asked", async () => {
    const { FunctionError, Payload } = await lambda.send(
      new InvokeCommand({ FunctionName: outputs[stackOutputs.stop], Payload: JSON.stringify({}) }),
    );
    expect(FunctionError).toBe("Unhandled");
    expect(Payload?.transformToString()).toContain("run");
  });

  it("fails an execution with wrong input at once, and Open's words are its cause", async () => {
    const { status, cause } = await execute(outputs[stackOutputs.stateMachine]);
    expect(status).toBe("FAILED");
    expect(cause).toContain("job");
  });
});

describe("a task that waits for a job", () => {
  it("has the job's detail, its container's environment and nothing of the server's", async () => {
    process.env.PAWL_OF_THE_SERVER = "1";
    await submitting(["env"], async (machine) => {
      const { status, output = "{}" } = await execute(machine);
      expect(status).toBe("SUCCEEDED");
      const detail = JSON.parse(output);
      expect(detail).toMatchObject({ Status: "SUCCEEDED", Container: { ExitCode: 0 } });
      const log = await cloud.batch.log(detail.JobId);
      expect(log).toContain(`PAWL_STORE=s3://${bucketOf(outputs)}\n`);
      expect(log).toContain(`AWS_BATCH_JOB_ID=${detail.JobId}\n`);
      expect(log).not.toContain("VITEST");
    });
  });

  it("fails with the job as its cause", async () => {
    await submitting(["sh", "-c", "exit 3"], async (machine) => {
      const { status, error, cause = "{}" } = await execute(machine);
      expect([status, error]).toEqual(["FAILED", "States.TaskFailed"]);
      expect(JSON.parse(cause)).toMatchObject({
        Status: "FAILED",
        StatusReason: "Essential container in task exited",
        Container: { ExitCode: 3 },
      });
    });
  });

  it("fails as AWS fails it where the submission is throttled", async () => {
    await submitting(["true"], async (machine) => {
      await cloud.batch.throttle(1);
      const { error, cause } = await execute(machine);
      expect(error).toBe("Batch.TooManyRequestsException");
      expect(cause).toContain("Status Code: 429; Error Code: TooManyRequestsException");
    });
  });

  it("is tried again with a job of its own", async () => {
    const Retry = [{ ErrorEquals: ["States.ALL"], IntervalSeconds: 1, MaxAttempts: 1 }];
    const before = (await cloud.batch.jobs()).length;
    await submitting(
      ["sh", "-c", "exit 3"],
      async (machine) => {
        const { error } = await execute(machine);
        expect(error).toBe("States.TaskFailed");
        expect((await cloud.batch.jobs()).length).toBe(before + 2);
      },
      { Retry },
    );
  });

  it("leaves no job behind where its execution is stopped or has timed out", async () => {
    const running = async () =>
      (await cloud.batch.jobs()).filter(({ status }) => status === "RUNNING").length;
    await submitting(["sleep", "600"], async (machine) => {
      const { executionArn } = await sfn.send(
        new StartExecutionCommand({ stateMachineArn: machine, input: "{}" }),
      );
      await expect.poll(running, { timeout: 20_000 }).toBe(1);
      await sfn.send(new StopExecutionCommand({ executionArn }));
      expect((await ended(executionArn)).status).toBe("ABORTED");
      await expect.poll(running, { timeout: 20_000 }).toBe(0);
    });
    const late = { TimeoutSeconds: 2 };
    await submitting(
      ["sleep", "600"],
      async (machine) => {
        expect((await execute(machine)).error).toBe("States.Timeout");
        await expect.poll(running, { timeout: 20_000 }).toBe(0);
      },
      late,
    );
  });
});

/** A run of one epoch that keeps nothing. */
const trivial = { name: "kept", command: ["true"], epochs: 1, checkpoint: "none", compute: { gpus: 0 } };

describe("stacks", () => {
  it("are two side by side, are deployed again, and leave nothing but their buckets", async () => {
    const other = await cloud.deploy("PawlOther", { maxVcpus: "4" });
    expect(other[stackOutputs.bucket]).not.toBe(outputs[stackOutputs.bucket]);
    const changed = await cloud.deploy(stackName, { maxVcpus: "8" });
    expect(changed[stackOutputs.bucket]).toBe(outputs[stackOutputs.bucket]);
    expect(JSON.parse(changed[stackOutputs.offers] ?? "{}").maxVcpus).toBe(8);
    expect(await execute(changed[stackOutputs.stateMachine], { job: trivial })).toMatchObject({
      status: "SUCCEEDED",
    });
    for (const name of [stackName, "PawlOther"]) await cloud.destroy(name);
    const kept = [outputs, other].map((each) => `bucket ${bucketOf(each)}`);
    expect((await cloud.account()).filter((each) => each !== assets)).toEqual(
      [...before.filter((each) => each !== assets), ...kept].sort(),
    );
    await cloud.removeBucket(bucketOf(other));
  });

  it("take a kept bucket up again, with the runs in it", async () => {
    const again = await cloud.deploy(stackName, { bucketName: bucketOf(outputs) });
    expect(bucketOf(again)).toBe(bucketOf(outputs));
    const { status, output } = await execute(again[stackOutputs.stateMachine], { run: "kept-1" });
    expect([status, JSON.parse(output ?? "{}")]).toMatchObject([
      "SUCCEEDED",
      { run: "kept-1", action: "done" },
    ]);
    await cloud.destroy(stackName);
    await cloud.removeBucket(bucketOf(outputs));
    expect(await cloud.account()).toEqual([...new Set([...before, assets])].sort());
  });
});
