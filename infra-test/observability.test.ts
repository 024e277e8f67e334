import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { metricNames } from "../core/metric-names.ts";
import { account, Names } from "./policy-names.ts";
import { synthesised } from "./template.ts";

const told = { alarmEmail: "someone@example.com" } as const;
const usual = synthesised();
const withAlarms = synthesised(told);

/** The dashboard as CloudWatch is given it, its references made texts. */
function dashboard(): { name: string; widgets: { type: string; properties: Record<string, unknown> }[] } {
  const template = usual.toJSON();
  const [found] = Object.values(usual.findResources("AWS::CloudWatch::Dashboard"));
  const names = new Names(template.Resources);
  const { DashboardName, DashboardBody } = found?.Properties ?? {};
  return { name: names.text(DashboardName), ...JSON.parse(names.text(DashboardBody)) };
}

describe("the topic that people are told by", () => {
  test("takes nothing without TLS, and is encrypted", () => {
    usual.hasResourceProperties("AWS::SNS::Topic", {
      KmsMasterKeyId: "alias/aws/sns",
    });
    usual.hasResourceProperties("AWS::SNS::TopicPolicy", {
      PolicyDocument: {
        Statement: [
          Match.objectLike({
            Effect: "Deny",
            Action: "sns:Publish",
            Principal: "*",
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          }),
        ],
      },
    });
  });

  test("tells nobody unless an address is given", () => {
    usual.resourceCountIs("AWS::SNS::Subscription", 0);
    usual.resourceCountIs("AWS::SNS::Topic", 1);
    withAlarms.allResourcesProperties("AWS::SNS::Subscription", {
      Protocol: "email",
      Endpoint: told.alarmEmail,
    });
  });
});

describe("the dashboard", () => {
  test("shows every metric that the functions write, under the stack's name", () => {
    const { name, widgets } = dashboard();
    expect(name).toBe(`Pawl-${account.region}`);
    const shown = widgets.flatMap(({ properties }) => properties.metrics ?? []);
    for (const metric of Object.values(metricNames)) {
      expect(shown).toContainEqual(["Pawl", metric, "Stack", "Pawl", expect.anything()]);
    }
  });

  test("shows executions, each function's errors, throttles and durations, and the way to the queues", () => {
    const text = JSON.stringify(dashboard().widgets);
    for (const metric of ["ExecutionsStarted", "ExecutionsFailed", "ExecutionsAborted"])
      expect(text).toContain(`"AWS/States","${metric}","StateMachineArn"`);
    for (const name of ["Open", "Review", "Recover", "Sweep", "Stop"]) {
      for (const metric of ["Errors", "Throttles", "Duration", "Invocations"])
        expect(text).toContain(`"AWS/Lambda","${metric}","FunctionName","Pawl-Functions${name}"`);
    }
    for (const market of ["spot", "on-demand"]) expect(text).toContain(`job-queue/Pawl-${market}`);
  });

  test("is left out where it is not wanted", () => {
    synthesised({ dashboard: false }).resourceCountIs("AWS::CloudWatch::Dashboard", 0);
  });
});

describe("alarms", () => {
  test("are only there where somebody is told", () => {
    usual.resourceCountIs("AWS::CloudWatch::Alarm", 0);
    usual.resourceCountIs("AWS::CloudWatch::CompositeAlarm", 0);
  });

  test("tell of failing functions, failed executions, and a Sweep that fails", () => {
    const template = withAlarms;
    template.resourceCountIs("AWS::CloudWatch::Alarm", 3);
    template.allResourcesProperties("AWS::CloudWatch::Alarm", {
      AlarmActions: [{ Ref: Match.stringLikeRegexp("^ObservabilityAlarmsTopic") }],
      TreatMissingData: "notBreaching",
      Threshold: 1,
      ComparisonOperator: "GreaterThanOrEqualToThreshold",
    });
    template.hasResourceProperties("AWS::CloudWatch::Alarm", {
      Namespace: "AWS/States",
      MetricName: "ExecutionsFailed",
    });
    template.hasResourceProperties("AWS::CloudWatch::Alarm", {
      Namespace: "AWS/Lambda",
      MetricName: "Errors",
      Dimensions: [{ Name: "FunctionName", Value: { Ref: Match.stringLikeRegexp("^FunctionsSweep") } }],
      EvaluationPeriods: 2,
      Period: 900,
    });
    const summed = Object.values(template.findResources("AWS::CloudWatch::Alarm")).flatMap(
      ({ Properties }) => Properties.Metrics ?? [],
    );
    const functions = JSON.stringify(summed);
    for (const name of ["Open", "Review", "Recover", "Stop"])
      expect(functions).toContain(`"Functions${name}`);
  });

  test("come by a topic that CloudWatch may publish to, for this account alone", () => {
    const template = withAlarms;
    template.resourceCountIs("AWS::SNS::Topic", 2);
    template.hasResourceProperties("AWS::SNS::TopicPolicy", {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: "Allow",
            Action: "sns:Publish",
            Principal: { Service: "cloudwatch.amazonaws.com" },
            Condition: { StringEquals: { "aws:SourceAccount": { Ref: "AWS::AccountId" } } },
          }),
        ]),
      },
    });
    template.hasResource("AWS::SNS::Topic", {
      Properties: { DisplayName: "Pawl alarms", KmsMasterKeyId: Match.absent() },
    });
  });
});
