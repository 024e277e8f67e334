/**
 * What AWS's own policies allow, as AWS documents them, as far as the stack uses them: a template only names them.
 * Taken down in November 2026.
 */
const policies: Readonly<Record<string, object>> = {
  "service-role/AmazonEC2ContainerServiceforEC2Role": {
    Statement: [
      {
        Effect: "Allow",
        Action: [
          "ec2:DescribeTags",
          "ecs:CreateCluster",
          "ecs:DeregisterContainerInstance",
          "ecs:DiscoverPollEndpoint",
          "ecs:Poll",
          "ecs:RegisterContainerInstance",
          "ecs:StartTelemetrySession",
          "ecs:UpdateContainerInstancesState",
          "ecs:Submit*",
          "ecr:GetAuthorizationToken",
          "ecr:BatchCheckLayerAvailability",
          "ecr:GetDownloadUrlForLayer",
          "ecr:BatchGetImage",
          "logs:CreateLogStream",
          "logs:PutLogEvents",
        ],
        Resource: "*",
      },
      {
        Effect: "Allow",
        Action: "ecs:TagResource",
        Resource: "*",
        Condition: {
          StringEquals: { "ecs:CreateAction": ["CreateCluster", "RegisterContainerInstance"] },
        },
      },
    ],
  },
  "service-role/AWSLambdaBasicExecutionRole": {
    Statement: [
      {
        Effect: "Allow",
        Action: ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: "*",
      },
    ],
  },
};

/** The document of one of AWS's own policies, by its ARN. Throws RangeError for one that is not written down here. */
export function managedPolicy(arn: string): object {
  const name = arn.replace(/^arn:[a-z-]+:iam::aws:policy\//, "");
  const policy = Object.hasOwn(policies, name) ? policies[name] : undefined;
  if (policy === undefined) throw new RangeError(`AWS's policy ${name} is not written down here`);
  return policy;
}
