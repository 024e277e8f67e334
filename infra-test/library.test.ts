import { Stack } from "aws-cdk-lib";
import { Match } from "aws-cdk-lib/assertions";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { expect, test } from "vitest";
import { Pawl } from "../cdk/index.ts";
import { templateOf } from "./app.ts";

test("Pawl stands in somebody else's stack, on their network and their bucket, and they go on from what it gives", () => {
  const template = templateOf((app) => {
    const stack = new Stack(app, "Theirs", { env: { account: "123456789012", region: "eu-west-1" } });
    const vpc = new ec2.Vpc(stack, "Vpc", {
      availabilityZones: ["eu-west-1a", "eu-west-1b"],
      subnetConfiguration: [
        { name: "Out", subnetType: ec2.SubnetType.PUBLIC },
        { name: "In", subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      ],
    });
    const pawl = new Pawl(stack, "Training", {
      name: "team-a",
      vpc: vpc as ec2.IVpc,
      privateSubnets: true,
      bucketName: "their-runs",
      images: { torch: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/torch:2" },
      instanceTypes: ["g6.xlarge"],
      maxVcpus: 16,
      logRetention: RetentionDays.ONE_WEEK,
      prices: { "g6.xlarge": { "on-demand": 0.9 } },
    });
    const notebook = new Role(stack, "Notebook", { assumedBy: new ServicePrincipal("ec2.amazonaws.com") });
    pawl.stateMachine.grantStartExecution(notebook);
    pawl.bucket.grantRead(notebook);
    expect(pawl.offers.images.torch).toContain("torch:2");
    expect(pawl.offers.images.default).toContain("python");
    return stack;
  });
  template.resourceCountIs("AWS::EC2::VPC", 1);
  template.resourceCountIs("AWS::S3::Bucket", 0);
  template.hasResourceProperties("AWS::S3::BucketPolicy", { Bucket: "their-runs" });
  template.hasResourceProperties("AWS::StepFunctions::StateMachine", { StateMachineName: "team-a-Runs" });
  for (const JobQueueName of ["team-a-spot", "team-a-on-demand"])
    template.hasResourceProperties("AWS::Batch::JobQueue", { JobQueueName });
  for (const image of ["default", "torch"]) {
    for (const kind of ["gpu", "cpu"])
      template.hasResourceProperties("AWS::Batch::JobDefinition", {
        JobDefinitionName: `team-a-${image}-${kind}`,
      });
  }
  template.allResourcesProperties("AWS::Batch::ComputeEnvironment", {
    ComputeResources: {
      InstanceTypes: ["g6.xlarge"],
      MaxvCpus: 16,
      Subnets: [
        { Ref: Match.stringLikeRegexp("^VpcInSubnet1") },
        { Ref: Match.stringLikeRegexp("^VpcInSubnet2") },
      ],
    },
  });
  template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 7 });
});
