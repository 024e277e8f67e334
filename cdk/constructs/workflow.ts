import { ArnFormat, Aws, Duration, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import * as sfn from "aws-cdk-lib/aws-stepfunctions";
import * as tasks from "aws-cdk-lib/aws-stepfunctions-tasks";
import { Construct } from "constructs";
import type { Compute } from "./compute.ts";
import type { Functions } from "./functions.ts";

export interface WorkflowProps {
  readonly functions: Functions;
  readonly compute: Compute;
  readonly stateMachineName: string;
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
  "Sandbox.Timedout",
  "States.Timeout",
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
    const role = new iam.Role(this, "Role", {
      assumedBy: new iam.ServicePrincipal("states.amazonaws.com"),
      inlinePolicies: { Drive: permissions(this, props) },
    });
    this.stateMachine = new sfn.StateMachine(this, "Runs", {
      stateMachineName: props.stateMachineName,
      stateMachineType: sfn.StateMachineType.STANDARD,
      // Written above, narrower than what the constructs of the states would add.
      role: role.withoutPolicyUpdates(),
      definitionBody: sfn.DefinitionBody.fromChainable(definition(this, props)),
    });
    // Named in the definition by their names only, which say nothing of the order.
    this.stateMachine.node.addDependency(props.compute.jobDefinition, ...props.compute.queues);
  }
}

function definition(scope: Construct, { functions, compute }: WorkflowProps): sfn.IChainable {
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
  const train = new sfn.CustomState(scope, "Train", { stateJson: trainState(compute) });
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
const trainState = (compute: Compute) => ({
  Type: "Task",
  Resource: `arn:${Aws.PARTITION}:states:::batch:submitJob.sync`,
  TimeoutSeconds: trainTimeout.toSeconds(),
  Parameters: {
    "JobName.$": "$.train.jobName",
    // Batch takes a queue's name for its ARN.
    "JobQueue.$": `States.Format('${compute.queuePrefix}{}', $.train.market)`,
    JobDefinition: compute.jobDefinitionName,
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

function permissions(
  scope: Construct,
  { functions, compute, stateMachineName }: WorkflowProps,
): iam.PolicyDocument {
  const arn = (service: string, resource: string, resourceName: string, arnFormat: ArnFormat) =>
    Stack.of(scope).formatArn({ service, resource, resourceName, arnFormat });
  const definitionArn = arn(
    "batch",
    "job-definition",
    compute.jobDefinitionName,
    ArnFormat.SLASH_RESOURCE_NAME,
  );
  return new iam.PolicyDocument({
    statements: [
      new iam.PolicyStatement({
        actions: ["lambda:InvokeFunction"],
        resources: [functions.open, functions.review, functions.recover].map(
          ({ functionArn }) => functionArn,
        ),
      }),
      new iam.PolicyStatement({
        actions: ["batch:SubmitJob"],
        // Named without a revision; authorised with and without one.
        resources: [
          ...compute.queues.map(({ jobQueueArn }) => jobQueueArn),
          definitionArn,
          `${definitionArn}:*`,
        ],
      }),
      new iam.PolicyStatement({
        actions: ["batch:DescribeJobs"],
        resources: ["*"], // Batch has no narrower resource for it
      }),
      new iam.PolicyStatement({
        actions: ["batch:TerminateJob"],
        resources: ["*"], // a job's ARN is known only once it is submitted
      }),
      new iam.PolicyStatement({
        // The rule by which Step Functions hears that a job has ended; the name is its own.
        actions: ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
        resources: [
          arn("events", "rule", "StepFunctionsGetEventsForBatchJobsRule", ArnFormat.SLASH_RESOURCE_NAME),
        ],
      }),
      new iam.PolicyStatement({
        actions: ["states:StartExecution"],
        resources: [arn("states", "stateMachine", stateMachineName, ArnFormat.COLON_RESOURCE_NAME)],
      }),
    ],
  });
}
