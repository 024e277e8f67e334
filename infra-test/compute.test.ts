import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { synthesised } from "./template.ts";

const template = synthesised();

describe("the instances", () => {
  test.each(["SPOT", "EC2"])(
    "of %s are GPU instances of the given kinds only, none while nothing trains",
    (Type) => {
      template.resourceCountIs("AWS::Batch::ComputeEnvironment", 2);
      template.hasResourceProperties("AWS::Batch::ComputeEnvironment", {
        Type: "managed",
        ComputeResources: {
          Type,
          MinvCpus: 0,
          MaxvCpus: 256,
          InstanceTypes: ["g4dn", "g5", "g6"],
          Ec2Configuration: [{ ImageType: "ECS_AL2023_NVIDIA" }],
          LaunchTemplate: { Version: { "Fn::GetAtt": [Match.anyValue(), "LatestVersionNumber"] } },
        },
      });
    },
  );

  test("can be chosen by type and by family", () => {
    const chosen = synthesised({ instanceTypes: ["g5.2xlarge", "g6"], maxVcpus: 8 });
    chosen.allResourcesProperties("AWS::Batch::ComputeEnvironment", {
      ComputeResources: { InstanceTypes: ["g5.2xlarge", "g6"], MaxvCpus: 8 },
    });
    expect(() => synthesised({ instanceTypes: ["gpu"] })).toThrow("'gpu'");
  });

  test("take IMDSv2 only, and nothing from outside", () => {
    template.hasResourceProperties("AWS::EC2::LaunchTemplate", {
      LaunchTemplateData: { MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1 } },
    });
    template.hasResourceProperties("AWS::EC2::SecurityGroup", { SecurityGroupIngress: Match.absent() });
    template.resourceCountIs("AWS::EC2::SecurityGroupIngress", 0);
    template.resourceCountIs("AWS::EC2::SecurityGroup", 1);
  });

  test("have ECS tell its containers of a reclaim, which it does not do by itself", () => {
    const [instance] = Object.values(template.findResources("AWS::EC2::LaunchTemplate"));
    const userData = JSON.stringify(instance?.Properties.LaunchTemplateData.UserData);
    expect(userData).toContain("echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config");
    // Batch takes it in parts only.
    expect(userData).toContain("Content-Type: multipart/mixed");
  });

  test("are in a network that costs nothing", () => {
    template.resourceCountIs("AWS::EC2::NatGateway", 0);
    template.resourceCountIs("AWS::EC2::EIP", 0);
    template.resourceCountIs("AWS::EC2::VPCEndpoint", 1);
    template.hasResourceProperties("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway" });
    template.allResourcesProperties("AWS::EC2::Subnet", { MapPublicIpOnLaunch: true });
  });
});

describe("the queues", () => {
  test.each([
    ["Pawl-spot", /^ComputeSpot[0-9A-F]{8}$/],
    ["Pawl-on-demand", /^ComputeOnDemand[0-9A-F]{8}$/],
  ])("%s has instances of its market alone, and has nothing wait in vain", (JobQueueName, environment) => {
    template.resourceCountIs("AWS::Batch::JobQueue", 2);
    const limit = (Reason: string, MaxTimeSeconds: number) => ({
      Action: "CANCEL",
      State: "RUNNABLE",
      Reason,
      MaxTimeSeconds,
    });
    template.hasResourceProperties("AWS::Batch::JobQueue", {
      JobQueueName,
      ComputeEnvironmentOrder: [
        {
          Order: 1,
          ComputeEnvironment: {
            "Fn::GetAtt": [Match.stringLikeRegexp(environment.source), "ComputeEnvironmentArn"],
          },
        },
      ],
      JobStateTimeLimitActions: [
        limit("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", 1800),
        limit("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", 600),
        limit("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", 600),
      ],
    });
  });
});

describe("the job definition", () => {
  test("says where the agent hears of a reclaim", () => {
    template.hasResourceProperties("AWS::Batch::JobDefinition", {
      ContainerProperties: {
        Environment: Match.arrayWith([{ Name: "PAWL_METADATA", Value: "http://169.254.169.254" }]),
      },
    });
  });

  test("retries nothing, and keeps earlier revisions under its own name", () => {
    template.hasResourceProperties("AWS::Batch::JobDefinition", {
      JobDefinitionName: "Pawl-Attempt",
      RetryStrategy: { Attempts: 1 },
      ResourceRetentionPolicy: { SkipDeregisterOnUpdate: true },
      PlatformCapabilities: ["EC2"],
    });
  });

  test("asks for no GPU itself, so that a job can ask for none", () => {
    const [definition] = Object.values(template.findResources("AWS::Batch::JobDefinition"));
    const types = JSON.stringify(definition?.Properties.ContainerProperties.ResourceRequirements);
    expect(types).toContain("MEMORY");
    expect(types).not.toContain("GPU");
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
      Targets: [{ Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("^FunctionsSweep"), "Arn"] } }],
    });
  });

  test("is asked every 15 minutes, and by nobody but the two rules", () => {
    template.resourceCountIs("AWS::Events::Rule", 2);
    template.hasResourceProperties("AWS::Events::Rule", {
      ScheduleExpression: "rate(15 minutes)",
      Targets: [{ Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("^FunctionsSweep"), "Arn"] } }],
    });
    template.resourceCountIs("AWS::Lambda::Permission", 2);
    template.allResourcesProperties("AWS::Lambda::Permission", {
      Principal: "events.amazonaws.com",
      FunctionName: { "Fn::GetAtt": [Match.stringLikeRegexp("^FunctionsSweep"), "Arn"] },
      SourceArn: { "Fn::GetAtt": [Match.stringLikeRegexp("^Sweeping"), "Arn"] },
    });
  });
});

describe("the functions", () => {
  test("run on Node 24 on arm64, each with a role and a log group of its own", () => {
    template.resourceCountIs("AWS::Lambda::Function", 4);
    template.allResourcesProperties("AWS::Lambda::Function", {
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
    });
    const functions = Object.values(template.findResources("AWS::Lambda::Function"));
    const distinct = (values: unknown[]) => new Set(values.map((value) => JSON.stringify(value))).size;
    expect(distinct(functions.map(({ Properties }) => Properties.Role))).toBe(4);
    expect(distinct(functions.map(({ Properties }) => Properties.LoggingConfig))).toBe(4);
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 30 });
  });
});
