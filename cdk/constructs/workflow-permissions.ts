import { ArnFormat, Stack } from "aws-cdk-lib";
import type { JobQueue } from "aws-cdk-lib/aws-batch";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct, IConstruct } from "constructs";
import { acknowledgeWildcards } from "./acknowledge.ts";
import { anyJob, type Functions, traceWrites } from "./functions.ts";

/** What the state machine submits jobs to, and with. */
export interface Submitted {
  readonly queues: readonly JobQueue[];
  readonly jobDefinitions: readonly IConstruct[];
  readonly jobDefinitionNames: readonly string[];
}

export interface WorkflowPermissionsProps {
  readonly functions: Functions;
  readonly compute: Submitted;
  readonly stateMachineName: string;
  readonly logs: boolean;
  readonly tracing: boolean;
}

/**
 * What the state machine may do, by hand: CDK's own would let it submit any job to any queue, and neither look after a
 * job nor end it.
 */
export function workflowPermissions(
  scope: Construct,
  { functions, compute, stateMachineName, logs, tracing }: WorkflowPermissionsProps,
): iam.PolicyDocument {
  const arn = (service: string, resource: string, resourceName: string, arnFormat: ArnFormat) =>
    Stack.of(scope).formatArn({ service, resource, resourceName, arnFormat });
  return new iam.PolicyDocument({
    statements: [
      new iam.PolicyStatement({
        actions: ["lambda:InvokeFunction"],
        resources: [functions.open, functions.review, functions.recover].map(
          ({ functionArn }) => functionArn,
        ),
      }),
      new iam.PolicyStatement({
        actions: ["batch:SubmitJob"],
        resources: [
          ...compute.queues.map(({ jobQueueArn }) => jobQueueArn),
          // Named without a revision; authorised with and without one.
          ...definitionArns(scope, compute).flatMap((definition) => [definition, `${definition}:*`]),
        ],
      }),
      new iam.PolicyStatement({
        actions: ["batch:DescribeJobs"],
        resources: ["*"], // Batch has no narrower resource for it
      }),
      new iam.PolicyStatement({ actions: ["batch:TerminateJob"], resources: [anyJob(scope)] }),
      new iam.PolicyStatement({
        // The rule by which Step Functions hears that a job has ended; the name is its own.
        actions: ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
        resources: [
          arn("events", "rule", "StepFunctionsGetEventsForBatchJobsRule", ArnFormat.SLASH_RESOURCE_NAME),
        ],
      }),
      new iam.PolicyStatement({
        actions: ["states:StartExecution"],
        resources: [arn("states", "stateMachine", stateMachineName, ArnFormat.COLON_RESOURCE_NAME)],
      }),
      ...(logs ? [logDeliveries()] : []),
      ...(tracing ? [traceWrites(), traceSampling()] : []),
    ],
  });
}

const definitionArns = (scope: Construct, { jobDefinitionNames }: Submitted): string[] =>
  jobDefinitionNames.map((resourceName) =>
    Stack.of(scope).formatArn({ service: "batch", resource: "job-definition", resourceName }),
  );

export function acknowledgeWorkflow(scope: Construct, role: iam.IRole, compute: Submitted): void {
  acknowledgeWildcards(role, [
    ...definitionArns(scope, compute).map(
      (definition) =>
        [`${definition}:*`, "All revisions of one definition: a deployment makes new ones."] as const,
    ),
    [anyJob(scope), "A job's id is known only once it is submitted."],
    [
      "*",
      "batch:DescribeJobs takes no resource; nor do X-Ray's calls and the deliveries of logs, where they are chosen.",
    ],
  ]);
}

/** How Step Functions comes to write to a log group: deliveries belong to the account, and have no ARN. */
const logDeliveries = (): iam.PolicyStatement =>
  new iam.PolicyStatement({
    actions: [
      "logs:CreateLogDelivery",
      "logs:GetLogDelivery",
      "logs:UpdateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:DescribeResourcePolicies",
      "logs:DescribeLogGroups",
    ],
    resources: ["*"],
  });

const traceSampling = (): iam.PolicyStatement =>
  new iam.PolicyStatement({
    actions: ["xray:GetSamplingRules", "xray:GetSamplingTargets"],
    resources: ["*"],
  });
