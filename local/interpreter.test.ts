import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type Definition, loadDefinition } from "./definition.ts";
import {
  type ExecutionOptions,
  runExecution,
  StateError,
  type StateEvent,
  type TaskHandler,
} from "./interpreter.ts";

const identity = {
  name: "digits-1-1",
  executionId: "local:digits-1:1",
  stateMachineId: "local:Runs",
  signal: new AbortController().signal,
  onState: () => undefined,
};

const run = (options: Pick<ExecutionOptions, "definition" | "handlers"> & Partial<ExecutionOptions>) =>
  runExecution({ ...identity, input: {}, ...options });

/** A machine of one task, with more fields where a test wants them. */
const oneTask = (resource: string, task: object = {}, states: object = {}): Definition =>
  JSON.parse(
    JSON.stringify({
      StartAt: "Work",
      States: {
        Work: {
          Type: "Task",
          Resource: `arn:aws:states:::${resource}`,
          TimeoutSeconds: 60,
          End: true,
          ...task,
        },
        ...states,
      },
    }),
  );

const invoke = { Parameters: { FunctionName: "f", "Payload.$": "$" }, OutputPath: "$.Payload" };
const submit = {
  Parameters: {
    JobQueue: "q",
    JobDefinition: "d",
    "JobName.$": "$.jobName",
    ContainerOverrides: {
      Environment: [{ Name: "PAWL_RUN", "Value.$": "$.run" }],
      "ResourceRequirements.$": "$.needs",
    },
  },
};
const submission = { jobName: "digits-1-1", run: "digits-1", needs: [{ Type: "GPU", Value: "1" }] };
const caught = {
  End: undefined,
  Next: "Done",
  Catch: [{ ErrorEquals: ["States.ALL"], ResultPath: "$.error", Next: "Caught" }],
};
const ends = { Done: { Type: "Succeed" }, Caught: { Type: "Succeed" } };

const never: TaskHandler = () => Promise.reject(new Error("this handler must not be called"));

test("a function is given the payload alone, and its answer becomes the state", async () => {
  const given: unknown[] = [];
  const result = await run({
    definition: oneTask("lambda:invoke", invoke),
    input: { run: "digits-1" },
    handlers: {
      Work: async (input) => {
        given.push(input);
        return { action: "done" };
      },
    },
  });
  expect(given).toEqual([{ run: "digits-1" }]);
  expect(result).toEqual({ status: "SUCCEEDED", output: { action: "done" } });
});

test("a task sees the context that the caller names", async () => {
  const paths = ["Execution.Id", "Execution.Name", "Execution.Input", "StateMachine.Id"];
  const Payload = Object.fromEntries(paths.map((path) => [`${path.replace(".", "")}.$`, `$$.${path}`]));
  const result = await run({
    definition: oneTask("lambda:invoke", {
      Parameters: { FunctionName: "f", Payload },
      OutputPath: "$.Payload",
    }),
    input: { a: 1 },
    handlers: { Work: async (input) => input },
  });
  expect(result).toEqual({
    status: "SUCCEEDED",
    output: {
      ExecutionId: "local:digits-1:1",
      ExecutionName: "digits-1-1",
      ExecutionInput: { a: 1 },
      StateMachineId: "local:Runs",
    },
  });
});

test("only JSON goes in and comes out: nothing is shared, and nothing else slips through", async () => {
  const input = { list: [1], date: new Date(0), lost: undefined };
  const answer = { list: [2], when: new Date(0), gone: undefined, act: () => 1 };
  let given: unknown;
  const result = await run({
    definition: oneTask("lambda:invoke", invoke),
    input,
    handlers: {
      Work: async (payload) => {
        given = payload;
        return answer;
      },
    },
  });
  answer.list.push(3);
  input.list.push(3);
  expect(given).toEqual({ list: [1], date: "1970-01-01T00:00:00.000Z" });
  expect(result).toEqual({ status: "SUCCEEDED", output: { list: [2], when: "1970-01-01T00:00:00.000Z" } });
});

test("a function that answers nothing answers null", async () => {
  const definition = oneTask("lambda:invoke", invoke);
  const result = await run({ definition, handlers: { Work: async () => undefined } });
  expect(result).toEqual({ status: "SUCCEEDED", output: null });
});

test("a StateError fails the task under its own name and cause", async () => {
  const definition = oneTask("lambda:invoke", { ...invoke, Next: "Done", End: undefined }, ends);
  const handlers = { Work: () => Promise.reject(new StateError("Pawl.Broken", "the reason")) };
  expect(await run({ definition, handlers })).toEqual({
    status: "FAILED",
    error: "Pawl.Broken",
    cause: "the reason",
  });
});

test("an exception of a function is worded as Lambda words it", async () => {
  const handlers = { Work: () => Promise.reject(new RangeError("too far")) };
  const result = await run({ definition: oneTask("lambda:invoke", invoke), handlers });
  if (result.status !== "FAILED") throw new Error(`it ${result.status}`);
  expect(result.error).toBe("RangeError");
  expect(JSON.parse(result.cause)).toMatchObject({ errorType: "RangeError", errorMessage: "too far" });
});

test("a caught error is in the state as Error and Cause, cut to what Step Functions keeps", async () => {
  const handlers = { Work: () => Promise.reject(new StateError("E".repeat(300), "c".repeat(40_000))) };
  const definition = oneTask("batch:submitJob.sync", { ...submit, ...caught }, ends);
  const result = await run({ definition, input: submission, handlers });
  expect(result).toEqual({
    status: "SUCCEEDED",
    output: { ...submission, error: { Error: "E".repeat(256), Cause: "c".repeat(32_768) } },
  });
});

test("an error is retried as often as its Retry says, and each retry is told of", async () => {
  const events: StateEvent[] = [];
  const Retry = [
    { ErrorEquals: ["Lambda.ServiceException"], MaxAttempts: 2, IntervalSeconds: 1, JitterStrategy: "FULL" },
  ];
  let calls = 0;
  const result = await run({
    definition: oneTask("lambda:invoke", {
      ...invoke,
      Retry: Retry.map((retrier) => ({ ...retrier, BackoffRate: 1 })),
    }),
    handlers: {
      Work: async () => {
        calls += 1;
        if (calls < 3) throw new StateError("Lambda.ServiceException", "busy");
        return "ok";
      },
    },
    onState: (event) => events.push(event),
  });
  expect(result).toEqual({ status: "SUCCEEDED", output: "ok" });
  expect(events.map(({ type }) => type)).toEqual([
    "entered",
    "failed",
    "retried",
    "failed",
    "retried",
    "exited",
  ]);
});

test("a state is told to be entered before its handler is called", async () => {
  const order: string[] = [];
  await run({
    definition: oneTask("lambda:invoke", invoke),
    handlers: { Work: async () => order.push("called") },
    onState: (event) => order.push(event.type),
  });
  expect(order).toEqual(["entered", "called", "exited"]);
});

const limit = 256 * 1024;
/** An object of exactly so many bytes as JSON, most of them in characters of two bytes. */
const ofBytes = (bytes: number) => {
  const rest = bytes - Buffer.byteLength('{"text":""}');
  return { text: "é".repeat(Math.floor(rest / 2)) + "x".repeat(rest % 2) };
};
const tooLarge = { status: "FAILED", error: "States.DataLimitExceeded" };
const catchAll = { ...invoke, OutputPath: undefined, ...caught };

test("256 KiB of input pass, and one byte more fails before anything is called", async () => {
  const definition = oneTask("lambda:invoke", { Parameters: { FunctionName: "f", Payload: 1 } });
  let calls = 0;
  const handlers = { Work: async () => (calls += 1) };
  expect(await run({ definition, input: ofBytes(limit), handlers })).toMatchObject({ status: "SUCCEEDED" });
  expect(calls).toBe(1);
  expect(await run({ definition, input: ofBytes(limit + 1), handlers })).toMatchObject(tooLarge);
  expect(calls).toBe(1);
});

test("a task that is given more than 256 KiB fails the execution, and States.ALL does not catch it", async () => {
  const Parameters = { FunctionName: "f", Payload: { "one.$": "$", "two.$": "$" } };
  const definition = oneTask("lambda:invoke", { ...catchAll, Parameters }, ends);
  expect(await run({ definition, input: ofBytes(limit / 2), handlers: { Work: never } })).toMatchObject(
    tooLarge,
  );
});

test("a result of more than 256 KiB fails the execution, and States.ALL neither catches nor retries it", async () => {
  let calls = 0;
  const Work = async () => {
    calls += 1;
    return ofBytes(limit + 1);
  };
  const Retry = [{ ErrorEquals: ["States.ALL"], MaxAttempts: 3 }];
  const definition = oneTask("lambda:invoke", { ...catchAll, Retry }, ends);
  expect(await run({ definition, handlers: { Work } })).toMatchObject(tooLarge);
  expect(calls).toBe(1);
});

test("a state that grows beyond 256 KiB where a result is merged in fails before the next state acts", async () => {
  const more = { Type: "Task", Resource: "arn:aws:states:::lambda:invoke", TimeoutSeconds: 60, End: true };
  const definition = oneTask(
    "lambda:invoke",
    { ...invoke, OutputPath: undefined, ResultPath: "$.result", Next: "More", End: undefined },
    { More: { ...more, Parameters: { FunctionName: "g", Payload: 1 } } },
  );
  const handlers = { Work: async () => ofBytes(limit / 2), More: never };
  expect(await run({ definition, input: ofBytes(limit / 2), handlers })).toMatchObject(tooLarge);
});

test("a path that leads nowhere is States.Runtime, which nothing catches", async () => {
  const definition = oneTask("batch:submitJob.sync", { ...submit, ...caught }, ends);
  const result = await run({ definition, input: { run: "digits-1" }, handlers: { Work: never } });
  expect(result).toMatchObject({ status: "FAILED", error: "States.Runtime" });
});

test.each([
  ["a number in the environment", { run: 1 }],
  ["a number as a requirement", { needs: [{ Type: "GPU", Value: 1 }] }],
  ["a name that is no text", { jobName: null }],
])("%s is States.Runtime, which nothing catches", async (_what, wrong) => {
  const definition = oneTask("batch:submitJob.sync", { ...submit, ...caught }, ends);
  const result = await run({ definition, input: { ...submission, ...wrong }, handlers: { Work: never } });
  expect(result).toMatchObject({ status: "FAILED", error: "States.Runtime" });
});

test.each([
  ["a job name with a blank", { jobName: "digits 1" }, "Batch.ClientException", "digits 1"],
  ["a job name of 129 characters", { jobName: "n".repeat(129) }, "Batch.ClientException", "128"],
  ["no GPU asked for as a GPU", { needs: [{ Type: "GPU", Value: "0" }] }, "Batch.ClientException", "GPU"],
  ["an unknown resource", { needs: [{ Type: "TPU", Value: "1" }] }, "Batch.ClientException", "TPU"],
  ["more than 8,192 characters of overrides", { run: "r".repeat(8192) }, "States.TaskFailed", "8192"],
])("%s fails as Batch fails it, and is caught", async (_what, wrong, error, word) => {
  const definition = oneTask("batch:submitJob.sync", { ...submit, ...caught }, ends);
  const result = await run({ definition, input: { ...submission, ...wrong }, handlers: { Work: never } });
  expect(result).toMatchObject({
    status: "SUCCEEDED",
    output: { error: { Error: error, Cause: expect.stringContaining(word) } },
  });
});

test("a job of the longest name is submitted", async () => {
  const given: unknown[] = [];
  const jobName = "n".repeat(128);
  const handlers = { Work: async (input: unknown) => given.push(input) };
  await run({
    definition: oneTask("batch:submitJob.sync", submit),
    input: { ...submission, jobName },
    handlers,
  });
  expect(given).toEqual([
    {
      JobName: jobName,
      JobQueue: "q",
      JobDefinition: "d",
      ContainerOverrides: {
        Environment: [{ Name: "PAWL_RUN", Value: "digits-1" }],
        ResourceRequirements: [{ Type: "GPU", Value: "1" }],
      },
    },
  ]);
});

test("an execution that is aborted settles while its handler still runs", async () => {
  const abort = new AbortController();
  const definition = oneTask("lambda:invoke", invoke);
  const handlers = {
    Work: () => {
      abort.abort();
      return new Promise(() => undefined);
    },
  };
  expect(await run({ definition, handlers, signal: abort.signal })).toEqual({ status: "ABORTED" });
});

test("an execution that is aborted in a wait or before a retry calls nothing any more", async () => {
  const waiting = new AbortController();
  const Wait = { Type: "Wait", Seconds: 3600, Next: "Work" };
  const definition = { ...oneTask("lambda:invoke", invoke, { Wait }), StartAt: "Wait" };
  const handlers = { Work: never };
  const onState = () => waiting.abort();
  expect(await run({ definition, handlers, signal: waiting.signal, onState })).toEqual({ status: "ABORTED" });

  const retrying = new AbortController();
  let calls = 0;
  const result = await run({
    definition: oneTask("lambda:invoke", {
      ...invoke,
      Retry: [{ ErrorEquals: ["States.ALL"], IntervalSeconds: 3600 }],
    }),
    handlers: {
      Work: async () => {
        calls += 1;
        throw new Error("again");
      },
    },
    signal: retrying.signal,
    onState: (event) => event.type === "failed" && retrying.abort(),
  });
  expect(result).toEqual({ status: "ABORTED" });
  // What the aborted interpreter still does, it does now.
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(calls).toBe(1);
});

test("an execution whose signal is aborted already does not begin", async () => {
  const events: StateEvent[] = [];
  const result = await run({
    definition: oneTask("lambda:invoke", invoke),
    handlers: { Work: never },
    signal: AbortSignal.abort(),
    onState: (event) => events.push(event),
  });
  expect(result).toEqual({ status: "ABORTED" });
  expect(events).toEqual([]);
});

test("a wait that no timer of this machine can count fails and is not skipped", async () => {
  const Wait = { Type: "Wait", SecondsPath: "$.seconds", Next: "Work" };
  const definition = { ...oneTask("lambda:invoke", invoke, { Wait }), StartAt: "Wait" };
  const result = await run({ definition, input: { seconds: 2_147_484 }, handlers: { Work: never } });
  expect(result).toMatchObject({
    status: "FAILED",
    error: "States.Runtime",
    cause: expect.stringContaining("Wait"),
  });
});

test("a Task without a handler is a mistake that is told before anything runs", async () => {
  await expect(run({ definition: oneTask("lambda:invoke", invoke), handlers: {} })).rejects.toThrow("'Work'");
});

test("an onState that throws ends the execution with its error", async () => {
  const definition = oneTask("lambda:invoke", invoke);
  const onState = () => {
    throw new RangeError("the reporter broke");
  };
  await expect(run({ definition, handlers: { Work: never }, onState })).rejects.toThrow("the reporter broke");
});

const train = (attempt: number, more: { market?: string; definition?: string; reason?: string } = {}) => ({
  run: "digits-1",
  sequence: attempt,
  generation: 1,
  action: "train",
  train: {
    attempt,
    market: "spot",
    definition: "default-gpu",
    reason: "run digits-1 begins",
    ...more,
    attemptText: String(attempt),
    sequenceText: String(attempt),
    jobName: `digits-1-${attempt}`,
    resourceRequirements: [{ Type: "MEMORY", Value: "2048" }],
  },
});
const step = { run: "digits-1", sequence: 9, generation: 1 };

/** The deployed machine, with handlers that answer what a test lists, in this order. */
const scripted = (answers: Record<string, readonly unknown[]>) => {
  const calls: { state: string; input: unknown }[] = [];
  const left = new Map(Object.entries(answers).map(([state, list]) => [state, [...list]]));
  const handlers = Object.fromEntries(
    ["Open", "Train", "Review", "Recover", "Continue"].map((state) => {
      const handler: TaskHandler = async (input) => {
        calls.push({ state, input });
        const answer = left.get(state)?.shift();
        if (answer instanceof Error) throw answer;
        if (answer === undefined) throw new StateError("Test.Unexpected", `${state} was called too often`);
        return answer;
      };
      return [state, handler];
    }),
  );
  return { calls, handlers };
};

test("the deployed machine opens, trains, recovers, waits, opens again, and is done", async () => {
  const { calls, handlers } = scripted({
    Open: [train(1), train(3)],
    Train: [
      { JobId: "a", Status: "SUCCEEDED", Container: { large: true } },
      new StateError("States.TaskFailed", "{}"),
      { JobId: "c", Status: "SUCCEEDED" },
    ],
    Review: [train(2), { ...step, action: "done", reason: "all epochs" }],
    Recover: [{ ...step, action: "wait", wait: { seconds: 0, reason: "backoff" } }],
  });
  const input = { job: { name: "digits" }, acceptChanges: true };
  const result = await run({ definition: await loadDefinition(), input, handlers });
  expect(result).toEqual({ status: "SUCCEEDED", output: { ...step, action: "done", reason: "all epochs" } });
  expect(calls.map(({ state }) => state)).toEqual([
    "Open",
    "Train",
    "Review",
    "Train",
    "Recover",
    "Open",
    "Train",
    "Review",
  ]);
  const opened = { input, driver: { id: "local:digits-1:1", execution: "digits-1-1" } };
  expect(calls[0]?.input).toEqual(opened);
  expect(calls[5]?.input).toEqual(opened);
  expect(calls[1]?.input).toMatchObject({
    JobName: "digits-1-1",
    JobQueue: "Pawl-spot",
    ContainerOverrides: {
      Environment: [
        { Name: "PAWL_RUN", Value: "digits-1" },
        { Name: "PAWL_ATTEMPT", Value: "1" },
        { Name: "PAWL_SEQUENCE", Value: "1" },
      ],
      ResourceRequirements: [{ Type: "MEMORY", Value: "2048" }],
    },
  });
  const attempt = { run: "digits-1", generation: 1 };
  expect(calls[2]?.input).toEqual({
    trained: { ...attempt, sequence: 1, attempt: 1, result: { jobId: "a", status: "SUCCEEDED" } },
  });
  expect(calls[4]?.input).toEqual({
    ...attempt,
    sequence: 2,
    attempt: 2,
    error: { Error: "States.TaskFailed", Cause: "{}" },
  });
});

test("the deployed machine submits each attempt to the queue of its market with the definition of its image, and shows why each began", async () => {
  const reclaimed = "attempt 1: spot-reclaim of i-0ab: going on at epoch 7, step 1200, on demand";
  const backoff = "attempt 2: container-oom: container killed; trying again in 0 s";
  const gaveUp = "attempt 3: no-checkpoint: it saved nothing; trying again would not help";
  const { calls, handlers } = scripted({
    Open: [train(1), train(3, { market: "on-demand" })],
    Train: Array.from({ length: 3 }, () => new StateError("States.TaskFailed", "{}")),
    Recover: [
      train(2, { market: "on-demand", definition: "torch-cpu", reason: reclaimed }),
      { ...step, action: "wait", wait: { seconds: 0, reason: backoff } },
      { ...step, action: "failed", error: "Pawl.no-checkpoint", cause: gaveUp },
    ],
  });
  const entered: { state: string; input: unknown }[] = [];
  const result = await run({
    definition: await loadDefinition(),
    handlers,
    onState: (event) => event.type === "entered" && entered.push(event),
  });
  const trains = calls.filter(({ state }) => state === "Train").map(({ input }) => input);
  expect(trains).toMatchObject([
    { JobQueue: "Pawl-spot", JobDefinition: "Pawl-default-gpu" },
    { JobQueue: "Pawl-on-demand", JobDefinition: "Pawl-torch-cpu" },
    { JobQueue: "Pawl-on-demand", JobDefinition: "Pawl-default-gpu" },
  ]);
  const inputsOf = (name: string) => entered.filter(({ state }) => state === name).map(({ input }) => input);
  // What Recover says stays in the state until the next decision: also beside the error that Catch gives.
  expect(inputsOf("Train")[1]).toMatchObject({ train: { reason: reclaimed } });
  expect(inputsOf("Recover")[1]).toMatchObject({ train: { reason: reclaimed }, error: { Cause: "{}" } });
  expect(inputsOf("Wait")).toMatchObject([{ wait: { reason: backoff } }]);
  expect(result).toEqual({ status: "FAILED", error: "Pawl.no-checkpoint", cause: gaveUp });
});

const continues = { ...step, action: "continue", continue: { name: "digits-1-x-2" } };

test("the deployed machine hands over by starting itself under the name it was given, and succeeds", async () => {
  const { calls, handlers } = scripted({ Open: [continues], Continue: [{ ExecutionArn: "e" }] });
  expect(await run({ definition: await loadDefinition(), handlers })).toMatchObject({ status: "SUCCEEDED" });
  expect(calls[1]).toEqual({
    state: "Continue",
    input: { StateMachineArn: "local:Runs", Name: "digits-1-x-2", Input: { run: "digits-1" } },
  });
});

test("the deployed machine succeeds where the hand-over has happened already, and does not try it twice", async () => {
  const exists = new StateError("StepFunctions.ExecutionAlreadyExistsException", "Execution Already Exists");
  const { calls, handlers } = scripted({ Open: [continues], Continue: [exists] });
  expect(await run({ definition: await loadDefinition(), handlers })).toMatchObject({ status: "SUCCEEDED" });
  expect(calls.map(({ state }) => state)).toEqual(["Open", "Continue"]);
});

test("the deployed machine fails in the words it is given, and with its own on an unknown action", async () => {
  const definition = await loadDefinition();
  const failed = { ...step, action: "failed", error: "Pawl.RunHeld", cause: "another trains it" };
  expect(await run({ definition, handlers: scripted({ Open: [failed] }).handlers })).toEqual({
    status: "FAILED",
    error: "Pawl.RunHeld",
    cause: "another trains it",
  });
  const unknown = scripted({ Open: [{ ...step, action: "dance" }] }).handlers;
  expect(await run({ definition, handlers: unknown })).toMatchObject({ error: "Pawl.UnknownAction" });
});

test("1,000 loops with a large state fit into little memory", async () => {
  const script = `
    import { loadDefinition } from ${JSON.stringify(new URL("./definition.ts", import.meta.url).href)};
    import { runExecution } from ${JSON.stringify(new URL("./interpreter.ts", import.meta.url).href)};
    const next = ${JSON.stringify(train(1))};
    const ballast = "x".repeat(200_000);
    let turns = 0;
    const result = await runExecution({
      definition: await loadDefinition(), input: {}, name: "n", executionId: "e", stateMachineId: "s",
      signal: new AbortController().signal, onState: () => undefined,
      handlers: {
        Open: async () => ({ ...next, ballast }),
        Train: async () => ({ JobId: "j", Status: "SUCCEEDED" }),
        Review: async () => ++turns < 1000 ? { ...next, ballast: ballast + turns } : { action: "done" },
        Recover: async () => { throw new Error("not this way"); },
        Continue: async () => { throw new Error("not this way"); },
      },
    });
    console.log(JSON.stringify({ status: result.status, turns }));`;
  // The inputs and outputs of all states are ten times this heap.
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--max-old-space-size=96",
    "--input-type=module",
    "-e",
    script,
  ]);
  expect(JSON.parse(stdout)).toEqual({ status: "SUCCEEDED", turns: 1000 });
});
