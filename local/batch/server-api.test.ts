import {
  BatchClient,
  DeleteComputeEnvironmentCommand,
  DeleteJobQueueCommand,
  DeregisterJobDefinitionCommand,
  DescribeComputeEnvironmentsCommand,
  DescribeJobDefinitionsCommand,
  DescribeJobQueuesCommand,
  ListJobsCommand,
  ListTagsForResourceCommand,
  SubmitJobCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateComputeEnvironmentCommand,
  UpdateJobQueueCommand,
} from "@aws-sdk/client-batch";
import { describe, expect, it, onTestFinished } from "vitest";
import { Account, refusal, waiting } from "./testing/account.ts";

describe("a submission", () => {
  it("too many is refused as SDKs understand it: 429, and not once more than was asked for", async () => {
    const account = await Account.make(["true"]);
    await account.control("throttle", { count: 2 });
    for (const _ of [1, 2]) {
      await expect(account.submit()).rejects.toMatchObject({
        name: "TooManyRequestsException",
        message: "Too Many Requests",
        $metadata: { httpStatusCode: 429 },
      });
    }
    await account.ended(await account.submit());
  });

  it("too many is tried again by an SDK that may", async () => {
    const account = await Account.make(["true"]);
    await account.control("throttle", { count: 1 });
    const client = new BatchClient({
      endpoint: account.server.address,
      region: "us-east-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
    onTestFinished(() => client.destroy());
    const input = { jobName: "job", jobQueue: "train", jobDefinition: "attempt" };
    const { $metadata } = await client.send(new SubmitJobCommand(input));
    expect($metadata.attempts).toBe(2);
  });

  it.each([
    [{ jobQueue: "none" }, "JobQueue none does not exist"],
    [{ jobDefinition: "none" }, "JobDefinition name none does not exist or is not in ACTIVE status"],
    [{ jobDefinition: "attempt:9" }, "JobDefinition name attempt:9 does not exist"],
    [{ jobName: "no blanks" }, "Invalid jobName 'no blanks'"],
    [{ arrayProperties: { size: 2 } }, "arrayProperties is not emulated"],
    [
      { containerOverrides: { environment: [{ name: "LONG", value: "x".repeat(9000) }] } },
      "Container Overrides length must be at most 8192",
    ],
  ])("with %j is refused", async (wrong, message) => {
    const account = await Account.make(["true"]);
    await expect(account.submit(wrong)).rejects.toMatchObject(refusal(message));
  });
});

it("nothing is done for a page in a browser", async () => {
  const { server } = await Account.make(["true"]);
  const headers = { origin: "http://example.com" };
  const answer = await fetch(`${server.address}/v1/describejobqueues`, {
    method: "POST",
    headers,
    body: "{}",
  });
  expect([answer.status, await answer.json()]).toEqual([
    400,
    { message: "pages in browsers are not served" },
  ]);
});

describe("job definitions", () => {
  it("have revisions: a name is the newest active one, and an old one can be named as long as it is active", async () => {
    const account = await Account.make(["echo", "one"]);
    expect(await account.register(["echo", "two"])).toMatchObject({ revision: 2 });
    const newest = await account.submit();
    const named = await account.submit({ jobDefinition: "attempt:1" });
    await Promise.all([newest, named].map((job) => account.ended(job)));
    expect([newest, named].map((job) => account.printed(job))).toEqual(["two\n", "one\n"]);
    const arn = "arn:aws:batch:us-east-1:000000000000:job-definition/attempt:2";
    await account.client.send(new DeregisterJobDefinitionCommand({ jobDefinition: arn }));
    await expect(account.submit({ jobDefinition: arn })).rejects.toMatchObject(refusal("ACTIVE"));
    const again = await account.submit();
    await account.ended(again);
    expect(account.printed(again)).toBe("one\n");
    const { jobDefinitions } = await account.client.send(
      new DescribeJobDefinitionsCommand({ jobDefinitionName: "attempt" }),
    );
    expect(jobDefinitions?.map(({ revision, status }) => `${revision} ${status}`)).toEqual([
      "1 ACTIVE",
      "2 INACTIVE",
    ]);
    expect(await account.register(["echo", "three"])).toMatchObject({ revision: 3 });
  });
});

describe("a list of jobs", () => {
  it("has the running ones unless it is asked otherwise", async () => {
    const account = await Account.make(waiting);
    const running = await account.submit({ jobName: "Digits-1" });
    const over = await account.submit({ jobName: "letters-1", containerOverrides: { command: ["true"] } });
    await account.ended(over);
    await account.saying(running, "begun");
    const list = async (more: object) => {
      const { jobSummaryList = [] } = await account.client.send(
        new ListJobsCommand({ jobQueue: "train", ...more }),
      );
      return jobSummaryList.map(({ jobId }) => jobId);
    };
    const byName = (...values: string[]) => list({ filters: [{ name: "JOB_NAME", values }] });
    expect(await list({})).toEqual([running]);
    expect(await list({ jobStatus: "SUCCEEDED" })).toEqual([over]);
    // A filter is for jobs in every state; letters are the same, large and small.
    expect(await byName("digits-1")).toEqual([running]);
    expect(await byName("letters*")).toEqual([over]);
    expect(await byName("letters")).toEqual([]);
    expect(await byName("d*", "l*")).toEqual(expect.arrayContaining([running, over]));
  });

  it("comes in pages, the newest first", async () => {
    const account = await Account.make(["true"]);
    const jobs: string[] = [];
    for (const _ of [1, 2, 3]) {
      jobs.push(await account.submit());
      await account.ended(jobs.at(-1) ?? "");
    }
    const input = { jobQueue: "train", jobStatus: "SUCCEEDED", maxResults: 2 } as const;
    const first = await account.client.send(new ListJobsCommand(input));
    const second = await account.client.send(new ListJobsCommand({ ...input, nextToken: first.nextToken }));
    const found = [first, second].map(({ jobSummaryList = [] }) => jobSummaryList.map(({ jobId }) => jobId));
    expect(found).toEqual([jobs.slice(1).reverse(), jobs.slice(0, 1)]);
    expect(second.nextToken).toBeUndefined();
  });
});

describe("queues and compute environments", () => {
  it("are described, and go once they are disabled and unused", async () => {
    const { client } = await Account.make(["true"]);
    const { jobQueues } = await client.send(new DescribeJobQueuesCommand({ jobQueues: ["train"] }));
    expect(jobQueues).toMatchObject([{ jobQueueName: "train", state: "ENABLED", status: "VALID" }]);
    await expect(client.send(new DeleteJobQueueCommand({ jobQueue: "train" }))).rejects.toMatchObject(
      refusal("DISABLED"),
    );
    await client.send(new UpdateComputeEnvironmentCommand({ computeEnvironment: "gpus", state: "DISABLED" }));
    await expect(
      client.send(new DeleteComputeEnvironmentCommand({ computeEnvironment: "gpus" })),
    ).rejects.toMatchObject(refusal("JobQueue relationship"));
    await client.send(new UpdateJobQueueCommand({ jobQueue: "train", state: "DISABLED" }));
    await client.send(new DeleteJobQueueCommand({ jobQueue: "train" }));
    await client.send(new DeleteComputeEnvironmentCommand({ computeEnvironment: "gpus" }));
    const { computeEnvironments } = await client.send(new DescribeComputeEnvironmentsCommand({}));
    expect(computeEnvironments).toEqual([]);
  });

  it("have tags", async () => {
    const { client } = await Account.make(["true"]);
    const resourceArn = "arn:aws:batch:us-east-1:000000000000:job-queue/train";
    await client.send(new TagResourceCommand({ resourceArn, tags: { a: "1", b: "2" } }));
    await client.send(new UntagResourceCommand({ resourceArn, tagKeys: ["a"] }));
    const { tags } = await client.send(new ListTagsForResourceCommand({ resourceArn }));
    expect(tags).toEqual({ b: "2" });
  });
});
