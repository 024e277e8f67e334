import { ArnFormat, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { leasesPrefix, restingKey } from "../../core/keys.ts";
import type { Market } from "../../core/market.ts";
import { functionVariables, type Offers } from "../../core/stack.ts";
import { type HandlerName, handlerCode, handlersFolder } from "../bundle.ts";
import { acknowledgeWildcards } from "./acknowledge.ts";
import { keyPrefixes } from "./storage.ts";

export interface FunctionsOptions {
  /** The folder of the functions' sources, to be bundled by esbuild. Default: Pawl's own, bundled already in its package. */
  readonly handlers?: string;
  /** For how long logs are kept: the functions', the attempts' and, where there are any, the executions'. Default: a month. */
  readonly logRetention?: logs.RetentionDays;
  /** Whether executions and functions are traced by X-Ray, which is paid for by the trace. Default: false. */
  readonly tracing?: boolean;
  /** Whether metrics are counted for each run too, and not for the stack alone: each is paid for. Default: false. */
  readonly runMetrics?: boolean;
  /** Prices that replace those of Pawl's table, in USD an hour by instance type and market. Default: none. */
  readonly prices?: Readonly<Record<string, Partial<Record<Market, number>>>>;
}

export interface FunctionsProps extends FunctionsOptions {
  readonly bucket: IBucket;
  /** The stack's own name for things, which its queues' names begin with. */
  readonly name: string;
  /** The state machine's name; it is asked whether executions of it are alive. */
  readonly stateMachineName: string;
  /** What the stack can give a job. */
  readonly offers: Offers;
  /** Where Sweep tells people that a run is at rest. */
  readonly topic: ITopic;
}

/** No decision takes this long; reading a long journal's end and a hundred manifests over a slow network may. */
const timeout = Duration.minutes(2);

/** Sweep waits for what it ends, which has two minutes to save what it has. */
const sweepTimeout = Duration.minutes(5);

/** Bytes that Lambda takes for all variables together. */
const maxEnvironmentBytes = 4096;

/**
 * The functions that decide, one for each decision, each with a role and a log group of its own. Only they may write
 * the journal. No concurrency is reserved: a new account has no more than the ten that must stay unreserved.
 */
export class Functions extends Construct {
  readonly open: lambda.Function;
  readonly review: lambda.Function;
  readonly recover: lambda.Function;
  readonly sweep: lambda.Function;
  readonly stop: lambda.Function;
  /** All of them. */
  readonly all: readonly lambda.Function[];

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    const { bucket } = props;
    const { journal, checkpoints, attempts } = keyPrefixes;
    const read = (...prefixes: string[]) =>
      new iam.PolicyStatement({
        actions: ["s3:GetObject"],
        resources: prefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`)),
      });
    const evidence = read(journal, checkpoints, attempts);
    // Of an execution by Step Functions, of a process on somebody's machine by its lease.
    const liveness = [
      new iam.PolicyStatement({
        actions: ["states:DescribeExecution"],
        resources: [executionsOf(this, props.stateMachineName, "*")],
      }),
      read(leasesPrefix),
    ];
    const [look, end] = [this.lookAtJobs(), this.terminateJobs()];
    const remember = new iam.PolicyStatement({
      actions: ["s3:GetObject", "s3:PutObject"],
      resources: [bucket.arnForObjects(restingKey)],
    });
    const tell = new iam.PolicyStatement({ actions: ["sns:Publish"], resources: [props.topic.topicArn] });

    this.open = this.decide("open", props, [evidence, ...liveness, look, end]);
    this.review = this.decide("review", props, [evidence]);
    this.recover = this.decide("recover", props, [evidence]);
    this.sweep = this.decide("sweep", props, [evidence, remember, ...liveness, look, end, tell], {
      [functionVariables.topic]: props.topic.topicArn,
    });
    this.stop = this.decide("stop", props, [read(journal), ...liveness, look, end]);
    this.all = [this.open, this.review, this.recover, this.sweep, this.stop];
    // EventBridge asks it without waiting. A second and a third time are of use; after a quarter of an hour it is asked anyway.
    this.sweep.configureAsyncInvoke({ retryAttempts: 2, maxEventAge: Duration.minutes(15) });
  }

  /** By their ids, and by their names where nobody has claimed them. */
  private lookAtJobs(): iam.PolicyStatement {
    return new iam.PolicyStatement({
      actions: ["batch:DescribeJobs", "batch:ListJobs"],
      resources: ["*"], // Batch has no narrower resource for either
    });
  }

  private terminateJobs(): iam.PolicyStatement {
    return new iam.PolicyStatement({
      actions: ["batch:TerminateJob"],
      resources: [anyJob(this)], // their ids come from the journal
    });
  }

  private decide(
    handler: HandlerName,
    props: FunctionsProps,
    more: readonly iam.PolicyStatement[],
    variables: Readonly<Record<string, string>> = {},
  ): lambda.Function {
    const { bucket, handlers = handlersFolder, logRetention = logs.RetentionDays.ONE_MONTH } = props;
    const { tracing = false } = props;
    const name = handler.charAt(0).toUpperCase() + handler.slice(1);
    const logGroup = new logs.LogGroup(this, `${name}Logs`, {
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, `${name}Role`, {
      description: `Pawl: what ${name} may do`,
      assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
      inlinePolicies: {
        Decide: new iam.PolicyDocument({
          statements: [
            new iam.PolicyStatement({
              actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
              resources: [logGroup.logGroupArn],
            }),
            new iam.PolicyStatement({
              actions: ["s3:PutObject"],
              resources: [bucket.arnForObjects(`${keyPrefixes.journal}*`)],
            }),
            // Without it a missing key is answered as a forbidden one.
            new iam.PolicyStatement({ actions: ["s3:ListBucket"], resources: [bucket.bucketArn] }),
            ...more,
            ...(tracing ? [traceWrites()] : []),
          ],
        }),
      },
    });
    acknowledgeWildcards(role, this.wildcards(props));
    const environment = { ...this.variables(props), ...variables };
    checkSize({ ...environment, [functionVariables.offers]: JSON.stringify(props.offers) });
    return new lambda.Function(this, name, {
      description: `Pawl: ${name}`,
      code: handlerCode(handlers, handler),
      handler: "index.handler",
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      memorySize: 512,
      timeout: handler === "sweep" ? sweepTimeout : timeout,
      // All that it may do is written above; what CDK would add is not wanted.
      role: role.withoutPolicyUpdates(),
      logGroup,
      tracing: tracing ? lambda.Tracing.ACTIVE : lambda.Tracing.DISABLED,
      environment,
    });
  }

  private wildcards({ bucket, stateMachineName }: FunctionsProps): [resource: string, reason: string][] {
    const { journal, checkpoints, attempts } = keyPrefixes;
    return [
      ...[journal, checkpoints, attempts, leasesPrefix].map((prefix): [string, string] => [
        bucket.arnForObjects(`${prefix}*`),
        "All runs of the stack: they are named by people, once it is deployed. Keys begin with their kind.",
      ]),
      [
        executionsOf(this, stateMachineName, "*"),
        "All executions of one state machine; they are named as they start.",
      ],
      [anyJob(this), "A job's id is known only once it is submitted."],
      ["*", "batch:DescribeJobs, batch:ListJobs and X-Ray's writes take no resource."],
    ];
  }

  private variables(props: FunctionsProps): Record<string, string> {
    const { bucket, name, stateMachineName, offers, prices, runMetrics } = props;
    const stack = Stack.of(this);
    return {
      [functionVariables.store]: `s3://${bucket.bucketName}`,
      [functionVariables.name]: name,
      [functionVariables.executions]: executionsOf(this, stateMachineName, ""),
      [functionVariables.offers]: stack.toJsonString(offers),
      ...(prices === undefined ? {} : { [functionVariables.prices]: JSON.stringify(prices) }),
      ...(runMetrics === true ? { [functionVariables.runMetrics]: "1" } : {}),
    };
  }
}

/** Refused here and not in the middle of a deployment. What is known only there counts by its placeholder. */
function checkSize(environment: Readonly<Record<string, string>>): void {
  const bytes = Buffer.byteLength(Object.entries(environment).flat().join(""));
  if (bytes <= maxEnvironmentBytes) return;
  throw new RangeError(
    `the functions' variables are ${bytes} bytes, and Lambda takes ${maxEnvironmentBytes}: name fewer images, instance types or prices`,
  );
}

const executionsOf = (scope: Construct, stateMachineName: string, which: "" | "*"): string =>
  Stack.of(scope).formatArn({
    service: "states",
    resource: "execution",
    resourceName: `${stateMachineName}:${which}`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });

/** The jobs of this account and Region: a job's id is known only once it is submitted. */
export const anyJob = (scope: Construct): string =>
  Stack.of(scope).formatArn({ service: "batch", resource: "job", resourceName: "*" });

/** What X-Ray has no narrower resource for. */
export const traceWrites = (): iam.PolicyStatement =>
  new iam.PolicyStatement({
    actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    resources: ["*"],
  });
