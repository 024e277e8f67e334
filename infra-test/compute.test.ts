import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { checkedImages } from "../cdk/constructs/images.ts";
import { checkedInstanceKinds } from "../cdk/instance-kinds.ts";
import { instanceTypes } from "../core/instance-types.ts";
import { containerVariables } from "../core/stack.ts";
import { synthesised } from "./template.ts";

const template = synthesised();

const environments = "AWS::Batch::ComputeEnvironment";
const definitions = "AWS::Batch::JobDefinition";

describe("a kind of instance", () => {
  test.each(["gpu", "optimal", "g5.", "G5", "g5 xlarge", ""])("is not '%s'", (name) => {
    expect(() => checkedInstanceKinds(["g5", name])).toThrow(
      `instanceTypes has '${name}': only instance types (g5.xlarge) or families (g5)`,
    );
  });

  test.each([
    "g5g",
    "g5g.xlarge",
    "c7g",
    "c7gn.large",
    "m7gd",
    "t4g",
    "im4gn",
    "is4gen",
    "a1.large",
    "p6e-gb200",
  ])("is not %s: the agent's Node is not for arm64", (name) => {
    expect(() => checkedInstanceKinds([name])).toThrow(`'${name}', whose processors are arm64`);
  });

  test.each([
    "g4dn",
    "g4ad",
    "g6e.xlarge",
    "gr6",
    "p4d",
    "p5en",
    "p4de.24xlarge",
    "p6-b200",
    "trn1",
    "c7i",
    "m7i-flex.large",
  ])("is %s, of x86-64", (name) => {
    expect(checkedInstanceKinds([name, name])).toEqual([name]);
  });

  test("is each that prices are known of", () => {
    const known = Object.keys(instanceTypes);
    expect(checkedInstanceKinds(known)).toEqual(known);
  });
});

describe("the instances", () => {
  test.each([
    ["SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED"],
    ["EC2", "BEST_FIT_PROGRESSIVE"],
  ])(
    "of %s are GPU instances of the given kinds only, none while nothing trains",
    (Type, AllocationStrategy) => {
      template.resourceCountIs(environments, 2);
      template.hasResourceProperties(environments, {
        Type: "managed",
        ComputeResources: {
          Type,
          AllocationStrategy,
          MinvCpus: 0,
          MaxvCpus: 256,
          InstanceTypes: ["g4dn", "g5", "g6"],
          Ec2Configuration: [{ ImageType: "ECS_AL2023_NVIDIA" }],
          LaunchTemplate: { Version: { "Fn::GetAtt": [Match.anyValue(), "LatestVersionNumber"] } },
          ScalingPolicy: Match.absent(),
        },
      });
    },
  );

  test("are updated in place, under jobs that go on for as long as Batch grants", () => {
    template.allResourcesProperties(environments, {
      ReplaceComputeEnvironment: false,
      UpdatePolicy: { JobExecutionTimeoutMinutes: 360, TerminateJobsOnUpdate: false },
      ComputeResources: { UpdateToLatestImageVersion: true },
    });
  });

  test("can be chosen by type and by family, also newer ones than CDK knows, and no 'optimal' comes with them", () => {
    const chosen = synthesised({ instanceTypes: ["g5.2xlarge", "g6", "p6-b200", "g6"], maxVcpus: 8 });
    chosen.resourceCountIs(environments, 2);
    chosen.allResourcesProperties(environments, {
      ComputeResources: { InstanceTypes: ["g5.2xlarge", "g6", "p6-b200"], MaxvCpus: 8 },
    });
  });

  test("of no such name, or with arm64, are refused", () => {
    expect(() => synthesised({ instanceTypes: ["g5", "optimal"] })).toThrow("instanceTypes has 'optimal'");
    expect(() => synthesised({ instanceTypes: ["g5g"] })).toThrow("'g5g', whose processors are arm64");
  });

  test("stay for a while after their last job only where that is chosen", () => {
    synthesised({ scaleDownDelayMinutes: 20 }).allResourcesProperties(environments, {
      ComputeResources: { ScalingPolicy: { MinScaleDownDelayMinutes: 20 } },
    });
    expect(() => synthesised({ scaleDownDelayMinutes: 19 })).toThrow("scaleDownDelayMinutes is 19");
    expect(() => synthesised({ maxVcpus: 0 })).toThrow("maxVcpus is 0");
    expect(() => synthesised({ instanceTypes: [] })).toThrow("instanceTypes is empty");
  });

  test("take IMDSv2 only, and have an encrypted root volume that goes with them", () => {
    const volume = (VolumeSize: number) => ({
      LaunchTemplateData: {
        MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1 },
        BlockDeviceMappings: [
          {
            DeviceName: "/dev/xvda",
            Ebs: { Encrypted: true, VolumeType: "gp3", VolumeSize, DeleteOnTermination: true },
          },
        ],
      },
    });
    template.resourceCountIs("AWS::EC2::LaunchTemplate", 1);
    template.hasResourceProperties("AWS::EC2::LaunchTemplate", volume(100));
    synthesised({ rootGibibytes: 500 }).hasResourceProperties("AWS::EC2::LaunchTemplate", volume(500));
    expect(() => synthesised({ rootGibibytes: 99 })).toThrow("rootGibibytes is 99");
  });

  test("may fetch the agent's bundle and no other object", () => {
    template.hasResourceProperties("AWS::IAM::Role", {
      AssumeRolePolicyDocument: { Statement: [{ Principal: { Service: "ec2.amazonaws.com" } }] },
      Policies: [
        {
          PolicyDocument: {
            Statement: [
              {
                Action: "s3:GetObject",
                Effect: "Allow",
                Resource: {
                  "Fn::Join": [
                    "",
                    Match.arrayWith([
                      ":s3:::",
                      { "Fn::Sub": Match.stringLikeRegexp("^cdk-.*-assets-") },
                      Match.stringLikeRegexp("^/[0-9a-f]{64}\\.[a-z]+$"),
                    ]),
                  ],
                },
              },
            ],
          },
        },
      ],
    });
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

describe("the job definitions", () => {
  const images = {
    default: "one.example/a:1",
    jax: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/jax:2",
  };
  const many = synthesised({ images });

  test.each([
    ["Pawl-default-gpu", images.default, "1"],
    ["Pawl-default-cpu", images.default, undefined],
    ["Pawl-jax-gpu", images.jax, "1"],
    ["Pawl-jax-cpu", images.jax, undefined],
  ])(
    "%s runs its image, and asks for a GPU only where its name says so",
    (JobDefinitionName, Image, gpus) => {
      many.resourceCountIs(definitions, 4);
      const always = [
        { Type: "MEMORY", Value: "2048" },
        { Type: "VCPU", Value: "1" },
      ];
      many.hasResourceProperties(definitions, {
        JobDefinitionName,
        ContainerProperties: {
          Image,
          ResourceRequirements: gpus === undefined ? always : [...always, { Type: "GPU", Value: gpus }],
        },
      });
    },
  );

  test("there is a plain Python for jobs that name no image", () => {
    template.resourceCountIs(definitions, 2);
    template.allResourcesProperties(definitions, {
      ContainerProperties: { Image: Match.stringLikeRegexp("^public\\.ecr\\.aws/docker/library/python:") },
    });
  });

  test("run the agent that the instance fetched, which they cannot change", () => {
    many.allResourcesProperties(definitions, {
      ContainerProperties: {
        Command: ["/opt/pawl/bin/node", "/opt/pawl/agent.mjs"],
        MountPoints: [
          { SourceVolume: "agent", ContainerPath: "/opt/pawl", ReadOnly: true },
          { SourceVolume: "scratch", ContainerPath: "/pawl-scratch" },
        ],
        Volumes: [
          { Name: "agent", Host: { SourcePath: "/opt/pawl" } },
          { Name: "scratch", Host: { SourcePath: "/pawl-scratch" } },
        ],
        LinuxParameters: { InitProcessEnabled: true, SharedMemorySize: 4096 },
        Privileged: Match.absent(),
      },
    });
    synthesised({ sharedMemoryMebibytes: 512 }).allResourcesProperties(definitions, {
      ContainerProperties: { LinuxParameters: { SharedMemorySize: 512 } },
    });
  });

  test("mount no agent where the images bring it, and then no instance fetches one", () => {
    const baked = synthesised({ agentInImages: true, images: { default: "one.example/baked:1" } });
    baked.allResourcesProperties(definitions, {
      ContainerProperties: {
        Command: ["/opt/pawl/bin/node", "/opt/pawl/agent.mjs"],
        MountPoints: [{ SourceVolume: "scratch", ContainerPath: "/pawl-scratch" }],
      },
    });
    const instances = JSON.stringify(baked.findResources("AWS::EC2::LaunchTemplate"));
    expect(instances).toContain("ECS_ENABLE_SPOT_INSTANCE_DRAINING");
    expect(instances).not.toContain("fetch_agent");
    expect(() => checkedImages({}, true)).toThrow("agentInImages is true and images has no 'default'");
  });

  test("tell the agent all that it is told by its environment", () => {
    const [definition] = Object.values(template.findResources(definitions));
    const names = definition?.Properties.ContainerProperties.Environment.map(
      ({ Name }: { Name: string }) => Name,
    );
    expect(names.toSorted()).toEqual([...Object.values(containerVariables), "AWS_REGION"].toSorted());
    template.allResourcesProperties(definitions, {
      ContainerProperties: {
        Environment: Match.arrayWith([
          { Name: "PAWL_METADATA", Value: "http://169.254.169.254" },
          { Name: "PAWL_SCRATCH", Value: "/pawl-scratch" },
          { Name: "PAWL_STOP_SECONDS", Value: "120" },
        ]),
      },
    });
  });

  test("retry nothing, and keep earlier revisions under their own names", () => {
    template.allResourcesProperties(definitions, {
      RetryStrategy: { Attempts: 1 },
      ResourceRetentionPolicy: { SkipDeregisterOnUpdate: true },
      PlatformCapabilities: ["EC2"],
    });
  });

  test("are started by a role that may pull from the repositories that are named, and from no other", () => {
    const pulls = (from: typeof template) =>
      Object.values(from.findResources("AWS::IAM::Role"))
        .flatMap(({ Properties }) => Properties.Policies ?? [])
        .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
        .filter(({ Action }) => JSON.stringify(Action).includes("ecr:BatchGetImage"))
        .map(({ Resource }) => JSON.stringify(Resource));
    expect(pulls(template)).toEqual([]);
    expect(pulls(many)).toEqual([expect.stringContaining(":ecr:eu-west-1:123456789012:repository/team/jax")]);
  });

  test.each([
    [{ "My Image": "a" }, "images has the name 'My Image'"],
    [{ jax: "a b" }, "images has 'a b' for 'jax'"],
    [{ jax: "" }, "images has '' for 'jax'"],
  ])("images %o are refused", (wrong, message) => {
    expect(() => checkedImages(wrong)).toThrow(message);
  });
});
