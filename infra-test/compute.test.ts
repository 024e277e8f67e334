import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { synthesised } from "./template.ts";

const template = synthesised();

describe("the instances", () => {
  test("are spot GPU instances of the given kinds only, none while nothing trains", () => {
    template.hasResourceProperties("AWS::Batch::ComputeEnvironment", {
      Type: "managed",
      ComputeResources: {
        Type: "SPOT",
        MinvCpus: 0,
        MaxvCpus: 256,
        InstanceTypes: ["g4dn", "g5", "g6"],
        Ec2Configuration: [{ ImageType: "ECS_AL2023_NVIDIA" }],
        LaunchTemplate: { Version: { "Fn::GetAtt": [Match.anyValue(), "LatestVersionNumber"] } },
      },
    });
  });

  test("can be chosen by type and by family", () => {
    const chosen = synthesised({ instanceTypes: ["g5.2xlarge", "g6"], maxVcpus: 8 });
    chosen.hasResourceProperties("AWS::Batch::ComputeEnvironment", {
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

  test("are in a network that costs nothing", () => {
    template.resourceCountIs("AWS::EC2::NatGateway", 0);
    template.resourceCountIs("AWS::EC2::EIP", 0);
    template.resourceCountIs("AWS::EC2::VPCEndpoint", 1);
    template.hasResourceProperties("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway" });
    template.allResourcesProperties("AWS::EC2::Subnet", { MapPublicIpOnLaunch: true });
  });
});

describe("the job definition", () => {
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

describe("the functions", () => {
  test("run on Node 24 on arm64, each with a role and a log group of its own", () => {
    template.resourceCountIs("AWS::Lambda::Function", 3);
    template.allResourcesProperties("AWS::Lambda::Function", {
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
    });
    const functions = Object.values(template.findResources("AWS::Lambda::Function"));
    const distinct = (values: unknown[]) => new Set(values.map((value) => JSON.stringify(value))).size;
    expect(distinct(functions.map(({ Properties }) => Properties.Role))).toBe(3);
    expect(distinct(functions.map(({ Properties }) => Properties.LoggingConfig))).toBe(3);
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 30 });
  });
});
