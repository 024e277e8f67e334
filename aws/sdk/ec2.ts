// Named one by one, so that a bundle has these and no other commands.
export { DescribeSpotPriceHistoryCommand, EC2Client } from "@aws-sdk/client-ec2";
