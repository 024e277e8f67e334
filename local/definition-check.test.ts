import { StateMachine } from "aws-local-stepfunctions";
import { expect, test } from "vitest";
import { PawlError } from "../core/errors.ts";
import { checkDefinition } from "./definition-check.ts";

type Json = Record<string, unknown>;

const task = {
  Type: "Task",
  Resource: "arn:aws:states:::lambda:invoke",
  TimeoutSeconds: 60,
  End: true,
};
const choice = {
  Type: "Choice",
  Choices: [{ Variable: "$.a", StringEquals: "x", Next: "End" }],
  Default: "End",
};
const end = { Type: "Succeed" };

/** A machine of one state of interest, and an end. */
const machine = (state: Json): Json => ({ StartAt: "S", States: { S: state, End: end } });

function refusal(definition: unknown): PawlError {
  try {
    checkDefinition(definition);
  } catch (error) {
    if (error instanceof PawlError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test.each([
  ["a task", task],
  [
    "a task with everything",
    {
      ...task,
      Comment: "c",
      InputPath: "$.a",
      Parameters: { "a.$": "$.b.c", b: [{ "c.$": "$$.Execution.Input" }], d: null },
      ResultSelector: { "a.$": "$" },
      ResultPath: "$.a.b",
      Retry: [
        {
          ErrorEquals: ["A", "States.Timeout"],
          IntervalSeconds: 2,
          MaxAttempts: 0,
          BackoffRate: 1.5,
          MaxDelaySeconds: 9,
        },
        { ErrorEquals: ["States.ALL"], JitterStrategy: "FULL" },
      ],
      Catch: [
        { ErrorEquals: ["B"], Next: "End", ResultPath: null },
        { ErrorEquals: ["States.ALL"], Next: "End" },
      ],
    },
  ],
  [
    "a text made of paths",
    {
      ...task,
      Parameters: {
        "a.$": "States.Format('Pawl-{}', $.train.market)",
        "b.$": "States.Format('{}/{}: {}', $.a, $.b.c,$.d)",
      },
    },
  ],
  ["a choice", choice],
  ["a wait by its path", { Type: "Wait", SecondsPath: "$.s", Next: "End" }],
  ["the longest wait", { Type: "Wait", Seconds: 2_147_483, Next: "End" }],
  ["a failure", { Type: "Fail", Error: "e", CausePath: "$.cause" }],
])("%s is taken", (_what, state) => {
  expect(() => checkDefinition(machine(state))).not.toThrow();
});

const caught = (more: Json) => ({ ...task, Catch: [{ ErrorEquals: ["States.ALL"], Next: "End", ...more }] });
const retried = (more: Json) => ({ ...task, Retry: [{ ErrorEquals: ["States.ALL"], ...more }] });
const chosen = (more: Json) => ({ ...choice, Choices: [{ ...choice.Choices[0], ...more }] });

test.each<[field: string, state: Json]>([
  ["QueryLanguage", { ...task, QueryLanguage: "JSONata" }],
  ["Assign", { ...task, Assign: { a: 1 } }],
  ["Arguments", { ...task, Arguments: {} }],
  ["Output", { ...end, Output: {} }],
  ["HeartbeatSeconds", { ...task, HeartbeatSeconds: 5 }],
  ["Credentials", { ...task, Credentials: {} }],
  ["TimeoutSecondsPath", { ...task, TimeoutSecondsPath: "$.a" }],
  ["TimeoutSeconds", { ...task, TimeoutSeconds: undefined }],
  ["TimeoutSeconds", { ...task, TimeoutSeconds: 2_147_484 }],
  ["TimeoutSeconds", { ...task, TimeoutSeconds: 1.5 }],
  ["Resource", { ...task, Resource: "arn:aws:states:::lambda:invoke.waitForTaskToken" }],
  ["Resource", { ...task, Resource: "arn:aws:states:::batch:submitJob" }],
  ["Resource", { ...task, Resource: "arn:aws:lambda:local:000000000000:function:f" }],
  ["InputPath", { ...task, InputPath: "$.a[0]" }],
  ["OutputPath", { ...task, OutputPath: null }],
  ["OutputPath", { ...caught({}), OutputPath: "$.a" }],
  ["ResultPath", { ...task, ResultPath: "$" }],
  ["ResultPath", { ...task, ResultPath: "$$.a" }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.UUID()" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('Pawl-{}')" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('Pawl', $.a)" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('{}', $.a, $.b)" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('{}{', $.a)" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('\\{{}', $.a)" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('{}', $)" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('{}', $.a[0])" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('{}', States.UUID())" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format($.format, $.a)" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "States.Format('{}', $.a) " } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "$.list[*]" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "$..b" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "$.text.length" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": "$$.State.Name" } }],
  ["Parameters.a.$", { ...task, Parameters: { "a.$": 1 } }],
  ["Parameters.x[0].a.$b", { ...task, Parameters: { x: [{ "a.$b": "$" }] } }],
  ["ResultSelector.a.$", { ...task, ResultSelector: { "a.$": "States.JsonToString($)" } }],
  ["Next", { ...task, End: undefined, Next: "Nowhere" }],
  ["Next", { ...task, Next: "End" }],
  ["Next", { ...task, End: undefined }],
  ["Next", caught({ Next: "Nowhere" })],
  ["Next", caught({ Next: undefined })],
  ["End", { ...task, End: false }],
  ["Catch[0].ResultPath", caught({ ResultPath: "$" })],
  ["Catch[0].Output", caught({ Output: {} })],
  ["Catch[0].ErrorEquals", caught({ ErrorEquals: ["States.ALL", "A"] })],
  ["Catch[0].ErrorEquals", caught({ ErrorEquals: ["States.DataLimitExceeded"] })],
  ["Catch[0].ErrorEquals", caught({ ErrorEquals: ["States.Runtime"] })],
  ["Catch[0].ErrorEquals", caught({ ErrorEquals: [] })],
  ["Catch[0].ErrorEquals", { ...task, Catch: [caught({}).Catch[0], { ErrorEquals: ["A"], Next: "End" }] }],
  ["Retry[0].BackoffRate", retried({ IntervalSeconds: 1000, MaxAttempts: 20 })],
  ["Retry[0].JitterStrategy", retried({ JitterStrategy: "SOME" })],
  ["Retry[0].MaxDelaySeconds", retried({ MaxDelaySeconds: 0 })],
  ["Retry[0].Extra", retried({ Extra: 1 })],
  ["Default", { ...choice, Default: undefined }],
  ["Next", { ...choice, Default: "Nowhere" }],
  ["Next", chosen({ Next: "Nowhere" })],
  ["Choices[0].StringMatches", chosen({ StringMatches: "a*" })],
  ["Choices[0].Variable", chosen({ Variable: "$.a[0]" })],
  ["Choices[0].StringEquals", chosen({ StringEquals: undefined })],
  ["Seconds", { Type: "Wait", Next: "End" }],
  ["Seconds", { Type: "Wait", Seconds: 2_147_484, Next: "End" }],
  ["SecondsPath", { Type: "Wait", SecondsPath: "$.a[0]", Next: "End" }],
  ["Timestamp", { Type: "Wait", Timestamp: "2030-01-01T00:00:00Z", Next: "End" }],
  ["Cause", { Type: "Fail", Error: "e" }],
  ["Error", { Type: "Fail", Error: "e", ErrorPath: "$.e", Cause: "c" }],
  ["CausePath", { Type: "Fail", Error: "e", CausePath: "States.Format('{}', $.a)" }],
  ["Type", { Type: "Parallel", Branches: [], End: true }],
  ["Type", { Type: "Map", End: true }],
  ["Type", { Type: "Pass", Result: 0, End: true }],
  ["Type", { Type: "constructor" }],
])("field %s of a state is refused by name: %j", (field, state) => {
  const error = refusal(machine(JSON.parse(JSON.stringify(state))));
  expect(error.code).toBe("DEFINITION_UNSUPPORTED");
  expect(error.details).toEqual({ state: "S", field });
  expect(error.message).toContain("'S'");
});

test.each<[field: string, more: Json]>([
  ["QueryLanguage", { QueryLanguage: "JSONata" }],
  ["StartAt", { StartAt: "Nowhere" }],
  ["StartAt", { StartAt: "toString" }],
  ["States", { States: [] }],
  ["TimeoutSeconds", { TimeoutSeconds: 2_147_484 }],
])("field %s of the machine is refused: %j", (field, more) => {
  expect(refusal({ ...machine(task), ...more }).details).toEqual({ field });
});

/** What the interpreter itself makes of a definition: what the table above is made from. */
const interpret = async (state: Json, input: Json, answer: unknown = {}) => {
  const given: unknown[] = [];
  const definition: ConstructorParameters<typeof StateMachine>[0] = JSON.parse(
    JSON.stringify(machine(state)),
  );
  const execution = new StateMachine(definition, { validationOptions: { noValidate: true } }).run(
    JSON.parse(JSON.stringify(input)),
    {
      overrides: {
        taskResourceLocalHandlers: {
          S: async (parameters) => {
            given.push(parameters);
            // Long enough for a timer that fires at once.
            await new Promise((resolve) => setTimeout(resolve, 50));
            if (answer instanceof Error) throw answer;
            return JSON.parse(JSON.stringify(answer));
          },
        },
      },
    },
  );
  const result: unknown = await execution.result.catch((error: Error) => error.cause);
  return { given: given[0], result };
};

const wrong: [quirk: string, state: Json, input: Json, answer: unknown, seen: object][] = [
  ["ignores Arguments", { ...task, Arguments: { b: 2 } }, { a: 1 }, {}, { given: { a: 1 } }],
  ["ignores Output", { ...task, Output: { b: 2 } }, {}, { a: 1 }, { result: { a: 1 } }],
  [
    "ignores Assign",
    { ...task, Assign: { b: 2 }, Parameters: { "b.$": "$.b" } },
    { b: 1 },
    {},
    { given: { b: 1 } },
  ],
  [
    "takes ResultPath $ for a field's name",
    { ...task, ResultPath: "$" },
    { a: 1 },
    2,
    { result: { a: 1, $: 2 } },
  ],
  [
    "times out at once beyond 2³¹-1 ms",
    { ...task, TimeoutSeconds: 2_147_484 },
    {},
    {},
    { result: { name: "States.Timeout" } },
  ],
  [
    "fails where a wildcard finds nothing",
    { ...task, Parameters: { "a.$": "$.list[*]" } },
    { list: [] },
    {},
    { result: { name: "States.Runtime" } },
  ],
  [
    "measures texts",
    { ...task, Parameters: { "a.$": "$.text.length" } },
    { text: "abc" },
    {},
    { given: { a: 3 } },
  ],
  [
    "takes an intrinsic CausePath for a path",
    { Type: "Fail", Error: "e", CausePath: "States.Format('{}', $.a)" },
    { a: "why" },
    {},
    { result: { name: "States.Runtime" } },
  ],
  ["makes up the words of a failure", { Type: "Fail" }, {}, {}, { result: { name: "FailStateError" } }],
  [
    "drops a Pass state's false result",
    { Type: "Pass", Result: false, End: true },
    { a: 1 },
    {},
    { result: { a: 1 } },
  ],
  [
    "catches what it should let pass",
    { ...task, End: undefined, Next: "End", Catch: [{ ErrorEquals: ["States.ALL"], Next: "End" }] },
    {},
    Object.assign(new Error("large"), { name: "States.DataLimitExceeded" }),
    { result: { Error: "States.DataLimitExceeded" } },
  ],
  [
    "leaves OutputPath out where it catches",
    {
      ...task,
      End: undefined,
      Next: "End",
      OutputPath: "$.Error",
      Catch: [{ ErrorEquals: ["States.ALL"], Next: "End" }],
    },
    {},
    Object.assign(new Error("c"), { name: "E" }),
    { result: { Error: "E", Cause: "c" } },
  ],
  ["ends with a null where nothing follows", { ...task, End: false, Next: "End" }, {}, 1, { result: 1 }],
];

const formatted = (format: string) => ({ ...task, Parameters: { "a.$": format } });

/** What the documentation of States.Format says of Step Functions. */
test.each<[what: string, format: string, input: Json, seen: object]>([
  [
    "one text",
    "States.Format('Pawl-{}', $.market)",
    { market: "on-demand" },
    { given: { a: "Pawl-on-demand" } },
  ],
  [
    "several",
    "States.Format('{}/{}: {}', $.a, $.b.c,$.d)",
    { a: "x", b: { c: "y" }, d: "z" },
    { given: { a: "x/y: z" } },
  ],
  [
    "a text that looks like a place",
    "States.Format('{}-{}', $.a, $.b)",
    { a: "{}", b: "y" },
    { given: { a: "{}-y" } },
  ],
  ["a number and a truth", "States.Format('{} {}', $.a, $.b)", { a: 1, b: true }, { given: { a: "1 true" } }],
  ["what is not there", "States.Format('{}', $.a)", {}, { result: { name: "States.Runtime" } }],
  ["an object", "States.Format('{}', $.a)", { a: {} }, { result: { name: "States.Runtime" } }],
  ["a list", "States.Format('{}', $.a)", { a: [1] }, { result: { name: "States.Runtime" } }],
])("the interpreter formats %s as Step Functions does", async (_what, format, input, seen) => {
  expect(() => checkDefinition(machine(formatted(format)))).not.toThrow();
  expect(await interpret(formatted(format), input)).toMatchObject(seen);
});

test.each(wrong)("the interpreter %s", async (_quirk, state, input, answer, seen) => {
  expect(await interpret(state, input, answer)).toMatchObject(seen);
});
