import { ArnFormat, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { restingKey } from "../../core/keys.ts";
import { type HandlerName, handlerCode, handlersFolder } from "../bundle.ts";
import { keyPrefixes } from "./storage.ts";

export interface FunctionsOptions {
  /** The folder of the functions' sources, to be bundled by esbuild. Default: Pawl's own, bundled already in its package. */
  readonly handlers?: string;
}

export interface FunctionsProps extends FunctionsOptions {
  readonly bucket: Bucket;
  /** The state machine's name; Open and Sweep ask whether executions of it are alive. */
  readonly stateMachineName: string;
}

/** No decision takes this long; reading a long journal's end and a hundred manifests over a slow network may. */
const timeout = Duration.minutes(2);

/**
 * The functions that decide, one for each decision, each with its own role. Only they may write the journal.
 */
export class Functions extends Construct {
  readonly open: lambda.Function;
  readonly review: lambda.Function;
  readonly recover: lambda.Function;
  readonly sweep: lambda.Function;

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    const describeJobs = new iam.PolicyStatement({
      actions: ["batch:DescribeJobs"],
      resources: ["*"], // Batch has no narrower resource for it
    });
    const listJobs = new iam.PolicyStatement({
      actions: ["batch:ListJobs"],
      resources: ["*"], // nor for this: how a job is found that nobody has claimed, by its name
    });
    const terminateJobs = new iam.PolicyStatement({
      actions: ["batch:TerminateJob"],
      resources: ["*"], // the jobs are not known here; their ids come from the journal
    });
    const describeExecutions = new iam.PolicyStatement({
      actions: ["states:DescribeExecution"],
      resources: [
        Stack.of(this).formatArn({
          service: "states",
          resource: "execution",
          resourceName: `${props.stateMachineName}:*`,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
      ],
    });
    const jobs = [describeJobs, listJobs, terminateJobs];
    this.open = this.decide("open", props, [describeExecutions, ...jobs]);
    this.review = this.decide("review", props, []);
    this.recover = this.decide("recover", props, [describeJobs]);
    const remember = new iam.PolicyStatement({
      actions: ["s3:GetObject", "s3:PutObject"],
      resources: [props.bucket.arnForObjects(restingKey)],
    });
    this.sweep = this.decide("sweep", props, [describeExecutions, remember, ...jobs]);
  }

  private decide(
    handler: HandlerName,
    { bucket, handlers = handlersFolder }: FunctionsProps,
    more: readonly iam.PolicyStatement[],
  ): lambda.Function {
    const name = handler.charAt(0).toUpperCase() + handler.slice(1);
    const logGroup = new logs.LogGroup(this, `${name}Logs`, {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, `${name}Role`, {
      assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
      inlinePolicies: {
        Decide: new iam.PolicyDocument({
          statements: [
            new iam.PolicyStatement({
              actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
              resources: [logGroup.logGroupArn],
            }),
            new iam.PolicyStatement({
              actions: ["s3:GetObject"],
              resources: Object.values(keyPrefixes).map((prefix) => bucket.arnForObjects(`${prefix}*`)),
            }),
            new iam.PolicyStatement({
              actions: ["s3:PutObject"],
              resources: [bucket.arnForObjects(`${keyPrefixes.journal}*`)],
            }),
            // Without it a missing key is answered as a forbidden one.
            new iam.PolicyStatement({
              actions: ["s3:ListBucket"],
              resources: [bucket.bucketArn],
            }),
            ...more,
          ],
        }),
      },
    });
    return new lambda.Function(this, name, {
      description: `Pawl: ${name}`,
      code: handlerCode(handlers, handler),
      handler: "index.handler",
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      memorySize: 512,
      timeout,
      role,
      logGroup,
      environment: { PAWL_STORE: `s3://${bucket.bucketName}` },
    });
  }
}
