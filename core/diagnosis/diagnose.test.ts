import { describe, expect, it } from "vitest";
import { driverGoneReason } from "../driver-gone.ts";
import { notStartedReason } from "../not-started.ts";
import { terminationReason } from "../stop.ts";
import { anOutcome, moment } from "../testing/events.ts";
import { diagnose } from "./diagnose.ts";
import type { Signals } from "./types.ts";

const reclaimed = "Host EC2 (instance i-0abc12) terminated.";

/** What Recover gets for a Batch job. */
const taskFailed = (job: unknown, more: Signals = {}) =>
  diagnose({ caught: { error: "States.TaskFailed", cause: JSON.stringify(job) }, ...more });

/** What is in every cause, whatever happened: the job's own words. */
const ownWords = {
  JobName: reclaimed,
  RetryStrategy: {
    Attempts: 1,
    EvaluateOnExit: [
      { Action: "RETRY", OnStatusReason: "Host EC2*" },
      { Action: "EXIT", OnReason: "CannotPullContainer*" },
      { Action: "EXIT", OnReason: "OutOfMemoryError: Container killed due to memory usage" },
    ],
  },
  Tags: { note: "Job attempt duration exceeded timeout" },
};
const ownContainer = {
  Command: ["echo", `${reclaimed} OutOfMemoryError: Container killed; CUDA out of memory`],
  Environment: [{ Name: "WORDS", Value: "Job attempt duration exceeded timeout" }],
  LogStreamName: "CUDA out of memory",
};

describe("a Batch job's end", () => {
  it.each([137, 143, 1, 0, undefined])("by a reclaimed host is seen with exit code %s", (ExitCode) => {
    const diagnosis = taskFailed({
      ...ownWords,
      Status: "FAILED",
      StatusReason: reclaimed,
      Container: { ...ownContainer, ...(ExitCode === undefined ? {} : { ExitCode }) },
    });
    expect(diagnosis).toMatchObject({
      class: "spot-reclaim",
      confidence: "high",
      message: reclaimed,
      instance: "i-0abc12",
    });
    expect(diagnosis.signs[0]).toEqual({ where: "StatusReason", text: reclaimed });
  });

  it("by a host that went away is no reclaim where the host was not on the spot market", () => {
    expect(taskFailed({ StatusReason: reclaimed }, { market: "on-demand" }).class).toBe(
      "host-terminated-other",
    );
    expect(taskFailed({ StatusReason: reclaimed }, { market: "spot" }).class).toBe("spot-reclaim");
  });

  it.each([
    ["OutOfMemoryError: Container killed due to memory usage", 137],
    ["OutOfMemoryError: Container killed due to memory usage", 1],
    ["OutOfMemoryError: container killed due to memory usage", 0],
    ["Container killed due to memory usage", undefined],
  ])("of a host out of memory is read from Container.Reason: %s, exit code %s", (Reason, ExitCode) => {
    const job = {
      Status: "FAILED",
      StatusReason: "Essential container in task exited",
      Container: { Reason, ...(ExitCode === undefined ? {} : { ExitCode }) },
    };
    expect(taskFailed(job)).toMatchObject({ class: "container-oom", confidence: "high", message: Reason });
  });

  it.each([137, undefined])(
    "by its time limit is seen before memory is thought of (exit code %s)",
    (ExitCode) => {
      const Reason = "OutOfMemoryError: Container killed";
      const Container = { Reason, ...(ExitCode === undefined ? {} : { ExitCode }) };
      expect(taskFailed({ StatusReason: "Job attempt duration exceeded timeout", Container }).class).toBe(
        "job-timeout",
      );
    },
  );

  it.each([
    ["Task failed to start - CannotPullContainerError: manifest unknown", "cannot-pull-image"],
    ["CannotPullContainerError: write /x: no space left on device", "disk-full"],
    [
      "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
      "capacity-never-available",
    ],
    [
      "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS – Batch service role has a permission issue.",
      "capacity-never-available",
    ],
    [notStartedReason(60), "capacity-never-available"],
    ["Task stopped during instance draining", "host-terminated-other"],
    ["Your Spot Task was interrupted.", "spot-reclaim"],
    ["Container Overrides length must be at most 8192", "batch-api-error"],
  ])("with the status reason '%s' is %s", (StatusReason, name) => {
    expect(taskFailed({ Status: "FAILED", StatusReason })).toMatchObject({ class: name, confidence: "high" });
  });

  it.each([
    "stopped by ana: Host EC2 (instance i-0abc) terminated.",
    "Host EC2 (instance i-0abc) terminated. I gave up. - Ana",
    "Reconcile: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT cleanup",
    "kill: Job attempt duration exceeded timeout",
    "Cancelled by ana: OutOfMemoryError: Container killed",
    "wrong learning rate",
  ])("is somebody's where its reason only holds a system's words, or none: %s", (StatusReason) => {
    const diagnosis = taskFailed({ Status: "FAILED", StatusReason });
    expect(diagnosis.class).toBe("cancelled/terminated-by-user");
    expect(diagnosis.confidence).not.toBe("high");
  });

  it("is never told from the job's own words, wherever they stand", () => {
    const diagnosis = taskFailed({
      ...ownWords,
      StatusReason: "Essential container in task exited",
      Container: { ...ownContainer, ExitCode: 1 },
      Attempts: [{ StatusReason: reclaimed, Container: { Reason: "OutOfMemoryError: Container killed" } }],
    });
    expect(diagnosis).toMatchObject({ class: "user-exception", confidence: "low" });
  });

  it("is told from its attempts, the last first, where the job itself says nothing", () => {
    const Attempts = [
      { StatusReason: "Job attempt duration exceeded timeout" },
      { StatusReason: reclaimed },
      { StatusReason: "Essential container in task exited" },
    ];
    const diagnosis = taskFailed({ Status: "FAILED", Attempts });
    expect(diagnosis).toMatchObject({ class: "spot-reclaim", instance: "i-0abc12" });
    expect(diagnosis.signs[0]?.where).toBe("Attempts[1].StatusReason");
  });

  it.each([
    [139, "segfault/native-crash"],
    [134, "segfault/native-crash"],
    [126, "image-or-command-error"],
    [127, "image-or-command-error"],
    [4, "user-exception"],
    [20, "user-exception"],
    [0, "unknown"],
    [200, "user-exception"],
  ])("with nothing but exit code %s is %s", (ExitCode, name) => {
    const job = {
      Status: "FAILED",
      StatusReason: "Essential container in task exited",
      Container: { ExitCode },
    };
    expect(taskFailed(job).class).toBe(name);
    expect(taskFailed(job).confidence).not.toBe("high");
  });

  it("is read by Pawl's own exit codes only for a job of Pawl's", () => {
    const Environment = [{ Name: "PAWL_ATTEMPT", Value: "3" }];
    expect(taskFailed({ Container: { ExitCode: 21, Environment } }).class).toBe("gpu-oom");
    expect(taskFailed({ Container: { ExitCode: 21 } }, { ours: true }).class).toBe("gpu-oom");
    expect(taskFailed({ Container: { ExitCode: 21 } }).class).toBe("user-exception");
  });

  it("by SIGKILL is a guess for anybody's job, and unknown for Pawl's, whose agent cannot tell any more", () => {
    const job = { StatusReason: "Essential container in task exited", Container: { ExitCode: 137 } };
    expect(taskFailed(job)).toMatchObject({ class: "container-oom", confidence: "low" });
    const ours = taskFailed(job, { ours: true });
    expect(ours).toMatchObject({ class: "unknown", confidence: "low" });
    expect(ours.message).toContain("exit code 137 (killed by signal 9)");
  });

  it("is a stop only for a job of Pawl's", () => {
    const job = { StatusReason: terminationReason({ id: "1", by: "ana@laptop", at: moment(0) }) };
    expect(taskFailed(job, { ours: true }).class).toBe("interrupted");
    expect(taskFailed(job).class).toBe("cancelled/terminated-by-user");
  });

  it("for its driver's sake is known by the exact words, and only of a job of Pawl's", () => {
    const of = (StatusReason: string, ours: boolean) =>
      taskFailed({ Status: "FAILED", StatusReason, Container: { ExitCode: 137 } }, { ours });
    expect(of(driverGoneReason, true)).toMatchObject({ class: "interrupted", confidence: "high" });
    expect(of(driverGoneReason, false).class).toBe("cancelled/terminated-by-user");
    expect(of(`${driverGoneReason}, says ana`, true).class).toBe("cancelled/terminated-by-user");
  });

  it("in a queue that let it wait no longer is want of capacity, in AWS's whole words alone", () => {
    const of = (StatusReason: string) => taskFailed({ StatusReason });
    const action = "Terminated by JobStateTimeLimit action";
    expect(of(`${action} due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY`)).toMatchObject({
      class: "capacity-never-available",
      confidence: "high",
    });
    expect(of(`${action}, it seems`)).not.toMatchObject({ confidence: "high" });
  });

  it("is not what befell an attempt of it while it goes on", () => {
    const Attempts = [{ StatusReason: reclaimed, Container: { ExitCode: 137 } }];
    for (const Status of ["RUNNABLE", "RUNNING"]) expect(taskFailed({ Status, Attempts }).class).toBe("none");
    expect(taskFailed({ Status: "FAILED", Attempts }).class).toBe("spot-reclaim");
  });

  it("that was none is none, whatever it says", () => {
    const job = { Status: "SUCCEEDED", StatusReason: reclaimed, Container: { ExitCode: 0 } };
    expect(taskFailed(job)).toMatchObject({ class: "none", confidence: "high" });
    expect(taskFailed({ Status: "RUNNING", JobId: "1" }).class).toBe("none");
  });

  it("gives the moment it stopped, where that is one", () => {
    const at = (StoppedAt: unknown) => taskFailed({ StatusReason: reclaimed, StoppedAt }).stoppedAt;
    expect(at(Date.UTC(2026, 0, 1))).toBe("2026-01-01T00:00:00.000Z");
    for (const none of [1e300, -1, Number.MAX_SAFE_INTEGER, 253402300800000, "yesterday", null, {}])
      expect(at(none)).toBeUndefined();
  });
});

describe("an error without a Batch job", () => {
  it.each([
    ["States.Timeout", undefined, "job-timeout"],
    ["States.Timeout", "some words", "job-timeout"],
    ["Batch.TooManyRequestsException", "Too Many Requests", "batch-api-throttled"],
    ["Batch.AWSBatchException", "Rate exceeded (Service: AWSBatch; Status Code: 429)", "batch-api-throttled"],
    ["Batch.ClientException", "JobDefinition pawl is not in ACTIVE status", "batch-api-error"],
    ["Batch.ServerException", JSON.stringify({ StatusReason: reclaimed }), "batch-api-error"],
    ["States.DataLimitExceeded", undefined, "sfn-error"],
    ["Lambda.Unknown", "x", "sfn-error"],
    ["States.TaskFailed", undefined, "sfn-error"],
    ["States.TaskFailed", `not JSON: ${reclaimed}`, "sfn-error"],
    ["States.TaskFailed", `{"StatusReason": "${reclaimed.slice(0, 15)}`, "sfn-error"],
    ["States.TaskFailed", `{"StatusReason": "${reclaimed}", "Contai`, "spot-reclaim"],
    ["States.TaskFailed", "{}", "sfn-error"],
    ["States.TaskFailed", "[]", "sfn-error"],
    ["States.TaskFailed", '{"errorType": "KeyError", "errorMessage": "Attempts"}', "sfn-error"],
    ["", "", "sfn-error"],
  ])("%s with cause %j is %s", (error, cause, name) => {
    const diagnosis = diagnose({ caught: { error, cause } });
    expect(diagnosis.class).toBe(name);
    expect(diagnosis.message).not.toBe("");
  });

  it("is not sure of what stands in a cause that was cut", () => {
    const cause = `{"StatusReason": "${reclaimed}", "Contai`;
    expect(diagnose({ caught: { error: "States.TaskFailed", cause } }).confidence).toBe("medium");
  });
});

describe("the attempt's own account", () => {
  it("comes before Batch's words", () => {
    const place = "ValueError at train.py:12";
    const outcome = anOutcome(1, "user-exception", { message: "ValueError: no such layer", place });
    expect(taskFailed({ StatusReason: reclaimed }, { outcome })).toMatchObject({
      class: "user-exception",
      message: "ValueError: no such layer",
      place,
      stoppedAt: outcome.endedAt,
    });
  });

  it.each(["unknown", "interrupted", "left", "duplicate", "done"] as const)(
    "of being '%s' gives way to what Batch is sure of, and to no more",
    (result) => {
      const outcome = anOutcome(1, result);
      expect(taskFailed({ StatusReason: reclaimed }, { outcome }).class).toBe("spot-reclaim");
      const timeout = { StatusReason: "Job attempt duration exceeded timeout" };
      expect(taskFailed(timeout, { outcome }).class).toBe("job-timeout");
      if (result === "done") return;
      const own = result === "interrupted" ? "interrupted" : "unknown";
      expect(taskFailed({ Container: { ExitCode: 1 } }, { outcome }).class).toBe(own);
      expect(taskFailed({ Status: "SUCCEEDED" }, { outcome }).class).toBe(own);
    },
  );

  it("that all is done is no failure", () => {
    expect(diagnose({ outcome: anOutcome(1, "done") }).class).toBe("none");
  });
});

describe("the end of the log", () => {
  const log = ["epoch 3", "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"];
  const exited = { StatusReason: "Essential container in task exited", Container: { ExitCode: 1 } };

  it("says more than an exit code", () => {
    const diagnosis = taskFailed(exited, { log });
    expect(diagnosis).toMatchObject({ class: "gpu-oom", confidence: "medium" });
    expect(diagnosis.signs.map(({ where }) => where)).toEqual(["log", "Container.ExitCode"]);
  });

  it("says less than a field of Batch's", () => {
    expect(taskFailed({ StatusReason: reclaimed }, { log }).class).toBe("spot-reclaim");
    expect(taskFailed({ StatusReason: "killed by ana" }, { log }).class).toBe("cancelled/terminated-by-user");
    expect(taskFailed({ Status: "SUCCEEDED" }, { log }).class).toBe("none");
  });

  it("of a job of Pawl's excuses nothing that only the platform can know, and condemns no checkpoint", () => {
    const ours = (line: string) => taskFailed(exited, { log: [line], ours: true }).class;
    expect(ours("Caught SIGTERM, exiting")).toBe("unknown");
    expect(ours("Host EC2 (instance i-0abc12) terminated.")).toBe("unknown");
    expect(ours("EOFError: Ran out of input")).toBe("user-exception");
    expect(ours("RuntimeError: CUDA out of memory.")).toBe("gpu-oom");
  });
});

describe("whether it can go well when it is tried again", () => {
  const failed = (StatusReason: string) => taskFailed({ Status: "FAILED", StatusReason }).retryable;

  it.each([
    ["MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", false],
    ["CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill it", undefined],
    ["CannotPullContainerError: manifest for x not found: manifest unknown", false],
    ["CannotPullContainerError: dial tcp 1.2.3.4:443: i/o timeout", true],
    [reclaimed, undefined],
  ])("is told of '%s' where that says so: %s", (reason, again) => expect(failed(reason)).toBe(again));

  it("is told of errors of Batch, S3 and the state machine", () => {
    const of = (error: string, cause?: string) => diagnose({ caught: { error, cause } }).retryable;
    expect(of("Batch.ServerException", "x (Service: AWSBatch; Status Code: 500)")).toBe(true);
    expect(of("Batch.ClientException", "not in ACTIVE status (Status Code: 400)")).toBeUndefined();
    expect(of("States.DataLimitExceeded")).toBe(false);
    const line = (text: string) => diagnose({ log: [text] }).retryable;
    expect(line("An error occurred (NoSuchKey) when calling the GetObject operation: none")).toBe(false);
    expect(line("An error occurred (SlowDown) when calling the GetObject operation: slow")).toBe(true);
  });
});
