import { Stack } from "aws-cdk-lib";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { Compute, type ComputeOptions } from "./constructs/compute.ts";
import { Functions, type FunctionsOptions } from "./constructs/functions.ts";
import { Storage } from "./constructs/storage.ts";
import { Sweeping } from "./constructs/sweeping.ts";
import { Workflow } from "./constructs/workflow.ts";

export interface PawlProps extends ComputeOptions, FunctionsOptions {
  /**
   * What the names of the state machine, of the queues and of the job definition begin with; one for each Pawl in an
   * account and Region. Default: the stack's name.
   */
  readonly name?: string;
}

/**
 * Everything that trains: where runs live, the functions that decide, the instances that train, and the state machine
 * that joins them. Nothing in it costs anything while nothing trains.
 */
export class Pawl extends Construct {
  /** Where runs live. It stays when the stack is deleted. */
  readonly bucket: Bucket;
  /** An execution of it is a training run: start it with `{"job": {…}}`. */
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, id: string, props: PawlProps = {}) {
    super(scope, id);
    const name = props.name ?? Stack.of(this).stackName;
    // Derived, not referred to: the state machine starts executions of itself, and Open asks after them.
    const stateMachineName = `${name}-Runs`;

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
      jobDefinitionName: `${name}-Attempt`,
      queuePrefix: `${name}-`,
    });
    this.bucket = storage.bucket;
    this.stateMachine = new Workflow(this, "Workflow", { functions, compute, stateMachineName }).stateMachine;
    new Sweeping(this, "Sweeping", { sweep: functions.sweep, stateMachine: this.stateMachine });
  }
}
