import { Stack } from "aws-cdk-lib";
import { Match, type Template } from "aws-cdk-lib/assertions";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { describe, expect, test } from "vitest";
import { endpointsOfPrivateSubnets } from "../cdk/constructs/network.ts";
import { Pawl, type PawlProps } from "../cdk/pawl.ts";
import { PawlStack } from "../cdk/stack.ts";
import { templateOf } from "./app.ts";
import { synthesised } from "./template.ts";

const environments = "AWS::Batch::ComputeEnvironment";
const env = { account: "123456789012", region: "eu-west-1" };
const inEcr = { images: { default: `${env.account}.dkr.ecr.${env.region}.amazonaws.com/python:3.13` } };

/** A stack of somebody else's, with a network of its own. */
const withNetwork = (subnetType: ec2.SubnetType, props: PawlProps): Template =>
  templateOf((app) => {
    const stack = new Stack(app, "Theirs");
    const subnetIds = ["subnet-0a1b2c3d", "subnet-0b1c2d3e"];
    const vpc = ec2.Vpc.fromVpcAttributes(stack, "Known", {
      vpcId: "vpc-0a1b2c3d",
      availabilityZones: ["eu-west-1a", "eu-west-1b"],
      ...(subnetType === ec2.SubnetType.PUBLIC
        ? { publicSubnetIds: subnetIds }
        : { isolatedSubnetIds: subnetIds }),
    });
    new Pawl(stack, "Pawl", { ...props, vpc });
    return stack;
  });

describe("the network by default", () => {
  const template = synthesised();

  test("costs nothing: public subnets in two zones and the gateway endpoint of S3", () => {
    template.resourceCountIs("AWS::EC2::NatGateway", 0);
    template.resourceCountIs("AWS::EC2::EIP", 0);
    template.resourceCountIs("AWS::EC2::VPCEndpoint", 1);
    template.hasResourceProperties("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway" });
    template.resourceCountIs("AWS::EC2::Subnet", 2);
    template.allResourcesProperties("AWS::EC2::Subnet", { MapPublicIpOnLaunch: true });
  });

  test("lets nothing in", () => {
    template.resourceCountIs("AWS::EC2::SecurityGroup", 1);
    template.hasResourceProperties("AWS::EC2::SecurityGroup", { SecurityGroupIngress: Match.absent() });
    template.resourceCountIs("AWS::EC2::SecurityGroupIngress", 0);
    const [group = ""] = Object.keys(template.findResources("AWS::EC2::SecurityGroup"));
    template.allResourcesProperties(environments, {
      ComputeResources: { SecurityGroupIds: [{ "Fn::GetAtt": [group, "GroupId"] }] },
    });
  });

  test("has a subnet in each of the zones that are named", () => {
    const zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
    const named = synthesised({ zones });
    named.resourceCountIs("AWS::EC2::Subnet", 3);
    for (const AvailabilityZone of zones)
      named.hasResourceProperties("AWS::EC2::Subnet", { AvailabilityZone });
    named.allResourcesProperties(environments, {
      ComputeResources: { Subnets: [Match.anyValue(), Match.anyValue(), Match.anyValue()] },
    });
  });
});

test.each([[["eu-west-1"]], [["a"]], [["eu-west-1a", "eu-west-1a"]]])("%o are no zones", (zones) => {
  expect(() => synthesised({ zones })).toThrow(
    `zones has '${zones.at(-1)}': it must name availability zones`,
  );
});

describe("private subnets", () => {
  test("of its own lead to AWS by endpoints and nowhere else", () => {
    const template = synthesised({ privateSubnets: true, ...inEcr });
    template.resourceCountIs("AWS::EC2::NatGateway", 0);
    template.resourceCountIs("AWS::EC2::InternetGateway", 0);
    template.allResourcesProperties("AWS::EC2::Subnet", { MapPublicIpOnLaunch: false });
    const endpoints = Object.values(template.findResources("AWS::EC2::VPCEndpoint"));
    const interfaces = endpoints.filter(({ Properties }) => Properties.VpcEndpointType === "Interface");
    expect(interfaces.length).toBe(Object.keys(endpointsOfPrivateSubnets).length);
    expect(interfaces.every(({ Properties }) => Properties.PrivateDnsEnabled === true)).toBe(true);
    expect(endpoints.length).toBe(interfaces.length + 1);
    const services = JSON.stringify(interfaces);
    for (const service of ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", "lambda"])
      expect(services).toContain(`.${service}"`);
  });

  test("of its own take no image that could never be pulled there", () => {
    expect(() => synthesised({ privateSubnets: true })).toThrow(/for 'default'.*copy it to ECR/);
    expect(() =>
      synthesised({ privateSubnets: true, images: { ...inEcr.images, hub: "python:3.13" } }),
    ).toThrow("images has 'python:3.13' for 'hub'");
  });

  test("of a given network are used, with any image", () => {
    const template = withNetwork(ec2.SubnetType.PRIVATE_ISOLATED, { privateSubnets: true });
    template.allResourcesProperties(environments, {
      ComputeResources: { Subnets: ["subnet-0a1b2c3d", "subnet-0b1c2d3e"] },
    });
    template.resourceCountIs("AWS::EC2::VPCEndpoint", 0);
  });
});

describe("a given network", () => {
  test("is used as it is, in the zones that are named", () => {
    const template = withNetwork(ec2.SubnetType.PUBLIC, { zones: ["eu-west-1b"] });
    template.resourceCountIs("AWS::EC2::VPC", 0);
    template.allResourcesProperties(environments, { ComputeResources: { Subnets: ["subnet-0b1c2d3e"] } });
  });

  test("that has no such subnets, or none in those zones, is refused", () => {
    expect(() => withNetwork(ec2.SubnetType.PRIVATE_ISOLATED, {})).toThrow(
      "the network has no public subnets: set privateSubnets to true",
    );
    expect(() => withNetwork(ec2.SubnetType.PUBLIC, { privateSubnets: true })).toThrow(
      "the network has no private subnets: set privateSubnets to false",
    );
    expect(() => withNetwork(ec2.SubnetType.PUBLIC, { zones: ["eu-west-1c"] })).toThrow(
      "no public subnet in zones eu-west-1c: it has them in eu-west-1a, eu-west-1b",
    );
  });

  test("can be looked up by its id, where account and Region are known", () => {
    const template = templateOf((app) => new PawlStack(app, "Pawl", { vpcId: "vpc-1a2b3c", env }));
    template.resourceCountIs("AWS::EC2::VPC", 0);
    template.resourceCountIs(environments, 2);
    expect(() => synthesised({ vpcId: "vpc-1a2b3c" })).toThrow(
      /vpcId is 'vpc-1a2b3c', which can be looked up only/,
    );
  });
});
