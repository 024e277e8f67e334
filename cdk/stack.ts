import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { Compute, type ComputeOptions } from "./constructs/compute.ts";
import { Functions, type FunctionsOptions } from "./constructs/functions.ts";
import { Storage } from "./constructs/storage.ts";
import { Workflow } from "./constructs/workflow.ts";

export interface PawlStackProps extends StackProps, ComputeOptions, FunctionsOptions {}

/**
 * Everything that trains: where runs live, the functions that decide, the instances that train, and the state machine
 * that joins them. Nothing in it costs anything while nothing trains.
 */
export class PawlStack extends Stack {
  constructor(scope: Construct, id: string, props: PawlStackProps = {}) {
    super(scope, id, props);
    // Derived, not referred to: the state machine starts executions of itself, and Open asks after them.
    const stateMachineName = `${this.stackName}-Runs`;

    const storage = new Storage(this, "Storage");
    const functions = new Functions(this, "Functions", {
      ...props,
      bucket: storage.bucket,
      stateMachineName,
    });
    const compute = new Compute(this, "Compute", {
      ...props,
      bucket: storage.bucket,
      review: functions.review,
      jobDefinitionName: `${this.stackName}-Attempt`,
    });
    const workflow = new Workflow(this, "Workflow", { functions, compute, stateMachineName });

    new CfnOutput(this, "Bucket", { value: storage.bucket.bucketName, description: "Where runs live" });
    new CfnOutput(this, "StateMachine", {
      value: workflow.stateMachine.stateMachineArn,
      description: "Start an execution of it to train",
    });
  }
}
