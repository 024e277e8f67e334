import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { handlerNames } from "../cdk/bundle.ts";
import { functionVariables } from "../core/stack.ts";
import { plainId } from "./policy-names.ts";
import { synthesised } from "./template.ts";

const template = synthesised();

/** The functions' properties, by their names. */
const functionsOf = (from = template) =>
  Object.fromEntries(
    Object.entries(from.findResources("AWS::Lambda::Function")).map(([id, { Properties }]) => [
      plainId(id).replace(/^Functions/, ""),
      Properties,
    ]),
  );
const names = ["Open", "Recover", "Review", "Stop", "Sweep"];

describe("the functions", () => {
  test("are one for each handler, on Node 24 on arm64, with a time-out", () => {
    expect(Object.keys(functionsOf()).sort()).toEqual(names);
    expect(handlerNames.map((name) => name.charAt(0).toUpperCase() + name.slice(1)).sort()).toEqual(names);
    template.allResourcesProperties("AWS::Lambda::Function", {
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
      Timeout: Match.anyValue(),
      TracingConfig: Match.absent(),
      // A new account has ten executions at once, which must all stay unreserved.
      ReservedConcurrentExecutions: Match.absent(),
    });
  });

  test("have two minutes, and Sweep as long as what it ends has, and more", () => {
    const timeouts = Object.entries(functionsOf()).map(([name, { Timeout }]) => [name, Timeout]);
    expect(Object.fromEntries(timeouts)).toEqual({
      Open: 120,
      Recover: 120,
      Review: 120,
      Stop: 120,
      Sweep: 300,
    });
  });

  test("keep the ids that CloudFormation makes their names of, since executions under way call them by name", () => {
    expect(Object.keys(template.findResources("AWS::Lambda::Function")).sort()).toEqual([
      "FunctionsOpenCC16D42B",
      "FunctionsRecoverD2506AF8",
      "FunctionsReview745C5CE9",
      "FunctionsStop9C441D44",
      "FunctionsSweepE321ADB6",
    ]);
  });

  test("have a role and a log group each, kept for a month or as long as is asked for", () => {
    const distinct = (values: unknown[]) => new Set(values.map((value) => JSON.stringify(value))).size;
    const all = Object.values(functionsOf());
    expect(distinct(all.map(({ Role }) => Role))).toBe(names.length);
    expect(distinct(all.map(({ LoggingConfig }) => LoggingConfig))).toBe(names.length);
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 30 });
    const short = synthesised({ logRetention: 7, executionLogs: "errors" });
    short.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 7 });
    short.resourceCountIs("AWS::Logs::LogGroup", names.length + 2);
  });

  test("are told the store, the stack's name and what it offers; Sweep alone the topic", () => {
    const { store, name, executions, offers, prices, topic, runMetrics } = functionVariables;
    for (const [which, { Environment }] of Object.entries(functionsOf())) {
      const { Variables } = Environment;
      expect(Object.keys(Variables).sort()).toEqual(
        [store, name, executions, offers, ...(which === "Sweep" ? [topic] : [])].sort(),
      );
      expect(Variables[name]).toBe("Pawl");
      expect(JSON.stringify(Variables[executions])).toMatch(
        /"AWS::Region".*"AWS::AccountId".*:execution:Pawl-Runs:"/,
      );
      expect(JSON.parse(Variables[offers])).toMatchObject({
        images: { default: expect.any(String) },
        instanceTypes: ["g4dn", "g5", "g6"],
        maxVcpus: 256,
      });
    }
    const chosen = functionsOf(synthesised({ runMetrics: true, prices: { "g5.xlarge": { spot: 0.4 } } }));
    for (const { Environment } of Object.values(chosen)) {
      expect(Environment.Variables[runMetrics]).toBe("1");
      expect(JSON.parse(Environment.Variables[prices])).toEqual({ "g5.xlarge": { spot: 0.4 } });
    }
  });

  test("refuse variables that Lambda would not take", () => {
    const prices = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`g5.${index}xlarge`, { spot: 0.5 }]),
    );
    expect(() => synthesised({ prices })).toThrow(/Lambda takes 4096/);
  });

  test("are traced by choice", () => {
    synthesised({ tracing: true }).allResourcesProperties("AWS::Lambda::Function", {
      TracingConfig: { Mode: "Active" },
    });
  });

  test("are asked again twice where Sweep fails, which nobody waits for", () => {
    template.resourceCountIs("AWS::Lambda::EventInvokeConfig", 1);
    template.hasResourceProperties("AWS::Lambda::EventInvokeConfig", {
      FunctionName: { Ref: Match.stringLikeRegexp("^FunctionsSweep") },
      MaximumRetryAttempts: 2,
      MaximumEventAgeInSeconds: 900,
    });
  });
});

describe("Sweep", () => {
  test("is asked when an execution of our machine has ended, however it did", () => {
    template.hasResourceProperties("AWS::Events::Rule", {
      State: "ENABLED",
      EventPattern: {
        source: ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        detail: {
          stateMachineArn: [{ Ref: Match.stringLikeRegexp("^WorkflowRuns") }],
          status: ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
        },
      },
      Targets: [
        Match.objectLike({ Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("^FunctionsSweep"), "Arn"] } }),
      ],
    });
  });

  test("is asked every 15 minutes, and by nobody but the two rules", () => {
    template.resourceCountIs("AWS::Events::Rule", 2);
    template.hasResourceProperties("AWS::Events::Rule", {
      ScheduleExpression: "rate(15 minutes)",
      Targets: [
        Match.objectLike({ Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("^FunctionsSweep"), "Arn"] } }),
      ],
    });
    template.resourceCountIs("AWS::Lambda::Permission", 2);
    template.allResourcesProperties("AWS::Lambda::Permission", {
      Principal: "events.amazonaws.com",
      FunctionName: { "Fn::GetAtt": [Match.stringLikeRegexp("^FunctionsSweep"), "Arn"] },
      SourceArn: { "Fn::GetAtt": [Match.stringLikeRegexp("^Sweeping"), "Arn"] },
    });
  });
});
