import { Match } from "aws-cdk-lib/assertions";
import { expect, test } from "vitest";
import * as z from "zod";
import { markets } from "../core/market.ts";
import { Next } from "../core/next.ts";
import { definitionSuffix, jobDefinitionName, queueName } from "../core/stack.ts";
import { definitionFrom } from "../local/definition-template.ts";
import { synthesised } from "./template.ts";

const template = synthesised();
const { StartAt, States } = definitionFrom(template.toJSON());

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
      "JobDefinition.$": "States.Format('Pawl-{}', $.train.definition)",
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
          ErrorEquals: expect.arrayContaining([
            "Lambda.ServiceException",
            "Lambda.TooManyRequestsException",
            // What becomes of a process that ran out of memory, or was ended by the machine below it.
            "Lambda.Unknown",
            "Runtime.ExitError",
          ]),
          JitterStrategy: "FULL",
        },
      ],
    });
    expect(JSON.stringify(States[name])).not.toMatch(/States\.(ALL|TaskFailed)/);
  },
);

test("a function cannot outlast the state that waits for it", () => {
  const functions = Object.values(template.findResources("AWS::Lambda::Function"));
  const [seconds = 0] = functions.map(({ Properties }): number => Properties.Timeout);
  expect(seconds).toBeGreaterThan(0);
  for (const name of ["Open", "Review", "Recover"]) {
    expect(z.object({ TimeoutSeconds: z.number() }).parse(States[name]).TimeoutSeconds).toBeGreaterThan(
      seconds,
    );
  }
});

test("the names that Train makes are those of the stack's queues and definitions", () => {
  const named = (type: string, property: string) =>
    Object.values(template.findResources(type)).map(({ Properties }) => Properties[property]);
  expect(named("AWS::Batch::JobQueue", "JobQueueName").sort()).toEqual(
    markets.map((market) => queueName("Pawl", market)).sort(),
  );
  expect(named("AWS::Batch::JobDefinition", "JobDefinitionName").sort()).toEqual(
    [0, 1].map((gpus) => jobDefinitionName("Pawl", definitionSuffix("default", gpus))).sort(),
  );
});

test("the machine is made after what it submits to, which it knows by name only", () => {
  const [machine] = Object.values(template.findResources("AWS::StepFunctions::StateMachine"));
  const ids = (type: string) => Object.keys(template.findResources(type));
  expect(machine?.DependsOn).toEqual(
    expect.arrayContaining([...ids("AWS::Batch::JobQueue"), ...ids("AWS::Batch::JobDefinition")]),
  );
});

test("executions are neither logged nor traced unless that is chosen, and logs hold no data", () => {
  template.hasResourceProperties("AWS::StepFunctions::StateMachine", {
    StateMachineType: "STANDARD",
    LoggingConfiguration: Match.absent(),
    TracingConfiguration: { Enabled: false },
  });
  synthesised({ executionLogs: "errors", tracing: true }).hasResourceProperties(
    "AWS::StepFunctions::StateMachine",
    {
      LoggingConfiguration: {
        Level: "ERROR",
        IncludeExecutionData: false,
        Destinations: [
          {
            CloudWatchLogsLogGroup: {
              LogGroupArn: { "Fn::GetAtt": [Match.stringLikeRegexp("RunsLogs"), "Arn"] },
            },
          },
        ],
      },
      TracingConfiguration: { Enabled: true },
    },
  );
});
