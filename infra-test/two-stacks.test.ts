import { Stack } from "aws-cdk-lib";
import type { Template } from "aws-cdk-lib/assertions";
import { expect, test } from "vitest";
import { Pawl } from "../cdk/pawl.ts";
import { PawlStack } from "../cdk/stack.ts";
import { templateOf, templatesOf } from "./app.ts";

/** Properties by which AWS tells resources of one account and Region apart. */
const naming =
  /^([A-Za-z]*(Function|Role|Policy|Machine|Queue|Definition|Environment|Dashboard|Topic|Rule|Bucket|LogGroup|Alarm|LaunchTemplate|InstanceProfile))?Name$/;

/** The names that a template gives: what it refers to is named elsewhere, and a policy's name is its role's own affair. */
const namesOf = (template: Template): string[] =>
  Object.values(template.toJSON().Resources).flatMap((resource) => {
    const { Type, Properties = {} } = resource as { Type: string; Properties?: Record<string, unknown> };
    return Object.entries(Properties).flatMap(([key, value]) =>
      naming.test(key) && Type !== "AWS::IAM::Policy" && !isReference(value)
        ? [`${Type} ${JSON.stringify(value)}`]
        : [],
    );
  });

const isReference = (value: unknown): boolean =>
  typeof value === "object" && value !== null && ("Ref" in value || "Fn::GetAtt" in value);

test("two stacks in one account have no name in common", () => {
  const [one = [], other = []] = templatesOf((app) => [
    new PawlStack(app, "Pawl", {}),
    new PawlStack(app, "Lab", {}),
  ]).map(namesOf);
  // State machine, queues and job definitions, at least, are named.
  expect(one.length).toBeGreaterThanOrEqual(5);
  expect(other.length).toBe(one.length);
  expect(one.filter((name) => other.includes(name))).toEqual([]);
});

test("two in one stack have no name in common either", () => {
  const names = namesOf(
    templateOf((app) => {
      const stack = new Stack(app, "Both");
      new Pawl(stack, "A", { name: "team-a" });
      new Pawl(stack, "B", { name: "team-b" });
      return stack;
    }),
  );
  expect(names.length).toBeGreaterThanOrEqual(10);
  expect(new Set(names).size).toBe(names.length);
});

test("a name that AWS would not take is refused", () => {
  const named = (...names: string[]) =>
    templateOf((app) => {
      const stack = new Stack(app, "Both");
      for (const name of names) new Pawl(stack, `Pawl-${name.length}-${names.indexOf(name)}`, { name });
      return stack;
    });
  expect(() => named("my team")).toThrow("name is 'my team': it must be 1 to 60 letters");
  expect(() => named("x".repeat(61))).toThrow("it must be 1 to 60 letters");
});
