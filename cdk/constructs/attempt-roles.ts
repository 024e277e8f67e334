import { Stack, Token } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { ILogGroup } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { acknowledgeWildcards } from "./acknowledge.ts";
import { repositoryOf } from "./images.ts";
import { keyPrefixes } from "./storage.ts";

const tasks = () => new iam.ServicePrincipal("ecs-tasks.amazonaws.com");

/** What an attempt may do. The journal is not here: attempts ask Review, which alone writes it. */
export function attemptRole(
  scope: Construct,
  id: string,
  { bucket, review }: { readonly bucket: IBucket; readonly review: IFunction },
): iam.Role {
  const { checkpoints, attempts, code } = keyPrefixes;
  const objects = (...prefixes: string[]) => prefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`));
  const role = roleFor(scope, id, "Pawl: what an attempt may do", "Train", [
    allow(["s3:GetObject"], objects(checkpoints, attempts, code)),
    allow(["s3:PutObject", "s3:AbortMultipartUpload"], objects(checkpoints, attempts)),
    allow(["s3:DeleteObject"], objects(checkpoints)),
    // Without it a missing key is answered as a forbidden one; a condition on the prefix would do the same.
    allow(["s3:ListBucket"], [bucket.bucketArn]),
    allow(["lambda:InvokeFunction"], [review.functionArn]),
    allow(["ec2:DescribeSpotPriceHistory"], ["*"]), // EC2 has no narrower resource for it
  ]);
  acknowledgeWildcards(role, [
    ...objects(checkpoints, attempts, code).map(
      (keys) =>
        [keys, "All runs of the stack, which trust each other's code: keys begin with their kind."] as const,
    ),
    ["*", "ec2:DescribeSpotPriceHistory takes no resource."],
  ]);
  return role;
}

interface Started {
  readonly logGroup: ILogGroup;
  readonly images: readonly string[];
}

/** What ECS may do to start an attempt: pull its image, and write its log. */
export function executionRole(scope: Construct, id: string, { logGroup, images }: Started): iam.Role {
  const repositories = [...new Set(images.flatMap((image) => repositoryArns(scope, image)))];
  const pull = [
    allow(["ecr:GetAuthorizationToken"], ["*"]), // ECR has no narrower resource for it
    allow(
      ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      repositories,
    ),
  ];
  const role = roleFor(scope, id, "Pawl: what ECS may do to start an attempt", "Start", [
    allow(["logs:CreateLogStream", "logs:PutLogEvents"], [logGroup.logGroupArn]),
    ...(repositories.length > 0 ? pull : []),
  ]);
  acknowledgeWildcards(role, [
    ["*", "ecr:GetAuthorizationToken takes no resource."],
    ...repositories
      .filter((arn) => arn.endsWith("*"))
      .map(
        (arn) => [arn, "An image's address that is known only at deployment names any repository."] as const,
      ),
  ]);
  return role;
}

function repositoryArns(scope: Construct, image: string): string[] {
  const stack = Stack.of(scope);
  const arn = (parts: { account?: string; region?: string }, resourceName: string) =>
    stack.formatArn({ service: "ecr", resource: "repository", resourceName, ...parts });
  // An address that is known only at deployment names any repository of the stack's own account and Region.
  if (Token.isUnresolved(image)) return [arn({}, "*")];
  const repository = repositoryOf(image);
  if (repository === undefined) return [];
  const { account, region, name } = repository;
  return [arn({ account, region }, name)];
}

const allow = (actions: string[], resources: string[]) => new iam.PolicyStatement({ actions, resources });

const roleFor = (
  scope: Construct,
  id: string,
  description: string,
  policy: string,
  statements: iam.PolicyStatement[],
): iam.Role =>
  new iam.Role(scope, id, {
    description,
    assumedBy: tasks(),
    inlinePolicies: { [policy]: new iam.PolicyDocument({ statements }) },
  });
