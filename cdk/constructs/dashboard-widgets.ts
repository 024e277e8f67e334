import { Aws, Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { metricDimensions, metricNames, metricNamespace } from "../../core/metric-names.ts";
import type { ObservabilityProps } from "./observability.ts";

type Shown = Pick<ObservabilityProps, "functions" | "stateMachine" | "queues" | "name">;

/** Rows of graphs: how training goes, what goes wrong, and the parts of the stack. */
export function dashboardWidgets({ functions, stateMachine, queues, name }: Shown): cloudwatch.IWidget[][] {
  const ofRuns = (metric: keyof typeof metricNames, statistic: string, label: string) =>
    new cloudwatch.Metric({
      namespace: metricNamespace,
      metricName: metricNames[metric],
      dimensionsMap: { [metricDimensions.stack]: name },
      statistic,
      label,
      period: Duration.minutes(5),
    });
  const all = functions.all.map((one) => ({ one, label: String(one.node.id) }));
  const consoleLinks = [
    `[Executions](https://${Aws.REGION}.console.aws.amazon.com/states/home?region=${Aws.REGION}#/statemachines/view/${stateMachine.stateMachineArn})`,
    ...queues.map(
      ({ jobQueueName, jobQueueArn }) =>
        `[Jobs of ${jobQueueName}](https://${Aws.REGION}.console.aws.amazon.com/batch/home?region=${Aws.REGION}#queues/detail/${jobQueueArn})`,
    ),
  ];
  return [
    [
      new cloudwatch.TextWidget({
        markdown: `# ${name}\n${consoleLinks.join(" · ")}`,
        width: 24,
        height: 2,
      }),
    ],
    [
      graph("Epochs committed", [ofRuns("epochs", cloudwatch.Stats.SUM, "epochs")]),
      graph("Loss", [ofRuns("loss", cloudwatch.Stats.AVERAGE, "loss")]),
      graph("Examples per second", [ofRuns("examplesPerSecond", cloudwatch.Stats.AVERAGE, "examples/s")]),
    ],
    [
      graph("Training time lost (seconds)", [ofRuns("lostSeconds", cloudwatch.Stats.SUM, "seconds lost")]),
      graph("Recoveries and runs that gave up", [
        ofRuns("recoveries", cloudwatch.Stats.SUM, "recoveries"),
        ofRuns("failures", cloudwatch.Stats.SUM, "gave up"),
      ]),
      graph("Cost of instances (USD)", [ofRuns("costUsd", cloudwatch.Stats.SUM, "USD")]),
    ],
    [
      graph("Executions", [
        stateMachine.metricStarted({ label: "started" }),
        stateMachine.metricSucceeded({ label: "succeeded" }),
        stateMachine.metricFailed({ label: "failed" }),
        stateMachine.metricAborted({ label: "aborted" }),
        stateMachine.metricTimedOut({ label: "timed out" }),
      ]),
      graph("Functions: errors", [
        ...all.map(({ one, label }) => one.metricErrors({ label })),
        ...all.map(({ one, label }) => one.metricThrottles({ label: `${label} throttled` })),
      ]),
      graph(
        "Functions: duration, 9 of 10 calls (ms)",
        all.map(({ one, label }) => one.metricDuration({ label, statistic: "p90" })),
      ),
    ],
    [
      // Batch has no metrics of jobs by queue: the instances, which ECS counts in the compute environment's cluster, are linked to.
      graph(
        "Functions: calls",
        all.map(({ one, label }) => one.metricInvocations({ label })),
        24,
      ),
    ],
  ];
}

const graph = (title: string, left: cloudwatch.IMetric[], width = 8): cloudwatch.GraphWidget =>
  new cloudwatch.GraphWidget({ title, left, width, height: 6, leftYAxis: { min: 0 } });
