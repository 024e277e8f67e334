import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { plainId } from "./policy-names.ts";
import { managedPolicies, statementsOf, synthesised } from "./template.ts";

const template = synthesised();
const statements = statementsOf(template);

/** What a role may do: each action with the resources it is for, as text. */
const allowed = (holder: RegExp): Record<string, string> =>
  Object.fromEntries(
    statements
      .filter((entry) => holder.test(entry.holder))
      .flatMap(({ statement }) =>
        statement.Action.map((action) => [action, JSON.stringify(statement.Resource)]),
      ),
  );

describe("permissions", () => {
  test("no role has a wildcard action, and there are roles to look at", () => {
    const actions = statements.flatMap(({ statement }) => statement.Action);
    expect(actions.length).toBeGreaterThan(40);
    expect(actions.filter((action) => action.includes("*"))).toEqual([]);
    expect(statements.every(({ statement }) => statement.Effect === "Allow")).toBe(true);
  });

  test("only what takes no resource is allowed on every one", () => {
    const everywhere = statements
      .filter(({ statement }) => statement.Resource.includes("*"))
      .flatMap(({ statement }) => statement.Action);
    expect(new Set(everywhere)).toEqual(
      new Set(["batch:DescribeJobs", "batch:ListJobs", "ec2:DescribeSpotPriceHistory"]),
    );
  });

  test("jobs may be ended in this account and Region only", () => {
    const ends = statements.filter(({ statement }) => statement.Action.includes("batch:TerminateJob"));
    expect(ends.map(({ holder }) => plainId(holder)).sort()).toEqual([
      "FunctionsOpenRole",
      "FunctionsStopRole",
      "FunctionsSweepRole",
      "WorkflowRole",
    ]);
    for (const { statement } of ends)
      expect(JSON.stringify(statement.Resource)).toMatch(
        /^\[\{"Fn::Join":\["",\["arn:",\{"Ref":"AWS::Partition"\},":batch:",\{"Ref":"AWS::Region"\},":",\{"Ref":"AWS::AccountId"\},":job\/\*"\]\]\}\]$/,
      );
  });

  test("the instances' own policy of AWS is the only one that is not written here", () => {
    expect(managedPolicies(template)).toEqual([
      expect.stringContaining("AmazonEC2ContainerServiceforEC2Role"),
    ]);
  });

  test("every function, the attempts, ECS, the instances and the machine have a role each, for one service", () => {
    const roles = Object.entries(template.findResources("AWS::IAM::Role")).map(([id, { Properties }]) => {
      const { Statement } = Properties.AssumeRolePolicyDocument;
      return [
        plainId(id),
        JSON.stringify(Statement.map(({ Principal }: { Principal: unknown }) => Principal)),
      ];
    });
    const service = (name: string) => `[{"Service":"${name}.amazonaws.com"}]`;
    expect(Object.fromEntries(roles)).toEqual({
      ...Object.fromEntries(
        ["Open", "Review", "Recover", "Sweep", "Stop"].map((name) => [
          `Functions${name}Role`,
          service("lambda"),
        ]),
      ),
      ComputeAttemptsRole: service("ecs-tasks"),
      ComputeAttemptsExecutionRole: service("ecs-tasks"),
      ComputeInstancesRole: service("ec2"),
      WorkflowRole: service("states"),
    });
  });

  test("the state machine may submit our jobs, ask our functions, and start itself", () => {
    const may = allowed(/^WorkflowRole/);
    expect(Object.keys(may).sort()).toEqual([
      "batch:DescribeJobs",
      "batch:SubmitJob",
      "batch:TerminateJob",
      "events:DescribeRule",
      "events:PutRule",
      "events:PutTargets",
      "lambda:InvokeFunction",
      "states:StartExecution",
    ]);
    expect(may["batch:SubmitJob"]).toMatch(
      /ComputeSpotQueue.*JobQueueArn.*ComputeOnDemandQueue.*JobQueueArn/,
    );
    for (const name of ["default-gpu", "default-cpu"]) {
      expect(may["batch:SubmitJob"]).toContain(`:job-definition/Pawl-${name}"`);
      expect(may["batch:SubmitJob"]).toContain(`:job-definition/Pawl-${name}:*"`);
    }
    expect(may["events:PutRule"]).toContain(":rule/StepFunctionsGetEventsForBatchJobsRule");
    expect(may["states:StartExecution"]).toContain(":stateMachine:Pawl-Runs");
    for (const name of ["Open", "Review", "Recover"]) {
      expect(may["lambda:InvokeFunction"]).toContain(`"Functions${name}`);
    }
  });

  test("the state machine has the name that its policy, and Open's, are written for", () => {
    template.hasResourceProperties("AWS::StepFunctions::StateMachine", { StateMachineName: "Pawl-Runs" });
    for (const role of [/^FunctionsOpenRole/, /^FunctionsSweepRole/, /^FunctionsStopRole/])
      expect(allowed(role)["states:DescribeExecution"]).toContain(":execution:Pawl-Runs:*");
  });

  test("only the functions may write the journal, and they write nothing else but what Sweep remembers", () => {
    const writers = statements.filter(({ statement }) => statement.Action.includes("s3:PutObject"));
    for (const { holder, statement } of writers) {
      const keys = JSON.stringify(statement.Resource);
      if (/^FunctionsSweepRole/.test(holder) && keys.includes("sweep"))
        expect(keys).toMatch(/^[^/]*\/sweep\/resting\.json[^/]*$/);
      else if (/^Functions(Open|Review|Recover|Sweep|Stop)Role/.test(holder))
        expect(keys).toMatch(/^[^/]*\/journal\/\*[^/]*$/);
      else expect(keys).not.toContain("journal");
    }
    expect(writers.map(({ holder }) => holder.replace(/[0-9A-F]{8}$/, "")).sort()).toEqual([
      "ComputeAttemptsRole",
      "FunctionsOpenRole",
      "FunctionsRecoverRole",
      "FunctionsReviewRole",
      "FunctionsStopRole",
      "FunctionsSweepRole",
      "FunctionsSweepRole",
    ]);
  });

  test("Sweep may look at jobs and end them, and may submit none", () => {
    const may = Object.keys(allowed(/^FunctionsSweepRole/));
    expect(may.filter((action) => action.startsWith("batch:")).sort()).toEqual([
      "batch:DescribeJobs",
      "batch:ListJobs",
      "batch:TerminateJob",
    ]);
    expect(may.filter((action) => action.startsWith("states:"))).toEqual(["states:DescribeExecution"]);
  });

  test("an attempt reads no journal, and asks Review alone", () => {
    const may = allowed(/^ComputeAttemptsRole/);
    expect(may["s3:GetObject"]).not.toContain("journal");
    expect(may["s3:DeleteObject"]).toMatch(/^[^/]*\/checkpoints\/\*[^/]*$/);
    expect(may["lambda:InvokeFunction"]).toMatch(
      /^\[\{"Fn::GetAtt":\["FunctionsReview[0-9A-F]{8}","Arn"\]\}\]$/,
    );
  });
});

describe("the bucket", () => {
  test("is private, encrypted, versioned, and stays when the stack goes", () => {
    template.hasResource("AWS::S3::Bucket", {
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: {
        BucketEncryption: { ServerSideEncryptionConfiguration: [Match.objectLike({})] },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        VersioningConfiguration: { Status: "Enabled" },
      },
    });
  });

  test("refuses whoever does not come by TLS, and whoever would replace a journal entry", () => {
    const denies = (Action: string, Condition: object) =>
      template.hasResourceProperties("AWS::S3::BucketPolicy", {
        PolicyDocument: {
          Statement: Match.arrayWith([Match.objectLike({ Effect: "Deny", Action, Condition })]),
        },
      });
    denies("s3:*", { Bool: { "aws:SecureTransport": "false" } });
    denies("s3:PutObject", {
      Null: { "s3:if-none-match": "true" },
      Bool: { "s3:ObjectCreationOperation": "true" },
    });
  });
});
