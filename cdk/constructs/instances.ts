import { Aws } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";
import { type AgentAsset, agentAsset } from "../agent-asset.ts";
import { acknowledge } from "./acknowledge.ts";
import { type AgentObject, instanceUserData } from "./user-data.ts";

export interface InstancesOptions {
  /** The root volume, for images and, where there is no instance storage, for the attempts' folders. Default and least: 100. */
  readonly rootGibibytes?: number;
  /**
   * Whether the images bring the agent themselves, at `/opt/pawl`: then instances fetch none, and containers mount none.
   * Default: false, so that images are used as they are.
   */
  readonly agentInImages?: boolean;
}

const leastRootGibibytes = 100;

const policyOfInstances = "service-role/AmazonEC2ContainerServiceforEC2Role";

/** EBS's own limit for gp3. */
const mostRootGibibytes = 65_536;

/** How an instance is set up, and what it may do: nothing of ours but fetch the agent, since jobs can reach its role. */
export class Instances extends Construct {
  readonly launchTemplate: ec2.LaunchTemplate;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: InstancesOptions) {
    super(scope, id);
    const { rootGibibytes = leastRootGibibytes, agentInImages = false } = props;
    const fits =
      Number.isSafeInteger(rootGibibytes) &&
      rootGibibytes >= leastRootGibibytes &&
      rootGibibytes <= mostRootGibibytes;
    if (!fits) {
      throw new RangeError(
        `rootGibibytes is ${rootGibibytes}: it must be a whole number from ${leastRootGibibytes} to ${mostRootGibibytes}`,
      );
    }
    const agent = agentInImages ? undefined : agentAsset(this, "Agent");
    this.role = new iam.Role(this, "Role", {
      description: "Pawl: what an instance may do",
      assumedBy: new iam.ServicePrincipal("ec2.amazonaws.com"),
      managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName(policyOfInstances)],
      inlinePolicies: agent === undefined ? {} : { FetchAgent: mayFetch(agent.asset) },
    });
    acknowledge(
      this.role,
      `IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${policyOfInstances}]`,
      "The policy that Batch asks for: the calls of the ECS agent, which change with it.",
    );
    this.launchTemplate = new ec2.LaunchTemplate(this, "Template", {
      userData: instanceUserData(agent === undefined ? undefined : objectOf(agent)),
      requireImdsv2: true,
      httpPutResponseHopLimit: 1,
      blockDevices: [
        {
          deviceName: "/dev/xvda",
          volume: ec2.BlockDeviceVolume.ebs(rootGibibytes, {
            volumeType: ec2.EbsDeviceVolumeType.GP3,
            encrypted: true,
            deleteOnTermination: true,
          }),
        },
      ],
    });
  }
}

const objectOf = ({ asset, digest }: AgentAsset): AgentObject => ({
  region: Aws.REGION,
  bucket: asset.s3BucketName,
  key: asset.s3ObjectKey,
  digest,
});

const mayFetch = (asset: Asset): iam.PolicyDocument =>
  new iam.PolicyDocument({
    statements: [
      new iam.PolicyStatement({
        actions: ["s3:GetObject"],
        resources: [asset.bucket.arnForObjects(asset.s3ObjectKey)],
      }),
    ],
  });
