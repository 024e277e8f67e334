import {
  BatchClient,
  DescribeComputeEnvironmentsCommand,
  DescribeJobDefinitionsCommand,
  DescribeJobQueuesCommand,
} from "@aws-sdk/client-batch";
import { CloudFormationClient, ListStacksCommand } from "@aws-sdk/client-cloudformation";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { ListStateMachinesCommand, SFNClient } from "@aws-sdk/client-sfn";
import { ListTopicsCommand, SNSClient } from "@aws-sdk/client-sns";
import { region } from "../servers/server-group.ts";
import { ask, type Service } from "./request.ts";

const ec2: Service = { name: "ec2", version: "2016-11-15" };
const iam: Service = { name: "iam", version: "2010-05-08" };
const cloudwatch: Service = { name: "monitoring", version: "2010-08-01" };
const logs: Service = { name: "logs", target: "Logs_20140328" };
const events: Service = { name: "events", target: "AWSEvents" };

/** What is listed by one answer, by the name that each thing has in it. */
const lists: readonly (readonly [
  kind: string,
  Service,
  action: string,
  field: string,
  parameters?: Record<string, string>,
])[] = [
  ["vpc", ec2, "DescribeVpcs", "vpcId"],
  ["subnet", ec2, "DescribeSubnets", "subnetId"],
  ["security-group", ec2, "DescribeSecurityGroups", "groupId"],
  ["launch-template", ec2, "DescribeLaunchTemplates", "launchTemplateId"],
  ["internet-gateway", ec2, "DescribeInternetGateways", "internetGatewayId"],
  ["nat-gateway", ec2, "DescribeNatGateways", "natGatewayId"],
  [
    "vpc-endpoint",
    ec2,
    "DescribeVpcEndpoints",
    "vpcEndpointId",
    // What is deleted is still told for a while.
    { "Filter.1.Name": "vpc-endpoint-state", "Filter.1.Value.1": "available" },
  ],
  ["role", iam, "ListRoles", "RoleName"],
  ["instance-profile", iam, "ListInstanceProfiles", "InstanceProfileName"],
  ["alarm", cloudwatch, "DescribeAlarms", "AlarmName"],
  ["dashboard", cloudwatch, "ListDashboards", "DashboardName"],
  ["log-group", logs, "DescribeLogGroups", "logGroupName"],
  ["rule", events, "ListRules", "Name"],
];

/** The texts of a field in an answer, be it XML or JSON. */
function fieldIn(answer: string, field: string): string[] {
  const found = answer.matchAll(new RegExp(`<${field}>([^<]*)</${field}>|"${field}":\\s*"([^"]*)"`, "g"));
  return [...found].map(([, inXml, inJson]) => inXml ?? inJson ?? "");
}

/** Everything that there is in the emulated account, sorted: `<kind> <name>`. */
export async function accountContent(endpoint: string): Promise<string[]> {
  const options = { endpoint, region };
  const [cloudformation, s3, lambda] = [
    new CloudFormationClient(options),
    new S3Client(options),
    new LambdaClient(options),
  ];
  const [sfn, sns, batch] = [new SFNClient(options), new SNSClient(options), new BatchClient(options)];
  const named = (kind: string, names: readonly (string | undefined)[] | undefined) =>
    (names ?? []).map((name) => `${kind} ${name}`);
  const found = await Promise.all([
    cloudformation
      .send(new ListStacksCommand({}))
      .then(({ StackSummaries = [] }) =>
        StackSummaries.filter(({ StackStatus }) => StackStatus !== "DELETE_COMPLETE"),
      )
      .then((stacks) =>
        named(
          "stack",
          stacks.map(({ StackName }) => StackName),
        ),
      ),
    s3.send(new ListBucketsCommand({})).then(({ Buckets }) =>
      named(
        "bucket",
        Buckets?.map(({ Name }) => Name),
      ),
    ),
    lambda.send(new ListFunctionsCommand({})).then(({ Functions }) =>
      named(
        "function",
        Functions?.map(({ FunctionName }) => FunctionName),
      ),
    ),
    sfn.send(new ListStateMachinesCommand({})).then(({ stateMachines }) =>
      named(
        "state-machine",
        stateMachines?.map(({ name }) => name),
      ),
    ),
    sns.send(new ListTopicsCommand({})).then(({ Topics }) =>
      named(
        "topic",
        Topics?.map(({ TopicArn }) => TopicArn),
      ),
    ),
    batch.send(new DescribeComputeEnvironmentsCommand({})).then((answer) =>
      named(
        "compute-environment",
        answer.computeEnvironments?.map((each) => each.computeEnvironmentName),
      ),
    ),
    batch.send(new DescribeJobQueuesCommand({})).then(({ jobQueues }) =>
      named(
        "job-queue",
        jobQueues?.map(({ jobQueueName }) => jobQueueName),
      ),
    ),
    batch.send(new DescribeJobDefinitionsCommand({ status: "ACTIVE" })).then((answer) =>
      named(
        "job-definition",
        answer.jobDefinitions?.map((each) => `${each.jobDefinitionName}:${each.revision}`),
      ),
    ),
    ...lists.map(async ([kind, service, action, field, parameters]) =>
      named(kind, [...new Set(fieldIn(await ask(endpoint, service, action, parameters), field))]),
    ),
  ]);
  for (const client of [cloudformation, s3, lambda, sfn, sns, batch]) client.destroy();
  return found.flat().sort();
}
