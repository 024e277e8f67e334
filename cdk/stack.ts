import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { Pawl, type PawlProps } from "./pawl.ts";

export interface PawlStackProps extends StackProps, Omit<PawlProps, "name"> {}

/** A stack of Pawl alone, with what the command line asks for as outputs. */
export class PawlStack extends Stack {
  constructor(scope: Construct, id: string, props: PawlStackProps = {}) {
    super(scope, id, props);
    // CDK leaves `Default` out of the names that it makes.
    const { bucket, stateMachine } = new Pawl(this, "Default", props);
    new CfnOutput(this, "Bucket", { value: bucket.bucketName, description: "Where runs live" });
    new CfnOutput(this, "StateMachine", {
      value: stateMachine.stateMachineArn,
      description: "Start an execution of it to train",
    });
  }
}
