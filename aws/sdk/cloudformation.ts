// Named one by one, so that a bundle has these and no other commands.
export { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
