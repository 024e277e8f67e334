import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { AwsService } from "../aws/testing/service.ts";
import { defaultLimits } from "../core/decision.ts";
import { functionVariables } from "../core/stack.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { readFunctionEnvironment } from "./function-environment.ts";
import { job, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
const offers = { images: { default: "image:1" }, instanceTypes: ["g5.xlarge"], maxVcpus: 64 };

const printed: string[] = [];

beforeEach(async () => {
  printed.splice(0);
  vi.resetModules();
  vi.stubEnv(functionVariables.store, join(await freshFolder(), "store"));
  vi.stubEnv(functionVariables.name, "pawl");
  vi.stubEnv(functionVariables.offers, JSON.stringify(offers));
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      printed.push(String(chunk));
      return true;
    });
  onTestFinished(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });
});

const driver = { id: "arn:aws:states:eu-west-1:1:execution:pawl-Runs:a", execution: "a" };
const open = async (input: unknown) => await (await import("./open.ts")).handler({ input, driver });
const lines = (): Record<string, unknown>[] => printed.map((line) => JSON.parse(line));
const claim = { run, attempt: 1, batchJobId: "job-a", type: "started" };

describe("a function as it is deployed", () => {
  it("decides by the ports of its environment, and logs each decision in one line", async () => {
    vi.stubEnv("SECRET_OF_MINE", "hunter2");
    const env = { TOKEN: "hunter3" };
    expect(await open({ job: { ...job, env } })).toMatchObject({
      action: "train",
      run,
      train: { attempt: 1 },
    });
    expect(lines()).toEqual([
      expect.objectContaining({
        level: "INFO",
        service: "pawl",
        run,
        sequence: 1,
        kind: "opened",
        event: "open",
        message: expect.stringContaining("attempt 1 trains from epoch 1 on"),
      }),
    ]);
    expect(printed.join("\n")).not.toMatch(/hunter/);
  });

  it("is set up once for all calls of its process", async () => {
    const { handler } = await import("./open.ts");
    await handler({ input: { job }, driver });
    vi.stubEnv(functionVariables.store, "gopher://gone-since");
    const other = { ...job, name: "other" };
    expect(await handler({ input: { job: other }, driver })).toMatchObject({
      action: "train",
      run: "other-1",
    });
  });

  it("says of a failure what it was, under a name that a state machine can tell", async () => {
    vi.stubEnv(functionVariables.store, "gopher://store");
    await expect(open({ job })).rejects.toMatchObject({
      name: "Pawl.StoreAddress",
      message: expect.stringContaining("gopher://store"),
    });
    expect(lines()).toEqual([
      expect.objectContaining({
        level: "ERROR",
        code: "STORE_ADDRESS",
        details: { address: "gopher://store" },
        next: expect.any(String),
      }),
    ]);
  });

  it("can be set up at a later call where the first one failed", async () => {
    const { handler } = await import("./open.ts");
    const store = process.env[functionVariables.store];
    vi.stubEnv(functionVariables.store, "gopher://store");
    await expect(handler({ input: { job }, driver })).rejects.toThrow();
    vi.stubEnv(functionVariables.store, store ?? "");
    expect(await handler({ input: { job }, driver })).toMatchObject({ action: "train" });
  });

  it("counts what entries add, by the stack, and by the run where that is wanted", async () => {
    vi.stubEnv(functionVariables.runMetrics, "1");
    await open({ job });
    const { handler } = await import("./review.ts");
    await handler({ sequence: 1, event: claim });
    const report = { epoch: 1, metrics: { loss: 0.5 }, examples: 300, seconds: 3 };
    await handler({ sequence: 2, event: { ...claim, type: "report", report } });
    const counted = lines().filter((line) => "_aws" in line);
    expect(counted).toEqual([
      expect.objectContaining({
        Stack: "pawl",
        Run: run,
        Loss: 0.5,
        ExamplesPerSecond: 100,
        _aws: expect.objectContaining({
          CloudWatchMetrics: [
            {
              Namespace: "Pawl",
              Dimensions: [["Stack"], ["Stack", "Run"]],
              Metrics: [
                { Name: "Loss", Unit: "None" },
                { Name: "ExamplesPerSecond", Unit: "Count/Second" },
              ],
            },
          ],
        }),
      }),
    ]);
  });
});

describe("the functions of a stack, with AWS beside them", () => {
  const topic = "arn:aws:sns:eu-west-1:1:pawl-notices";
  const published = `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`;

  /** An account in which nothing runs but what `status` says of the execution. */
  const account = (status: string) =>
    new AwsService(({ path, target, body }) => {
      if (target === "AWSStepFunctions.DescribeExecution")
        return { body: { executionArn: driver.id, status, stateMachineArn: "m", startDate: 1 } };
      if (path === "/v1/listjobs") return { body: { jobSummaryList: [] } };
      if (path === "/v1/describejobs") return { body: { jobs: [] } };
      expect(body).toContain("Action=Publish");
      return { headers: { "content-type": "text/xml" }, body: published };
    }).start();

  it("have Sweep settle a run whose execution was stopped, and tell people once", async () => {
    vi.stubEnv(functionVariables.topic, topic);
    const service = await account("ABORTED");
    await open({ job });
    const { handler } = await import("./sweep.ts");
    const change = {
      "detail-type": "Step Functions Execution Status Change",
      detail: { executionArn: driver.id, status: "ABORTED", input: JSON.stringify({ job }) },
    };
    expect(await handler(change)).toMatchObject({ answers: [{ action: "swept", run }], problems: [] });
    const told = service.asked.filter(({ body }) => body.includes("Action=Publish"));
    expect(told.map(({ body }) => new URLSearchParams(body).get("TopicArn"))).toEqual([topic]);
    expect(lines().map(({ kind }) => kind)).toEqual(["opened", "swept"]);
  });

  it("have Stop look for jobs on both queues that nobody has claimed", async () => {
    const service = await account("RUNNING");
    await open({ job });
    const { handler } = await import("./stop.ts");
    expect(await handler({ run, id: "x", by: "alice" })).toMatchObject({ action: "stopping" });
    const listed = service.asked.filter(({ path }) => path === "/v1/listjobs");
    expect(listed.map(({ body }) => JSON.parse(body).jobQueue).sort()).toEqual([
      "pawl-on-demand",
      "pawl-spot",
    ]);
  });
});

describe("the environment of a function", () => {
  const good = { PAWL_STORE: "s3://b", PAWL_NAME: "pawl" };

  it("is what it was deployed with", () => {
    const prices = { "g5.xlarge": { spot: 0.4 } };
    const env = {
      ...good,
      PAWL_EXECUTIONS: "arn:aws:states:eu-west-1:1:execution:pawl-Runs:",
      PAWL_OFFERS: JSON.stringify(offers),
      PAWL_PRICES: JSON.stringify(prices),
      PAWL_TOPIC: "arn:aws:sns:eu-west-1:1:t",
    };
    const topic = "arn:aws:sns:eu-west-1:1:t";
    expect(readFunctionEnvironment(env)).toEqual({
      store: "s3://b",
      name: "pawl",
      executions: "arn:aws:states:eu-west-1:1:execution:pawl-Runs:",
      offers,
      prices,
      topic,
      runMetrics: false,
      limits: defaultLimits,
    });
  });

  it.each([
    [{ PAWL_STORE: undefined }, "PAWL_STORE is missing"],
    [{ PAWL_NAME: "" }, "PAWL_NAME"],
    [{ PAWL_OFFERS: "{" }, "PAWL_OFFERS: is not JSON"],
    [{ PAWL_OFFERS: "{}" }, "PAWL_OFFERS (images)"],
    [{ PAWL_PRICES: '{"g5.xlarge":{"spot":-1}}' }, "PAWL_PRICES (g5.xlarge.spot)"],
    [{ PAWL_TOPIC: "mine" }, "PAWL_TOPIC"],
    [{ PAWL_RUN_METRICS: "yes" }, "PAWL_RUN_METRICS"],
  ])("is refused with %j, naming the variable", (wrong, words) => {
    expect(() => readFunctionEnvironment({ ...good, ...wrong })).toThrow(words);
  });
});
