import { Duration, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import * as iam from "aws-cdk-lib/aws-iam";
import * as sns from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import type { Functions } from "./functions.ts";

export interface AlarmsProps {
  readonly functions: Functions;
  readonly stateMachine: StateMachine;
  readonly alarmEmail: string;
}

const period = Duration.minutes(5);

/**
 * Tells people that Pawl itself fails: a function, an execution, or Sweep, which sees to runs that nothing else sees to.
 * How a run ended is a notice's to tell.
 */
export class Alarms extends Construct {
  constructor(scope: Construct, id: string, { functions, stateMachine, alarmEmail }: AlarmsProps) {
    super(scope, id);
    const action = new SnsAction(alarmTopic(this, alarmEmail));
    const raise = (name: string, alarmDescription: string, metric: cloudwatch.IMetric, periods: number) =>
      new cloudwatch.Alarm(this, name, {
        alarmDescription,
        metric,
        threshold: 1,
        evaluationPeriods: periods,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      }).addAlarmAction(action);

    const { open, review, recover, stop, sweep } = functions;
    const errors = Object.entries({ open, review, recover, stop }).map(
      ([name, one]) => [name, one.metricErrors({ period })] as const,
    );
    raise(
      "FunctionErrors",
      "Pawl: a function (Open, Review, Recover or Stop) has failed. Its log group holds why; the run goes on where the call could be repeated.",
      new cloudwatch.MathExpression({
        expression: errors.map(([name]) => `FILL(${name}, 0)`).join(" + "),
        usingMetrics: Object.fromEntries(errors),
        label: "errors",
        period,
      }),
      1,
    );
    raise(
      "ExecutionsFailed",
      "Pawl: an execution has failed. 'pawl runs' shows which run, and 'pawl diagnose' says why.",
      stateMachine.metricFailed({ period }),
      1,
    );
    raise(
      "SweepFails",
      "Pawl: Sweep has failed twice in a row. Runs whose execution is gone are not seen to, and nobody is told of runs that end.",
      // As often as it is asked.
      sweep.metricErrors({ period: Duration.minutes(15) }),
      2,
    );
  }
}

/**
 * A topic of their own: CloudWatch may not use AWS's own key, which the notices' topic is encrypted under, and a key of
 * ours would be paid for every month. An alarm says nothing of a run.
 */
function alarmTopic(scope: Construct, alarmEmail: string): sns.Topic {
  const topic = new sns.Topic(scope, "Topic", { displayName: "Pawl alarms", enforceSSL: true });
  topic.addSubscription(new EmailSubscription(alarmEmail));
  topic.addToResourcePolicy(
    new iam.PolicyStatement({
      sid: "AlarmsOfThisAccount",
      principals: [new iam.ServicePrincipal("cloudwatch.amazonaws.com")],
      actions: ["sns:Publish"],
      resources: [topic.topicArn],
      conditions: { StringEquals: { "aws:SourceAccount": Stack.of(scope).account } },
    }),
  );
  return topic;
}
