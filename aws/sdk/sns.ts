// Named one by one, so that a bundle has these and no other commands.
export { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
