import { Stack, Token } from "aws-cdk-lib";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { defaultInstanceTypes, defaultMaxVcpus, type Offers, stateMachineName } from "../core/stack.ts";
import { Compute, type ComputeOptions } from "./constructs/compute.ts";
import { Functions, type FunctionsOptions } from "./constructs/functions.ts";
import { checkedImages } from "./constructs/images.ts";
import { Notices } from "./constructs/notices.ts";
import { Observability, type ObservabilityOptions } from "./constructs/observability.ts";
import { Storage, type StorageOptions } from "./constructs/storage.ts";
import { Sweeping } from "./constructs/sweeping.ts";
import { Workflow, type WorkflowOptions } from "./constructs/workflow.ts";
import { checkedInstanceKinds } from "./instance-kinds.ts";

export interface PawlProps
  extends StorageOptions,
    ComputeOptions,
    FunctionsOptions,
    WorkflowOptions,
    ObservabilityOptions {
  /**
   * What the names of the state machine, of the queues and of the job definitions begin with; one for each Pawl in an
   * account and Region. Default: the stack's name.
   */
  readonly name?: string;
}

/** So that every name made of it is one that AWS takes; a state machine's is the shortest. */
const namePattern = /^[A-Za-z][A-Za-z0-9-]{0,59}$/;

/**
 * Everything that trains: where runs live, the functions that decide, the instances that train, and the state machine
 * that joins them. Nothing in it costs anything while nothing trains but the requests of Sweep, cents a month.
 */
export class Pawl extends Construct {
  /** What the names in it begin with. */
  readonly name: string;
  /** Where runs live. It stays when the stack is deleted, unless `keepRuns` is false. */
  readonly bucket: IBucket;
  /** An execution of it is a training run: start it with `{"job": {…}}`. */
  readonly stateMachine: StateMachine;
  /** Where people are told that a run has ended or given up. */
  readonly topic: ITopic;
  /** The function that is asked to stop a run. */
  readonly stop: IFunction;
  /** What it can give a job. */
  readonly offers: Offers;

  constructor(scope: Construct, id: string, props: PawlProps = {}) {
    super(scope, id);
    const name = props.name ?? Stack.of(this).stackName;
    if (!Token.isUnresolved(name) && !namePattern.test(name)) {
      throw new RangeError(
        `name is '${name}': it must be 1 to 60 letters, digits or '-', beginning with a letter`,
      );
    }
    const offers = {
      images: checkedImages(props.images, props.agentInImages),
      instanceTypes: checkedInstanceKinds(props.instanceTypes ?? defaultInstanceTypes),
      maxVcpus: props.maxVcpus ?? defaultMaxVcpus,
    };
    // Derived, not referred to: the state machine starts executions of itself, and Open asks after them.
    const machine = { name, stateMachineName: stateMachineName(name) };

    const { bucket } = new Storage(this, "Storage", props);
    const { topic } = new Notices(this, "Notices", props);
    const functions = new Functions(this, "Functions", { ...props, ...machine, bucket, topic, offers });
    const compute = new Compute(this, "Compute", { ...props, name, bucket, review: functions.review });
    const { stateMachine } = new Workflow(this, "Workflow", { ...props, ...machine, functions, compute });
    new Sweeping(this, "Sweeping", { sweep: functions.sweep, stateMachine });
    const { queues } = compute;
    new Observability(this, "Observability", { ...props, name, functions, stateMachine, queues });

    this.name = name;
    this.bucket = bucket;
    this.stateMachine = stateMachine;
    this.topic = topic;
    this.stop = functions.stop;
    this.offers = offers;
  }
}
