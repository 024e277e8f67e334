import { Stack, Token } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";

export interface NetworkOptions {
  /** The network. Default: a new one, of subnets in `zones` and the free gateway endpoint of S3. */
  readonly vpc?: ec2.IVpc;
  /** The network by its id, looked up when the app is synthesised: the stack's `env` must say account and Region. */
  readonly vpcId?: string;
  /**
   * Availability zones (`eu-west-1a`) that instances may start in. More zones are more spot capacity. Default: all of a
   * given network's; of a new one the Region's first two, since a template that deploys anywhere knows of no more.
   */
  readonly zones?: readonly string[];
  /**
   * Whether instances go into private subnets: a given network's, which must lead to AWS; or a new one's, which
   * lead to AWS by interface endpoints alone. Those cost by the hour, in each zone, also while nothing trains, and all
   * images must then be in ECR. Default: false, public subnets where nothing is let in.
   */
  readonly privateSubnets?: boolean;
}

/** What an instance of Batch talks to beside S3: the registry, ECS, the logs, and Review. */
export const endpointsOfPrivateSubnets = {
  EcrApi: ec2.InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Ecs: ec2.InterfaceVpcEndpointAwsService.ECS,
  EcsAgent: ec2.InterfaceVpcEndpointAwsService.ECS_AGENT,
  EcsTelemetry: ec2.InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
  Logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  Lambda: ec2.InterfaceVpcEndpointAwsService.LAMBDA,
  Sts: ec2.InterfaceVpcEndpointAwsService.STS,
} as const;

/** Where instances are: nothing reaches them from outside, and by default nothing of it is paid for while nothing trains. */
export class Network extends Construct {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SubnetSelection;
  readonly securityGroup: ec2.SecurityGroup;
  /** Whether instances reach nothing but AWS's own services. */
  readonly isolated: boolean;

  constructor(scope: Construct, id: string, props: NetworkOptions = {}) {
    super(scope, id);
    const { zones, privateSubnets = false } = props;
    checkZones(zones);
    const given = this.given(props);
    this.vpc = given ?? this.create(privateSubnets, zones);
    this.isolated = given === undefined && privateSubnets;
    this.subnets = {
      subnetType: privateSubnets ? privateTypeOf(this.vpc) : ec2.SubnetType.PUBLIC,
      ...(zones === undefined || given === undefined ? {} : { availabilityZones: [...zones] }),
    };
    if (given !== undefined) checkSubnets(given, this.subnets, privateSubnets);
    // An instance reaches S3, Lambda, ECS and the image's registry.
    this.securityGroup = new ec2.SecurityGroup(this, "NoInbound", {
      vpc: this.vpc,
      description: "Pawl: training instances, nothing inbound",
      allowAllOutbound: true,
    });
  }

  private given({ vpc, vpcId }: NetworkOptions): ec2.IVpc | undefined {
    if (vpcId === undefined) return vpc;
    if (vpc !== undefined) throw new RangeError(`vpcId is '${vpcId}' and vpc is given too: give one of them`);
    const { account, region } = Stack.of(this);
    if (Token.isUnresolved(account) || Token.isUnresolved(region)) {
      throw new RangeError(
        `vpcId is '${vpcId}', which can be looked up only where the stack's account and Region are known: deploy with credentials and a Region, or give the stack an 'env'`,
      );
    }
    return ec2.Vpc.fromLookup(this, "Given", { vpcId });
  }

  private create(privateSubnets: boolean, zones: readonly string[] | undefined): ec2.IVpc {
    const vpc = new ec2.Vpc(this, "Vpc", {
      natGateways: 0, // a default network has two, and they cost by the hour
      ...(zones === undefined ? {} : { availabilityZones: [...zones] }),
      subnetConfiguration: [
        privateSubnets
          ? { name: "Private", subnetType: ec2.SubnetType.PRIVATE_ISOLATED }
          : { name: "Public", subnetType: ec2.SubnetType.PUBLIC },
      ],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      restrictDefaultSecurityGroup: false, // its function would be the only one that is not ours; nothing uses that group
    });
    acknowledge(
      vpc,
      "VPC7",
      "Nothing is let in, and flow logs are paid for by the byte: who wants them brings a network of their own.",
    );
    if (privateSubnets) {
      for (const [id, service] of Object.entries(endpointsOfPrivateSubnets))
        vpc.addInterfaceEndpoint(id, { service });
      acknowledge(
        vpc,
        "EC23",
        "The endpoints take HTTPS from the network's own addresses alone, which the rule cannot read here.",
      );
    }
    return vpc as ec2.IVpc; // CDK's own types disagree here under exactOptionalPropertyTypes
  }
}

/** `eu-west-1a`, `us-west-2-lax-1a` */
const zonePattern = /^[a-z]{2,}(-[a-z0-9]+)+-\d+[a-z]$/;

function checkZones(zones: readonly string[] = []): void {
  const wrong = zones.find((zone, at) => !zonePattern.test(zone) || zones.indexOf(zone) !== at);
  if (wrong === undefined) return;
  throw new RangeError(`zones has '${wrong}': it must name availability zones such as eu-west-1a, each once`);
}

const privateTypeOf = (vpc: ec2.IVpc): ec2.SubnetType =>
  vpc.privateSubnets.length > 0 ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED;

/** CDK would speak of its own subnet groups, or find none and say nothing. */
function checkSubnets(vpc: ec2.IVpc, selection: ec2.SubnetSelection, privateSubnets: boolean): void {
  const { isolatedSubnets, privateSubnets: withEgress, publicSubnets } = vpc;
  const ofKind = privateSubnets ? [...withEgress, ...isolatedSubnets] : publicSubnets;
  const kind = privateSubnets ? "private" : "public";
  if (ofKind.length === 0) {
    throw new RangeError(
      `the network has no ${kind} subnets: set privateSubnets to ${!privateSubnets}, or name another network`,
    );
  }
  const found = vpc.selectSubnets(selection);
  if (found.subnets.length > 0 || found.isPendingLookup) return;
  const zones = [...new Set(ofKind.map(({ availabilityZone }) => availabilityZone))];
  throw new RangeError(
    `the network has no ${kind} subnet in zones ${selection.availabilityZones?.join(", ")}: it has them in ${zones.join(", ")}`,
  );
}
