import { describe, expect, it } from "vitest";
import { anOutcome } from "../testing/events.ts";
import { diagnose } from "./diagnose.ts";
import { readText } from "./read-text.ts";

const of = (input: unknown) => diagnose(readText(typeof input === "string" ? input : JSON.stringify(input)));

const reclaimed = "Host EC2 (instance i-0abc12) terminated.";
const job = {
  jobId: "j",
  status: "FAILED",
  statusReason: reclaimed,
  container: { exitCode: 143 },
  attempts: [],
};
const pascal = { JobId: "j", Status: "FAILED", StatusReason: reclaimed, Container: { ExitCode: 143 } };
const cause = JSON.stringify(pascal);

describe("what is given to be diagnosed", () => {
  it.each([
    ["a job as the API describes it", job],
    ["a job as a cause has it", pascal],
    ["a part of a job", { statusReason: reclaimed }],
    ["an answer of DescribeJobs", { jobs: [job] }],
    ["an answer of ListJobs", { jobSummaryList: [{ ...job, status: "SUCCEEDED" }, job] }],
    ["a list of jobs", [job]],
    [
      "an event of EventBridge",
      { "detail-type": "Batch Job State Change", source: "aws.batch", detail: job },
    ],
    ["what a Catch gives", { Error: "States.TaskFailed", Cause: cause }],
    ["the same, with the cause parsed", { error: "States.TaskFailed", cause: pascal }],
    ["a cause alone", cause],
    ["a cause quoted as text", JSON.stringify(cause)],
    ["a cause with its name", `"Cause": ${JSON.stringify(cause)}`],
    [
      "an event of the history",
      { type: "TaskFailed", taskFailedEventDetails: { error: "States.TaskFailed", cause } },
    ],
    [
      "a history",
      { events: [{ type: "X" }, { taskFailedEventDetails: { error: "States.TaskFailed", cause } }] },
    ],
    ["a cause that was cut", `${cause.slice(0, -20)}`],
    [
      "a cause that parts were left out of",
      '{"Attempts":[{"Container":{...}}],...,"StatusReason":"Host EC2 (instance i-0abc12) terminated.",...}',
    ],
    ["a cause that lost its quotes", JSON.stringify(cause).slice(1, -1)],
    ["what Python prints of a Catch", `{'Error': 'States.TaskFailed', 'Cause': '${cause}'}`],
    ["what Python prints of a job", `{'statusReason': '${reclaimed}', 'isTerminated': False, 'tags': None}`],
    ["the same of a list of jobs", `[{'status': 'FAILED', 'statusReason': "${reclaimed}"}]`],
    ["a task of ECS", { stoppedReason: reclaimed, containers: [{ name: "x", exitCode: 137 }] }],
    ["a log", `epoch 1\n${reclaimed}\n`],
    ["the reason alone", reclaimed],
    ["the reason alone, with a byte order mark", `\uFEFF${reclaimed}`],
  ])("is read as %s", (_, input) => expect(of(input).class).toBe("spot-reclaim"));

  it("is read where a job has several containers", () => {
    const containers = [
      { name: "a", exitCode: 0 },
      { name: "b", exitCode: 1, reason: "OutOfMemoryError: Container killed" },
    ];
    expect(of({ status: "FAILED", ecsProperties: { taskProperties: [{ containers }] } }).class).toBe(
      "container-oom",
    );
  });

  it.each([
    ["no cause", { status: "ABORTED", executionArn: "arn:aws:states:e", stopDate: 1 }],
    ["no more than a name", { error: "States.Aborted" }],
    ["a person's cause", { status: "ABORTED", cause: "not needed any more", error: "ana" }],
    ["an event of the history", { events: [{ type: "ExecutionAborted", executionAbortedEventDetails: {} }] }],
  ])("is an execution that somebody stopped, with %s", (_, input) => {
    expect(of(input)).toMatchObject({ class: "cancelled/terminated-by-user", confidence: "medium" });
  });

  it("is a log, where Python printed figures and no job", () => {
    expect(of("{'loss': 0.3, 'epoch': 1.0}\nRuntimeError: CUDA out of memory.\n").class).toBe("gpu-oom");
    expect(of("{'loss': 0.3, 'epoch': 1.0}\n{'loss': 0.2, 'epoch': 2.0}\n").class).toBe("unknown");
  });

  it("is read as an attempt's outcome", () => {
    expect(of(anOutcome(1, "no-checkpoint")).class).toBe("no-checkpoint");
    expect(of(anOutcome(1, "done")).class).toBe("none");
  });

  it("is read as a log of objects, one a line", () => {
    expect(of('{"level":"info","msg":"epoch 1"}\n{"level":"error","msg":"CUDA out of memory"}\n').class).toBe(
      "gpu-oom",
    );
  });

  it("is read as jobs, one a line, of which the last counts", () => {
    const other = { ...job, statusReason: "Job attempt duration exceeded timeout" };
    expect(of(`${JSON.stringify(other)}\n${JSON.stringify(job)}\n`).class).toBe("spot-reclaim");
  });

  it("is a log that begins with JSON, not that JSON", () => {
    expect(of('config {"jobId": "x", "lr": 1}\nepoch 1\nRuntimeError: CUDA out of memory.\n').class).toBe(
      "gpu-oom",
    );
  });

  it("is not searched where it is JSON: its other texts are anybody's", () => {
    const tags = { Tags: { a: reclaimed }, Parameters: { b: "CUDA out of memory" } };
    expect(of({ Status: "FAILED", ...tags }).class).toBe("unknown");
    expect(of(tags).class).toBe("unknown");
    expect(of(`{"Tags": {"StatusReason": "${reclaimed}"}, "Status": "FAILED", "Sta`).class).toBe("unknown");
    expect(of({ Error: "States.TaskFailed", Cause: JSON.stringify(tags) }).confidence).toBe("low");
  });

  it.each([
    ["nothing", ""],
    ["white space", " \n\t "],
    ["a brace", "{"],
    ["an empty object", "{}"],
    ["an empty list", "[]"],
    ["null", "null"],
    ["a number", "5"],
    ["fields of other types", '{"StatusReason": 5, "Container": "none", "Attempts": {}, "Status": []}'],
    ["200,000 brackets", "[".repeat(200_000)],
    ["200,000 open objects", '{"a":'.repeat(200_000)],
    ["200,000 quotes", '"'.repeat(200_000)],
    ["200,000 backslashes", `{"a": "${"\\".repeat(200_000)}`],
    ["a name that is a prototype's", '{"__proto__": {"statusReason": "x"}, "constructor": 1}'],
    [
      "256 KiB of a cause without a reason",
      `{"JobId": "j", "Container": {"Command": ["${"x".repeat(262_144)}"]}}`,
    ],
    ["the same, cut", `{"JobId": "j", "Container": {"Command": ["${"x".repeat(262_144)}`],
    ["500,000 quotes of Python's that are escaped", `{'${"\\'".repeat(500_000)}`],
    ["500,000 empty texts of Python's", `{${"''".repeat(500_000)}`],
    ["bytes that are no text", "\u0000\u0001\ufffd\ufffd"],
  ])("is unknown, and a guess, where it is %s", (_, input) => {
    const started = performance.now();
    const diagnosis = of(input);
    expect(diagnosis).toMatchObject({ class: "unknown", confidence: "low" });
    expect(diagnosis.signs.length).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
