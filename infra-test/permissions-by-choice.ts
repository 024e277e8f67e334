import type { PawlStackProps } from "../cdk/stack.ts";
import { people } from "./permission-row.ts";
import { deciders } from "./permissions-of-functions.ts";

/** What a choice in the stack's properties adds to somebody's permissions, and nothing else does. */
export interface OptionalGrant {
  readonly choice: string;
  readonly props: PawlStackProps;
  readonly who: string;
  /** The roles, by their logical ids. */
  readonly roles: readonly string[];
  readonly actions: readonly string[];
  readonly on: string;
  readonly why: string;
}

const functionRoles = deciders.map((who) => people[who].role);
const traceWrites = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];

export const optionalGrants: readonly OptionalGrant[] = [
  {
    choice: "`tracing: true`",
    props: { tracing: true },
    who: "the functions, the state machine",
    roles: [...functionRoles, people["the state machine"].role],
    actions: ["xray:GetSamplingRules", "xray:GetSamplingTargets", ...traceWrites],
    on: "anything",
    why: "X-Ray has no narrower resource; the functions only write",
  },
  {
    choice: "`executionLogs`",
    props: { executionLogs: "all" },
    who: "the state machine",
    roles: [people["the state machine"].role],
    actions: [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ],
    on: "anything",
    why: "how Step Functions delivers logs; deliveries have no ARN",
  },
  {
    choice: "an image in ECR",
    props: { images: { torch: "111122223333.dkr.ecr.eu-west-1.amazonaws.com/torch:2.9" } },
    who: "ECS, to start an attempt",
    roles: [people["ECS, to start an attempt"].role],
    actions: [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
    ],
    on: "the image's repository; the token: anything",
    why: "pulls the image",
  },
  {
    choice: "`keepRuns: false`",
    props: { keepRuns: false },
    who: "a function of CDK's",
    roles: ["CustomS3AutoDeleteObjectsCustomResourceProviderRole"],
    actions: ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    on: "anything; and, by the bucket's policy, `s3:List*`, `s3:GetBucket*`, `s3:DeleteObject*` and `s3:PutBucketPolicy` on the bucket",
    why: "empties the bucket as the stack is deleted; it is CDK's own, with AWS's policy for functions",
  },
];
