import { Duration } from "aws-cdk-lib";
import * as batch from "aws-cdk-lib/aws-batch";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { Construct } from "constructs";
import { type Market, markets } from "../../core/market.ts";
import { defaultInstanceTypes, defaultMaxVcpus, queueName } from "../../core/stack.ts";
import { checkedInstanceKinds } from "../instance-kinds.ts";
import { Attempts, type AttemptsOptions, type AttemptsProps } from "./attempts.ts";
import { Instances, type InstancesOptions } from "./instances.ts";
import { Network, type NetworkOptions } from "./network.ts";

export interface ComputeOptions extends NetworkOptions, InstancesOptions, AttemptsOptions {
  /**
   * What instances may be started: types (`g5.xlarge`) or whole families (`g5`). With families Batch finds the size
   * that a job's `compute` needs. Default: the families g4dn, g5 and g6.
   */
  readonly instanceTypes?: readonly string[];
  /** Virtual CPUs of all instances of one market at most; it bounds what can be spent in an hour. Default: 256. */
  readonly maxVcpus?: number;
  /**
   * For how many minutes an instance stays after its last job, ready for the next one, and is paid for: 20 to 10,080. Default:
   * Batch takes it away at once.
   */
  readonly scaleDownDelayMinutes?: number;
}

export interface ComputeProps extends ComputeOptions, AttemptsProps {}

/** What the head of a queue waits for in vain, and for how long at most. Batch then cancels it, and Recover decides. */
const timeLimits: readonly (readonly [batch.JobStateTimeLimitActionsReason, Duration])[] = [
  // Long enough for a dip; no capacity in so long is more than a dip.
  [batch.JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY, Duration.minutes(30)],
  // What cannot fit will not fit later; 10 minutes are the least that Batch takes.
  [batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE, Duration.minutes(10)],
  [batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT, Duration.minutes(10)],
];

const constructIds = { spot: "Spot", "on-demand": "OnDemand" } as const satisfies Record<Market, string>;

const allocation = {
  spot: batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED,
  "on-demand": batch.AllocationStrategy.BEST_FIT_PROGRESSIVE,
} as const satisfies Record<Market, batch.AllocationStrategy>;

/** Batch's own bounds, in minutes. */
const scaleDownDelay = { least: 20, most: 10_080 } as const;

/**
 * The instances that train: a queue of Batch for each market, on instances that come when a job waits and go when none
 * does; and what attempts run in.
 */
export class Compute extends Construct {
  readonly queues: readonly batch.JobQueue[];
  readonly jobDefinitions: readonly batch.EcsJobDefinition[];
  readonly jobDefinitionNames: readonly string[];

  constructor(scope: Construct, id: string, props: ComputeProps) {
    super(scope, id);
    const network = new Network(this, "Network", props);
    const instances = new Instances(this, "Instances", props);
    this.queues = markets.map((market) =>
      this.queue(market, props, this.environment(market, props, network, instances)),
    );
    const attempts = new Attempts(this, "Attempts", { ...props, isolated: network.isolated });
    this.jobDefinitions = attempts.definitions;
    this.jobDefinitionNames = attempts.definitionNames;
  }

  private environment(
    market: Market,
    { instanceTypes = defaultInstanceTypes, maxVcpus = defaultMaxVcpus, scaleDownDelayMinutes }: ComputeProps,
    { vpc, subnets, securityGroup }: Network,
    { launchTemplate, role }: Instances,
  ): batch.ManagedEc2EcsComputeEnvironment {
    wholeNumber("maxVcpus", maxVcpus, 1, 1_000_000);
    const environment = new batch.ManagedEc2EcsComputeEnvironment(this, constructIds[market], {
      vpc,
      vpcSubnets: subnets,
      securityGroups: [securityGroup],
      spot: market === "spot",
      allocationStrategy: allocation[market],
      minvCpus: 0,
      maxvCpus: maxVcpus,
      useOptimalInstanceClasses: false, // they have no GPU
      instanceTypes: [new ec2.InstanceType("g5.xlarge")], // CDK must be given some; replaced below
      images: [{ imageType: batch.EcsMachineImageType.ECS_AL2023_NVIDIA }],
      launchTemplate,
      instanceRole: role,
      // A change is made in place, under jobs that go on for as long as Batch grants.
      replaceComputeEnvironment: false,
      terminateOnUpdate: false,
      updateTimeout: Duration.minutes(360),
      updateToLatestImageVersion: true,
    });
    const resource = environment.node.defaultChild;
    if (!(resource instanceof batch.CfnComputeEnvironment))
      throw new TypeError(`no compute environment in ${constructIds[market]}`);
    const override = (path: string, value: unknown) =>
      resource.addPropertyOverride(`ComputeResources.${path}`, value);
    // CDK takes only families that it knows; AWS has newer ones.
    override("InstanceTypes", checkedInstanceKinds(instanceTypes));
    // Else a changed template would be used by no instance.
    override("LaunchTemplate.Version", launchTemplate.latestVersionNumber);
    if (scaleDownDelayMinutes !== undefined) {
      const { least, most } = scaleDownDelay;
      wholeNumber("scaleDownDelayMinutes", scaleDownDelayMinutes, least, most);
      override("ScalingPolicy.MinScaleDownDelayMinutes", scaleDownDelayMinutes);
    }
    return environment;
  }

  private queue(
    market: Market,
    { name }: ComputeProps,
    computeEnvironment: batch.ManagedEc2EcsComputeEnvironment,
  ): batch.JobQueue {
    return new batch.JobQueue(this, `${constructIds[market]}Queue`, {
      jobQueueName: queueName(name, market),
      computeEnvironments: [{ computeEnvironment, order: 1 }],
      jobStateTimeLimitActions: timeLimits.map(([reason, maxTime]) => ({
        action: batch.JobStateTimeLimitActionsAction.CANCEL,
        state: batch.JobStateTimeLimitActionsState.RUNNABLE,
        reason,
        maxTime,
      })),
    });
  }
}

function wholeNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is ${value}: it must be a whole number from ${least} to ${most}`);
}
