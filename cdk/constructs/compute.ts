import { Duration, RemovalPolicy, Size } from "aws-cdk-lib";
import * as batch from "aws-cdk-lib/aws-batch";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as iam from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { type Market, markets } from "../../core/market.ts";
import { keyPrefixes } from "./storage.ts";

export interface ComputeOptions {
  /**
   * What instances may be started: types (`g5.xlarge`) or whole families (`g5`). With families Batch finds the size
   * that a job's `compute` needs. Default: the families g4dn, g5 and g6.
   */
  readonly instanceTypes?: readonly string[];
  /** Virtual CPUs of all instances of one market at most; it bounds what can be spent in an hour. Default: 256. */
  readonly maxVcpus?: number;
  /** The container's image; its entry point is the agent. Default: a plain Node 24, which holds no agent yet. */
  readonly image?: string;
  /** The network; instances go into its public subnets. Default: a new one of public subnets only. */
  readonly vpc?: ec2.IVpc;
}

export interface ComputeProps extends ComputeOptions {
  readonly bucket: Bucket;
  /** The function that attempts ask what to train. */
  readonly review: IFunction;
  /** A name of our own: a revision is never named, so a running execution goes on over a deployment. */
  readonly jobDefinitionName: string;
  /** What the queues' names begin with; the market follows, by which Train picks one of them. */
  readonly queuePrefix: string;
}

const plainNode = "public.ecr.aws/docker/library/node:24-bookworm-slim";

/** What the head of a queue waits for in vain, and for how long at most. Batch then cancels it, and Recover decides. */
const timeLimits: readonly (readonly [batch.JobStateTimeLimitActionsReason, Duration])[] = [
  // Long enough for a dip; no capacity in so long is more than a dip.
  [batch.JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY, Duration.minutes(30)],
  // What cannot fit will not fit later; 10 minutes are the least that Batch takes.
  [batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE, Duration.minutes(10)],
  [batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT, Duration.minutes(10)],
];

const constructIds = { spot: "Spot", "on-demand": "OnDemand" } as const satisfies Record<Market, string>;

/**
 * The instances that train: a queue of Batch for each market on GPU instances, which come when a job waits and go when
 * none does.
 */
export class Compute extends Construct {
  readonly queues: readonly batch.JobQueue[];
  readonly queuePrefix: string;
  readonly jobDefinition: batch.EcsJobDefinition;
  readonly jobDefinitionName: string;

  constructor(scope: Construct, id: string, props: ComputeProps) {
    super(scope, id);
    const vpc = props.vpc ?? publicNetwork(this);
    // Nothing reaches an instance from outside; an instance reaches S3, Lambda and the image's registry.
    const securityGroup = new ec2.SecurityGroup(this, "NoInbound", {
      vpc,
      description: "Pawl: training instances, nothing inbound",
      allowAllOutbound: true,
    });
    const launchTemplate = new ec2.LaunchTemplate(this, "Instance", {
      userData: instanceSettings(),
      requireImdsv2: true,
      httpPutResponseHopLimit: 1,
      blockDevices: [
        {
          deviceName: "/dev/xvda",
          volume: ec2.BlockDeviceVolume.ebs(100, {
            volumeType: ec2.EbsDeviceVolumeType.GP3,
            encrypted: true,
            deleteOnTermination: true,
          }),
        },
      ],
    });
    const instanceRole = new iam.Role(this, "InstanceRole", {
      assumedBy: new iam.ServicePrincipal("ec2.amazonaws.com"),
      managedPolicies: [
        iam.ManagedPolicy.fromAwsManagedPolicyName("service-role/AmazonEC2ContainerServiceforEC2Role"),
      ],
    });
    this.queuePrefix = props.queuePrefix;
    this.queues = markets.map((market) => {
      const environment = new batch.ManagedEc2EcsComputeEnvironment(this, constructIds[market], {
        vpc,
        vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
        securityGroups: [securityGroup],
        spot: market === "spot",
        minvCpus: 0,
        maxvCpus: props.maxVcpus ?? 256,
        useOptimalInstanceClasses: false,
        images: [{ imageType: batch.EcsMachineImageType.ECS_AL2023_NVIDIA }],
        launchTemplate,
        instanceRole,
        ...instances(props.instanceTypes ?? ["g4dn", "g5", "g6"]),
      });
      const resource = environment.node.defaultChild;
      if (!(resource instanceof batch.CfnComputeEnvironment))
        throw new TypeError(`no compute environment in ${constructIds[market]}`);
      // Else a changed template would be used by no instance.
      resource.addPropertyOverride(
        "ComputeResources.LaunchTemplate.Version",
        launchTemplate.latestVersionNumber,
      );
      return new batch.JobQueue(this, `${constructIds[market]}Queue`, {
        jobQueueName: `${props.queuePrefix}${market}`,
        computeEnvironments: [{ computeEnvironment: environment, order: 1 }],
        jobStateTimeLimitActions: timeLimits.map(([reason, maxTime]) => ({
          action: batch.JobStateTimeLimitActionsAction.CANCEL,
          state: batch.JobStateTimeLimitActionsState.RUNNABLE,
          reason,
          maxTime,
        })),
      });
    });
    this.jobDefinitionName = props.jobDefinitionName;
    this.jobDefinition = this.attempt(props);
  }

  private attempt({
    bucket,
    review,
    image = plainNode,
    jobDefinitionName,
  }: ComputeProps): batch.EcsJobDefinition {
    const logGroup = new logs.LogGroup(this, "AttemptLogs", {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { checkpoints, attempts } = keyPrefixes;
    const files = [`${checkpoints}*`, `${attempts}*`].map((keys) => bucket.arnForObjects(keys));
    // The journal is not here: attempts ask Review, which alone writes it.
    const jobRole = new iam.Role(this, "AttemptRole", {
      assumedBy: new iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
      inlinePolicies: {
        Train: new iam.PolicyDocument({
          statements: [
            new iam.PolicyStatement({ actions: ["s3:GetObject", "s3:PutObject"], resources: files }),
            new iam.PolicyStatement({
              actions: ["s3:DeleteObject"],
              resources: [bucket.arnForObjects(`${checkpoints}*`)],
            }),
            // Without it a missing key is answered as a forbidden one; a condition on the prefix would do the same.
            new iam.PolicyStatement({ actions: ["s3:ListBucket"], resources: [bucket.bucketArn] }),
            new iam.PolicyStatement({
              actions: ["lambda:InvokeFunction"],
              resources: [review.functionArn],
            }),
          ],
        }),
      },
    });
    return new batch.EcsJobDefinition(this, "Attempt", {
      jobDefinitionName,
      // Recover alone decides on another attempt.
      retryAttempts: 1,
      // Else a deployment would deregister the revision that a job in the queue was submitted with.
      skipDeregisterOnUpdate: true,
      container: new batch.EcsEc2ContainerDefinition(this, "Container", {
        image: ecs.ContainerImage.fromRegistry(image),
        // Every submission says what it needs; a GPU here could not be taken back by a job that wants none.
        cpu: 1,
        memory: Size.gibibytes(2),
        environment: {
          PAWL_STORE: `s3://${bucket.bucketName}`,
          PAWL_REVIEW: review.functionName,
          // Where the agent looks for a spot notice. Batch's containers have the instance's own network.
          PAWL_METADATA: "http://169.254.169.254",
        },
        jobRole,
        logging: ecs.LogDriver.awsLogs({ streamPrefix: "attempt", logGroup }),
      }),
    });
  }
}

/**
 * Has ECS tell its containers of a spot reclaim, which it does not do by itself: SIGTERM, beside the notice that the agent
 * looks for. Batch takes user data in parts only, and adds its own.
 */
function instanceSettings(): ec2.UserData {
  const script = ec2.UserData.forLinux();
  script.addCommands("echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config");
  const parts = new ec2.MultipartUserData();
  parts.addUserDataPart(script, ec2.MultipartBody.SHELL_SCRIPT);
  return parts;
}

/** Public subnets and the gateway endpoint of S3: nothing that costs while nothing trains. */
function publicNetwork(scope: Construct): ec2.IVpc {
  const vpc = new ec2.Vpc(scope, "Network", {
    natGateways: 0,
    subnetConfiguration: [{ name: "Public", subnetType: ec2.SubnetType.PUBLIC }],
    gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
  });
  return vpc as ec2.IVpc; // CDK's own types disagree here under exactOptionalPropertyTypes
}

function instances(names: readonly string[]): {
  instanceTypes: ec2.InstanceType[];
  instanceClasses: ec2.InstanceClass[];
} {
  const types = names.filter((name) => name.includes("."));
  const families = names.filter((name) => !name.includes("."));
  return {
    instanceTypes: types.map((name) => new ec2.InstanceType(name)),
    instanceClasses: families.map((name) => {
      const family = Object.values(ec2.InstanceClass).find((known) => known === name);
      if (family === undefined) throw new RangeError(`'${name}' is no instance family that CDK knows`);
      return family;
    }),
  };
}
