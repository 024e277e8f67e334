import { describe, expect, it, vi } from "vitest";
import { PawlError } from "../core/errors.ts";
import { Aws } from "./aws.ts";
import { Executions } from "./executions.ts";
import { FunctionError, Functions } from "./functions.ts";
import {
  type Answered,
  AwsService,
  jsonError,
  quickPatience,
  restError,
  virtualClock,
} from "./testing/service.ts";
import { Topics } from "./topics.ts";

const arn = "arn:aws:states:eu-west-1:111122223333:execution:pawl-Runs:a";
const service = async (answer: Answered = {}) => await new AwsService(() => answer).start();
const executions = (more: object = {}) => new Executions(new Aws({ patience: quickPatience, ...more }));

async function failure(work: Promise<unknown>): Promise<PawlError> {
  const error = await work.then(
    () => expect.unreachable("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PawlError)) throw error;
  expect(error.next).toMatch(/^[A-Z].*\.$/);
  return error;
}

describe("a request to AWS that fails", () => {
  it.each<[string, Answered, string, RegExp, RegExp]>([
    [
      "has credentials that are not valid",
      jsonError(400, "UnrecognizedClientException"),
      "AWS_CREDENTIALS",
      /not valid/,
      /key id/,
    ],
    [
      "has credentials of another account's secret",
      jsonError(403, "InvalidSignatureException"),
      "AWS_CREDENTIALS",
      /not valid/,
      /secret/,
    ],
    [
      "has credentials that are over",
      jsonError(400, "ExpiredTokenException"),
      "AWS_CREDENTIALS",
      /have expired/,
      /Log in again/,
    ],
    [
      "is not allowed",
      jsonError(
        400,
        "AccessDeniedException",
        "User: arn:me is not authorized to perform: states:DescribeExecution",
      ),
      "AWS_DENIED",
      new RegExp(`states:DescribeExecution on ${arn}.*User: arn:me`),
      /Let them do states:DescribeExecution on arn:/,
    ],
    [
      "is wrong",
      jsonError(400, "ValidationException", "1 validation error"),
      "AWS_FAILED",
      /1 validation error/,
      /cause/,
    ],
  ])("since it %s is tried once, and told in words", async (_, answer, code, message, next) => {
    const asked = await service(answer);
    const error = await failure(executions().describe(arn));
    expect(error).toMatchObject({ code, details: { action: "states:DescribeExecution", resource: arn } });
    expect(error.message).toMatch(message);
    expect(error.next).toMatch(next);
    expect(asked.asked).toHaveLength(1);
  });

  it.each<[string, Answered]>([
    ["throttled", jsonError(400, "ThrottlingException", "Rate exceeded")],
    ["met by a failing server", { status: 503, body: "<html>" }],
    ["cut off", "lost"],
  ])("since it is %s is tried again until its time is over, and then told in words", async (_, answer) => {
    const asked = await service(answer);
    const error = await failure(new Executions(new Aws({ clock: virtualClock() })).describe(arn));
    expect(error).toMatchObject({ code: "AWS_UNREACHABLE", details: { endpoint: asked.url } });
    expect(error.next).toContain("AWS_ENDPOINT_URL");
    expect(asked.asked.length).toBeGreaterThan(2);
  });

  it("waits longer and longer between its tries, each time by chance, and nobody else tries besides", async () => {
    const asked = await service({ status: 500, body: {} });
    const clock = virtualClock();
    const { waits } = clock;
    await failure(new Executions(new Aws({ clock })).describe(arn));
    expect(waits.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1600, 2500]);
    expect(clock.now()).toBeLessThanOrEqual(20_000);
    expect(asked.asked).toHaveLength(waits.length + 1);
  });

  it("without a region says so", async () => {
    await service();
    vi.stubEnv("AWS_REGION", undefined);
    vi.stubEnv("AWS_DEFAULT_REGION", undefined);
    const error = await failure(executions().describe(arn));
    expect(error).toMatchObject({ code: "AWS_REGION", message: expect.stringContaining("no region is set") });
  });

  it("with what could not even be a host's name for a region says so", async () => {
    await service();
    vi.stubEnv("AWS_REGION", "not a region");
    const error = await failure(executions().describe(arn));
    expect(error).toMatchObject({ code: "AWS_REGION", message: expect.stringContaining("not a region") });
    expect(error.message).not.toContain("no region is set");
  });

  it("with what is no region says so, before anything is sent", async () => {
    const asked = await service();
    vi.stubEnv("AWS_REGION", "Ireland");
    const error = await failure(executions().describe(arn));
    expect(error).toMatchObject({ code: "AWS_REGION", message: expect.stringContaining("'Ireland'") });
    expect(asked.asked).toEqual([]);
  });

  it("without credentials says so, and how to get some", async () => {
    const asked = await service();
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    const error = await failure(executions().describe(arn));
    expect(error).toMatchObject({ code: "AWS_CREDENTIALS", next: expect.stringContaining("AWS_PROFILE") });
    expect(asked.asked).toEqual([]);
  });

  it("where nothing listens says where that was", async () => {
    await service();
    vi.stubEnv("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    const patience = { ...quickPatience, totalMilliseconds: 20 };
    const error = await failure(executions({ patience }).describe(arn));
    expect(error).toMatchObject({
      code: "AWS_UNREACHABLE",
      message: expect.stringContaining("http://127.0.0.1:9: nothing answers there"),
    });
  });
});

describe("Step Functions", () => {
  it("knows an execution, or knows none", async () => {
    const asked = await service({ body: { executionArn: arn, status: "RUNNING" } });
    expect(await executions().describe(arn)).toMatchObject({ status: "RUNNING" });
    asked.first(jsonError(400, "ExecutionDoesNotExist"));
    expect(await executions().describe(arn)).toBeUndefined();
  });

  it("starts an execution, once though its answer was lost", async () => {
    const started: unknown[] = [];
    const asked = await new AwsService(({ body }) => {
      started.push(JSON.parse(body));
      return { body: { executionArn: arn, startDate: 1 } };
    }).start();
    asked.first("done-and-lost");
    const machine = "arn:aws:states:eu-west-1:111122223333:stateMachine:pawl-Runs";
    expect(await executions().start(machine, "a", "{}")).toBe(arn);
    // The same name with the same input: Step Functions starts it once.
    expect(started).toEqual([1, 2].map(() => ({ stateMachineArn: machine, name: "a", input: "{}" })));
  });
});

describe("Lambda", () => {
  const functions = () => new Functions(new Aws({ patience: quickPatience }));

  it("gives a function's answer, or its error", async () => {
    const asked = await service({ body: { ok: true } });
    expect(await functions().invoke("pawl-Stop", {})).toEqual({ ok: true });
    asked.first({
      headers: { "x-amz-function-error": "Unhandled" },
      body: { errorType: "Pawl.RunNotFound", errorMessage: "there is no run x" },
    });
    const thrown = functions().invoke("pawl-Stop", {});
    await expect(thrown).rejects.toBeInstanceOf(FunctionError);
    await expect(thrown).rejects.toMatchObject({ type: "Pawl.RunNotFound", message: "there is no run x" });
    expect(asked.asked).toHaveLength(2);
  });

  it("says of an answer that is none that it is not JSON", async () => {
    await service({ body: "<html>" });
    expect(await failure(functions().invoke("pawl-Stop", {}))).toMatchObject({ code: "AWS_FAILED" });
  });

  it("names the function that may not be asked", async () => {
    await service(restError(403, "AccessDeniedException", "not authorized"));
    expect((await failure(functions().invoke("pawl-Stop", {}))).message).toContain(
      "lambda:InvokeFunction on pawl-Stop",
    );
  });
});

describe("SNS", () => {
  it("is told with a subject that it takes", async () => {
    const asked = await service({
      headers: { "content-type": "text/xml" },
      body: '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>',
    });
    const subject = `Pawl:\n run é ${"x".repeat(200)}`;
    await new Topics(new Aws()).publish("arn:aws:sns:eu-west-1:1:t", subject, "It is over.\nEpochs: 3.");
    const sent = new URLSearchParams(asked.asked[0]?.body);
    expect(sent.get("Subject")).toMatch(/^Pawl: run \? x{80,}$/);
    expect(sent.get("Subject")).toHaveLength(100);
    expect(sent.get("Message")).toBe("It is over.\nEpochs: 3.");
    expect(sent.get("TopicArn")).toBe("arn:aws:sns:eu-west-1:1:t");
  });
});
