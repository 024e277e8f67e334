// Named one by one, so that a bundle has these and no other commands.
export { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
