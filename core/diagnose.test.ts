import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diagnose } from "./diagnose.ts";
import { failureTable } from "./failure.ts";
import { anOutcome } from "./testing/events.ts";

const taskFailed = (job: unknown) =>
  diagnose({ outcome: undefined, caught: { error: "States.TaskFailed", cause: JSON.stringify(job) } });

/** What is in every cause, whatever happened: the job's own words. */
const ownWords = {
  RetryStrategy: {
    Attempts: 1,
    EvaluateOnExit: [
      { Action: "RETRY", OnStatusReason: "Host EC2*" },
      { Action: "EXIT", OnReason: "CannotPullContainer*" },
      { Action: "EXIT", OnReason: "OutOfMemoryError*" },
    ],
  },
  Tags: { note: "Job attempt duration exceeded timeout" },
};
const ownContainer = {
  Command: ["echo", "Host EC2 (instance i-0abc) terminated. OutOfMemoryError: Container killed"],
  Environment: [{ Name: "WORDS", Value: "Job attempt duration exceeded timeout" }],
};

describe("a Batch job's end", () => {
  it.each([137, 143, 1, 0, undefined])("by a reclaimed host is seen with exit code %s", (ExitCode) => {
    const diagnosis = taskFailed({
      ...ownWords,
      Status: "FAILED",
      StatusReason: "Host EC2 (instance i-0abc) terminated.",
      Container: { ...ownContainer, ...(ExitCode === undefined ? {} : { ExitCode }) },
    });
    expect(diagnosis).toEqual({
      class: "spot-reclaim",
      message: "Host EC2 (instance i-0abc) terminated.",
    });
  });

  it.each([
    ["OutOfMemoryError: Container killed due to memory usage", 137],
    ["OutOfMemoryError: Container killed due to memory usage", 1],
    ["OutOfMemoryError: container killed due to memory usage", 0],
    ["Container killed due to memory usage", undefined],
  ])("of a host out of memory is read from Container.Reason: %s, exit code %s", (Reason, ExitCode) => {
    expect(
      taskFailed({
        StatusReason: "Essential container in task exited",
        Container: { Reason, ...(ExitCode === undefined ? {} : { ExitCode }) },
      }),
    ).toEqual({ class: "container-oom", message: Reason });
  });

  it.each([137, undefined])(
    "by its time limit is seen before memory is thought of (exit code %s)",
    (ExitCode) => {
      expect(
        taskFailed({
          StatusReason: "Job attempt duration exceeded timeout",
          Container: {
            Reason: "OutOfMemoryError: Container killed",
            ...(ExitCode === undefined ? {} : { ExitCode }),
          },
        }).class,
      ).toBe("job-timeout");
    },
  );

  it("is never told from the job's own words, wherever they stand", () => {
    const text = "Host EC2 (instance i-0abc) terminated. Job attempt duration exceeded timeout";
    const diagnosis = taskFailed({
      ...ownWords,
      JobName: text,
      StatusReason: "Essential container in task exited",
      Container: { ...ownContainer, ExitCode: 1, LogStreamName: text },
      Attempts: [{ StatusReason: text, Container: { Reason: "OutOfMemoryError: Container killed" } }],
    });
    expect(diagnosis).toEqual({
      class: "unknown",
      message: "the Batch job ended with exit code 1 and left no account of its end",
    });
  });

  it("is never told from a person's words that only hold a system's", () => {
    const reason = "stopped by ana: Host EC2 (instance i-0abc) terminated.";
    expect(taskFailed({ StatusReason: reason })).toEqual({ class: "unknown", message: reason });
  });

  it("by a signal names it", () => {
    expect(taskFailed({ Container: { ExitCode: 139 } }).message).toContain(
      "exit code 139 (killed by signal 11)",
    );
  });

  it("gives the moment it stopped, where that is known", () => {
    expect(taskFailed({ StatusReason: "x", StoppedAt: Date.UTC(2026, 0, 1) }).stoppedAt).toBe(
      "2026-01-01T00:00:00.000Z",
    );
  });

  it.each([
    {},
    { StatusReason: null },
    { Container: null },
    { Container: { ExitCode: "1" } },
    [],
    null,
    5,
    "text",
  ])("of which fields are missing or odd still has a class and words: %j", (job) => {
    const { class: name, message } = taskFailed(job);
    expect(Object.keys(failureTable)).toContain(name);
    expect(message).not.toBe("");
  });
});

describe("an error without a Batch job", () => {
  it.each([
    ["States.Timeout", undefined, "job-timeout"],
    ["States.Timeout", "some words", "job-timeout"],
    ["Batch.TooManyRequestsException", "Too Many Requests", "batch-api-throttled"],
    ["Batch.ClientException", "JobDefinition pawl is not in ACTIVE status", "batch-api-error"],
    [
      "Batch.ServerException",
      '{"StatusReason": "Host EC2 (instance i-0abc) terminated."}',
      "batch-api-error",
    ],
    ["States.DataLimitExceeded", undefined, "sfn-error"],
    ["States.TaskFailed", undefined, "sfn-error"],
    ["States.TaskFailed", "not JSON: Host EC2 (instance i-0abc) terminated.", "sfn-error"],
    ["States.TaskFailed", '{"StatusReason": "Host EC2 (inst', "sfn-error"],
  ])("%s with cause %j is %s", (error, cause, name) => {
    const diagnosis = diagnose({ outcome: undefined, caught: { error, cause } });
    expect(diagnosis.class).toBe(name);
    expect(diagnosis.message).not.toBe("");
  });

  it.each([1e300, -1, Number.MAX_SAFE_INTEGER, 253402300800000, "yesterday", null, {}])(
    "that stopped at %j, which is no moment, has none",
    (StoppedAt) => {
      expect(taskFailed({ StatusReason: "Host EC2 (instance i-0abc) terminated.", StoppedAt })).toEqual({
        class: "spot-reclaim",
        message: "Host EC2 (instance i-0abc) terminated.",
      });
    },
  );

  it.each([
    [{}, "the Batch job failed, and gave no reason and no exit code"],
    [{ Status: "FAILED", Tags: ownWords.Tags }, "the Batch job failed, and gave no reason and no exit code"],
    [
      { Container: { Reason: "CannotPullContainerError: no such image" } },
      "CannotPullContainerError: no such image",
    ],
  ])("that says nothing of its end but %j is told in words, not in JSON", (job, words) => {
    const diagnosis = taskFailed(job);
    expect(diagnosis).toMatchObject({ class: "sfn-error", message: expect.stringContaining(words) });
    expect(diagnosis.message).not.toMatch(/[{}"]/);
  });

  it("whatever it says is given a class", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.option(fc.oneof(fc.string(), fc.json()), { nil: undefined }),
        (error, cause) => {
          const diagnosis = diagnose({ outcome: undefined, caught: { error, cause } });
          expect(Object.keys(failureTable)).toContain(diagnosis.class);
        },
      ),
    );
  });
});

describe("the attempt's own account", () => {
  const reclaimed = {
    error: "States.TaskFailed",
    cause: JSON.stringify({ StatusReason: "Host EC2 (instance i-0abc) terminated." }),
  };

  it("comes before Batch's words", () => {
    const outcome = anOutcome(1, "user-exception", { message: "ValueError: no such layer" });
    expect(diagnose({ outcome, caught: reclaimed })).toEqual({
      class: "user-exception",
      message: "ValueError: no such layer",
      stoppedAt: outcome.endedAt,
    });
  });

  it.each(["left", "duplicate"] as const)("of having %s is no class of its own", (result) => {
    expect(diagnose({ outcome: anOutcome(1, result), caught: reclaimed }).class).toBe("unknown");
  });

  it("that all is done gives way to what Batch says, and else says that it is not committed", () => {
    const outcome = anOutcome(1, "done");
    expect(diagnose({ outcome, caught: reclaimed }).class).toBe("spot-reclaim");
    expect(diagnose({ outcome, caught: undefined })).toMatchObject({
      class: "unknown",
      message: expect.stringContaining("not committed"),
    });
    expect(diagnose({ outcome: undefined, caught: undefined }).class).toBe("unknown");
  });
});
