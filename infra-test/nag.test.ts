import { App, Aws, Stack, Validations } from "aws-cdk-lib";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { AwsSolutionsChecks } from "cdk-nag";
import { describe, expect, test } from "vitest";
import { Pawl } from "../cdk/pawl.ts";
import { PawlStack, type PawlStackProps } from "../cdk/stack.ts";
import { variants } from "./variants.ts";

/** What cdk-nag's AwsSolutions pack finds, each with where; what is acknowledged in the constructs is left out. */
function findings(props: PawlStackProps, change?: (stack: PawlStack) => void): string[] {
  const app = new App({ context: { "aws:cdk:bundling-stacks": [] } });
  const stack = new PawlStack(app, "Pawl", props);
  change?.(stack);
  const { violations } = new AwsSolutionsChecks().validateScope(app);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
  );
}

/** All reasons given in a stack, by the rules that they are for. */
function acknowledged(props: PawlStackProps): [rule: string, reason: string][] {
  const app = new App({ context: { "aws:cdk:bundling-stacks": [] } });
  const all = new PawlStack(app, "Pawl", props).node.findAll().flatMap(({ node }) => node.metadata);
  return all
    .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
    .flatMap(({ data }) =>
      Object.entries(data).map(([rule, reason]): [string, string] => [rule, String(reason)]),
    )
    .filter(([rule]) => rule.includes("AwsSolutions"));
}

describe("cdk-nag's AwsSolutions pack", () => {
  test.each(Object.entries(variants))("finds nothing in a stack of %s", (_name, props) => {
    expect(findings(props)).toEqual([]);
  });

  test("finds nothing in Pawl as a part of somebody's own app, whatever it is called there", () => {
    const app = new App({ context: { "aws:cdk:bundling-stacks": [] } });
    new Pawl(new Stack(app, "Lab"), "Training", { images: { torch: Aws.ACCOUNT_ID } });
    const { violations } = new AwsSolutionsChecks().validateScope(app);
    expect(violations.map(({ ruleName }) => ruleName)).toEqual([]);
  });

  test("finds what is wrong, where something is", () => {
    const found = findings({}, (stack) => new Bucket(stack, "Open"));
    expect(found.map((finding) => finding.replace(/ .*/, ""))).toEqual(
      expect.arrayContaining(["AwsSolutions-S1", "AwsSolutions-S10"]),
    );
  });

  test("is answered with a reason wherever it is not followed", () => {
    const reasons = acknowledged({});
    expect(reasons.length).toBeGreaterThan(10);
    for (const [rule, reason] of reasons) {
      expect(rule).toMatch(/AwsSolutions-[A-Z]+[0-9]+(\[.+\])?$/);
      expect(reason.length).toBeGreaterThan(20);
    }
  });
});
