import { Aws, Duration } from "aws-cdk-lib";
import type { JobQueue } from "aws-cdk-lib/aws-batch";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { Alarms } from "./alarms.ts";
import { dashboardWidgets } from "./dashboard-widgets.ts";
import type { Functions } from "./functions.ts";

export interface ObservabilityOptions {
  /** Who is told by mail that a run has ended, and that something of Pawl itself fails. Default: nobody, and no alarms. */
  readonly alarmEmail?: string;
  /** Whether there is a CloudWatch dashboard. An account's first three are free; each other is 3 USD a month. Default: true. */
  readonly dashboard?: boolean;
}

export interface ObservabilityProps extends ObservabilityOptions {
  readonly functions: Functions;
  readonly stateMachine: StateMachine;
  readonly queues: readonly JobQueue[];
  /** The stack's own name for things. */
  readonly name: string;
}

/** What people look at, and what tells them: a dashboard, and alarms where there is somebody to be told. */
export class Observability extends Construct {
  constructor(scope: Construct, id: string, props: ObservabilityProps) {
    super(scope, id);
    const { functions, stateMachine, name, alarmEmail, dashboard = true } = props;
    if (dashboard) {
      new cloudwatch.Dashboard(this, "Dashboard", {
        // Dashboards belong to an account, not to a Region.
        dashboardName: `${name}-${Aws.REGION}`,
        defaultInterval: Duration.hours(12),
        widgets: dashboardWidgets(props),
      });
    }
    if (alarmEmail !== undefined) {
      new Alarms(this, "Alarms", { functions, stateMachine, alarmEmail });
    }
  }
}
