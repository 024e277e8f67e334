import { Duration } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";

export interface SweepingProps {
  readonly sweep: IFunction;
  readonly stateMachine: StateMachine;
}

/** How an execution can end. */
const ends = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];

/**
 * When Sweep is asked: whenever an execution has ended, for its run, and every 15 minutes for all, since an event can be
 * lost and a job that waits for ever sends none.
 */
export class Sweeping extends Construct {
  constructor(scope: Construct, id: string, { sweep, stateMachine }: SweepingProps) {
    super(scope, id);
    new events.Rule(this, "Ended", {
      description: "Pawl: an execution has ended",
      eventPattern: {
        source: ["aws.states"],
        detailType: ["Step Functions Execution Status Change"],
        detail: { stateMachineArn: [stateMachine.stateMachineArn], status: ends },
      },
      targets: [new targets.LambdaFunction(sweep)],
    });
    new events.Rule(this, "Schedule", {
      description: "Pawl: all runs",
      schedule: events.Schedule.rate(Duration.minutes(15)),
      targets: [
        // One that comes late is worth nothing: the next one follows.
        new targets.LambdaFunction(sweep, { retryAttempts: 0, maxEventAge: Duration.minutes(15) }),
      ],
    });
  }
}
