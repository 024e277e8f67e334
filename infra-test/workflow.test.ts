import { expect, test } from "vitest";
import * as z from "zod";
import { Next } from "../core/next.ts";
import { definitionFrom } from "../local/definition-template.ts";
import { synthesised } from "./template.ts";

const { StartAt, States } = definitionFrom(synthesised().toJSON());

/** Where a state can lead to, by the condition that leads there. */
const leads = (name: string): Record<string, string> => {
  const state = z
    .looseObject({
      Next: z.string().optional(),
      Default: z.string().optional(),
      Choices: z.array(z.object({ StringEquals: z.string(), Next: z.string() })).default([]),
      Catch: z.array(z.object({ ErrorEquals: z.array(z.string()), Next: z.string() })).default([]),
    })
    .parse(States[name]);
  return Object.fromEntries([
    ...(state.Next === undefined ? [] : [["next", state.Next]]),
    ...(state.Default === undefined ? [] : [["otherwise", state.Default]]),
    ...state.Choices.map((choice) => [choice.StringEquals, choice.Next]),
    ...state.Catch.flatMap((catcher) => catcher.ErrorEquals.map((error) => [error, catcher.Next])),
  ]);
};

test("the states lead to one another as the picture says", () => {
  expect(StartAt).toBe("Open");
  expect(Object.fromEntries(Object.keys(States).map((name) => [name, leads(name)]))).toEqual({
    Open: { next: "Next" },
    Next: {
      train: "Train",
      wait: "Wait",
      continue: "Continue",
      done: "Done",
      failed: "Failed",
      otherwise: "Unknown",
    },
    Train: { next: "Review", "States.ALL": "Recover" },
    Review: { next: "Next" },
    Recover: { next: "Next" },
    Wait: { next: "Open" },
    Continue: { next: "Done", "StepFunctions.ExecutionAlreadyExistsException": "Done" },
    Done: {},
    Failed: {},
    Unknown: {},
  });
});

test("there is a way for every action that a function can answer", () => {
  const actions = Next.options.flatMap((option) => [...option.shape.action.values]);
  expect(Object.keys(leads("Next")).sort()).toEqual([...actions, "otherwise"].sort());
});

test("Train submits to the queue of its market, retries nothing, and keeps of its result what is used", () => {
  expect(States.Train).toEqual({
    Type: "Task",
    Resource: "arn:aws:states:::batch:submitJob.sync",
    TimeoutSeconds: 14 * 24 * 3600,
    Parameters: {
      "JobName.$": "$.train.jobName",
      "JobQueue.$": "States.Format('Pawl-{}', $.train.market)",
      JobDefinition: "Pawl-Attempt",
      ContainerOverrides: {
        Environment: [
          { Name: "PAWL_RUN", "Value.$": "$.run" },
          { Name: "PAWL_ATTEMPT", "Value.$": "$.train.attemptText" },
          { Name: "PAWL_SEQUENCE", "Value.$": "$.train.sequenceText" },
        ],
        "ResourceRequirements.$": "$.train.resourceRequirements",
      },
    },
    ResultSelector: { "jobId.$": "$.JobId", "status.$": "$.Status" },
    ResultPath: "$.result",
    Catch: [{ ErrorEquals: ["States.ALL"], ResultPath: "$.error", Next: "Recover" }],
    Next: "Review",
  });
});

test.each(["Open", "Review", "Recover"])(
  "%s is tried again when Lambda fails, not when our code does",
  (name) => {
    expect(States[name]).toMatchObject({
      Type: "Task",
      Resource: "arn:aws:states:::lambda:invoke",
      OutputPath: "$.Payload",
      Parameters: { FunctionName: expect.stringMatching(new RegExp(`Functions${name}$`)) },
      Retry: [
        {
          ErrorEquals: expect.arrayContaining(["Lambda.ServiceException", "Lambda.TooManyRequestsException"]),
          JitterStrategy: "FULL",
        },
      ],
    });
    expect(JSON.stringify(States[name])).not.toMatch(/States\.(ALL|TaskFailed)/);
  },
);

test("a function cannot outlast the state that waits for it", () => {
  const functions = Object.values(synthesised().findResources("AWS::Lambda::Function"));
  const [seconds = 0] = functions.map(({ Properties }): number => Properties.Timeout);
  expect(seconds).toBeGreaterThan(0);
  for (const name of ["Open", "Review", "Recover"]) {
    expect(z.object({ TimeoutSeconds: z.number() }).parse(States[name]).TimeoutSeconds).toBeGreaterThan(
      seconds,
    );
  }
});
