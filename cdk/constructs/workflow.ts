import { Aws, Duration, RemovalPolicy } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sfn from "aws-cdk-lib/aws-stepfunctions";
import * as tasks from "aws-cdk-lib/aws-stepfunctions-tasks";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import type { Functions, FunctionsOptions } from "./functions.ts";
import { acknowledgeWorkflow, type Submitted, workflowPermissions } from "./workflow-permissions.ts";

export interface WorkflowOptions extends Pick<FunctionsOptions, "logRetention" | "tracing"> {
  /**
   * What Step Functions writes of executions to CloudWatch Logs, without their data: what fails, or every step. Each byte
   * is paid for, and the journal has it all. Default: nothing.
   */
  readonly executionLogs?: "errors" | "all";
}

export interface WorkflowProps extends WorkflowOptions {
  readonly functions: Functions;
  readonly compute: Submitted;
  readonly stateMachineName: string;
  /** The stack's own name for things, which the names of queues and job definitions begin with. */
  readonly name: string;
}

/**
 * A Batch job may wait for an instance and train for so long; then Recover takes over from its last commit. The
 * embedded interpreter cannot count further than 24 days.
 */
const trainTimeout = Duration.days(14);

/** Longer than a function's own time-out, so that the function's words are seen and not only States.Timeout. */
const decideTimeout = Duration.minutes(3);

/**
 * Errors of Lambda, not of our code. A function may have done its work all the same: the journal then has the entry,
 * and the repeated call is given the same answer.
 */
const transientErrors = [
  "Lambda.ServiceException",
  "Lambda.AWSLambdaException",
  "Lambda.SdkClientException",
  "Lambda.TooManyRequestsException",
  "Lambda.ClientExecutionTimeoutException",
  "Lambda.Unknown",
  "Sandbox.Timedout",
  "Runtime.ExitError",
  "States.Timeout",
  // Ours: the function has asked again for as long as it may.
  "Pawl.StoreUnreachable",
  "Pawl.AwsUnreachable",
];

const alreadyExists = "StepFunctions.ExecutionAlreadyExistsException";

/**
 * The state machine: Open, Next, Train, Review, Recover, Wait, Continue, Done, Failed. The picture is in
 * the README; the answers that drive it are in core/next.ts.
 */
export class Workflow extends Construct {
  readonly stateMachine: sfn.StateMachine;

  constructor(scope: Construct, id: string, props: WorkflowProps) {
    super(scope, id);
    const { executionLogs, tracing = false, logRetention = logs.RetentionDays.ONE_MONTH } = props;
    const role = new iam.Role(this, "Role", {
      description: "Pawl: what the state machine may do",
      assumedBy: new iam.ServicePrincipal("states.amazonaws.com"),
      inlinePolicies: {
        Drive: workflowPermissions(this, { ...props, logs: executionLogs !== undefined, tracing }),
      },
    });
    this.stateMachine = new sfn.StateMachine(this, "Runs", {
      stateMachineName: props.stateMachineName,
      stateMachineType: sfn.StateMachineType.STANDARD,
      // Written above, narrower than what the constructs of the states would add.
      role: role.withoutPolicyUpdates(),
      definitionBody: sfn.DefinitionBody.fromChainable(definition(this, props)),
      tracingEnabled: tracing,
      ...(executionLogs === undefined
        ? {}
        : {
            logs: {
              destination: new logs.LogGroup(this, "RunsLogs", {
                // Else each state machine's log group takes a share of the account's one resource policy, which is small.
                logGroupName: `/aws/vendedlogs/states/${props.stateMachineName}`,
                retention: logRetention,
                removalPolicy: RemovalPolicy.DESTROY,
              }),
              level: executionLogs === "all" ? sfn.LogLevel.ALL : sfn.LogLevel.ERROR,
              includeExecutionData: false,
            },
          }),
    });
    if (executionLogs !== "all")
      acknowledge(
        this,
        "SF1",
        "The journal holds every decision; logs of every step are a choice, and paid for by the byte.",
      );
    if (!tracing) acknowledge(this, "SF2", "Tracing is a choice, and paid for by the trace.");
    acknowledgeWorkflow(this, role, props.compute);
    // Named in the definition by their names only, which say nothing of the order.
    this.stateMachine.node.addDependency(...props.compute.jobDefinitions, ...props.compute.queues);
  }
}

function definition(scope: Construct, { functions, name: stackName }: WorkflowProps): sfn.IChainable {
  const open = decision(scope, "Open", functions.open, {
    input: sfn.JsonPath.objectAt("$$.Execution.Input"),
    driver: {
      id: sfn.JsonPath.stringAt("$$.Execution.Id"),
      execution: sfn.JsonPath.stringAt("$$.Execution.Name"),
    },
  });
  const review = decision(scope, "Review", functions.review, {
    trained: { ...trainedBy, result: sfn.JsonPath.objectAt("$.result") },
  });
  const recover = decision(scope, "Recover", functions.recover, {
    ...trainedBy,
    error: sfn.JsonPath.objectAt("$.error"),
  });
  const train = new sfn.CustomState(scope, "Train", { stateJson: trainState(stackName) });
  const proceed = new sfn.CustomState(scope, "Continue", { stateJson: continueState });
  const wait = new sfn.Wait(scope, "Wait", { time: sfn.WaitTime.secondsPath("$.wait.seconds") });
  const done = new sfn.Succeed(scope, "Done");
  const failed = new sfn.Fail(scope, "Failed", { errorPath: "$.error", causePath: "$.cause" });
  const unknown = new sfn.Fail(scope, "Unknown", {
    error: "Pawl.UnknownAction",
    cause: "A function answered an action that the state machine does not know; deploy both again.",
  });
  const on = (action: string) => sfn.Condition.stringEquals("$.action", action);
  const next = new sfn.Choice(scope, "Next")
    .when(on("train"), train)
    .when(on("wait"), wait)
    .when(on("continue"), proceed)
    .when(on("done"), done)
    .when(on("failed"), failed)
    .otherwise(unknown);

  train.addCatch(recover, { errors: ["States.ALL"], resultPath: "$.error" });
  train.next(review);
  review.next(next);
  recover.next(next);
  wait.next(open);
  proceed.addCatch(done, { errors: [alreadyExists], resultPath: sfn.JsonPath.DISCARD });
  proceed.next(done);
  return open.next(next);
}

/** Which attempt it was; `generation` tells a decision whether this execution still drives the run. */
const trainedBy = {
  run: sfn.JsonPath.stringAt("$.run"),
  generation: sfn.JsonPath.numberAt("$.generation"),
  sequence: sfn.JsonPath.numberAt("$.sequence"),
  attempt: sfn.JsonPath.numberAt("$.train.attempt"),
};

/** A state that asks a function what to do next; its answer becomes the state. */
function decision(
  scope: Construct,
  name: string,
  lambdaFunction: IFunction,
  payload: object,
): sfn.TaskStateBase {
  const state = new tasks.LambdaInvoke(scope, name, {
    lambdaFunction,
    payload: sfn.TaskInput.fromObject({ ...payload }),
    outputPath: "$.Payload",
    taskTimeout: sfn.Timeout.duration(decideTimeout),
    retryOnServiceExceptions: false,
  });
  state.addRetry({
    errors: transientErrors,
    interval: Duration.seconds(1),
    backoffRate: 2,
    maxDelay: Duration.seconds(60),
    maxAttempts: 8,
    jitterStrategy: sfn.JitterType.FULL,
  });
  return state;
}

/**
 * Written as it is: the construct for it takes no `ResourceRequirements.$`. No Retry: throttling, too, is for Recover,
 * which alone decides on another attempt.
 */
const trainState = (stackName: string) => ({
  Type: "Task",
  Resource: `arn:${Aws.PARTITION}:states:::batch:submitJob.sync`,
  TimeoutSeconds: trainTimeout.toSeconds(),
  Parameters: {
    "JobName.$": "$.train.jobName",
    // Batch takes a queue's name for its ARN.
    "JobQueue.$": `States.Format('${stackName}-{}', $.train.market)`,
    // Without a revision: each attempt takes the newest, and a deployment is not ignored by a run.
    "JobDefinition.$": `States.Format('${stackName}-{}', $.train.definition)`,
    ContainerOverrides: {
      Environment: [
        { Name: "PAWL_RUN", "Value.$": "$.run" },
        { Name: "PAWL_ATTEMPT", "Value.$": "$.train.attemptText" },
        { Name: "PAWL_SEQUENCE", "Value.$": "$.train.sequenceText" },
      ],
      "ResourceRequirements.$": "$.train.resourceRequirements",
    },
  },
  // The job's whole detail would come else, environment and command included.
  ResultSelector: { "jobId.$": "$.JobId", "status.$": "$.Status" },
  ResultPath: "$.result",
});

/**
 * Hands over to a fresh execution of the same run. The name is made from run and generation: where it exists, this
 * hand-over has happened already. By `$$.StateMachine.Id`, since a state machine cannot refer to itself.
 */
const continueState = {
  Type: "Task",
  Resource: `arn:${Aws.PARTITION}:states:::states:startExecution`,
  TimeoutSeconds: decideTimeout.toSeconds(),
  Parameters: {
    "StateMachineArn.$": "$$.StateMachine.Id",
    "Name.$": "$.continue.name",
    Input: { "run.$": "$.run" },
  },
  ResultPath: null,
  Retry: [
    { ErrorEquals: [alreadyExists], MaxAttempts: 0 },
    {
      ErrorEquals: ["States.ALL"],
      IntervalSeconds: 1,
      BackoffRate: 2,
      MaxDelaySeconds: 60,
      MaxAttempts: 8,
      JitterStrategy: "FULL",
    },
  ],
};
