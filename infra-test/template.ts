import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import * as z from "zod";
import { PawlStack, type PawlStackProps } from "../cdk/stack.ts";

/** The stack's template; no function is bundled for it. */
export function synthesised(props: PawlStackProps = {}): Template {
  const outdir = mkdtempSync(join(tmpdir(), "pawl-infra-"));
  try {
    const app = new App({ outdir, context: { "aws:cdk:bundling-stacks": [] } });
    return Template.fromStack(new PawlStack(app, "Pawl", props));
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

const oneOrMore = z.union([z.string().transform((one) => [one]), z.array(z.string())]);

const Statement = z.object({
  Sid: z.string().optional(),
  Effect: z.enum(["Allow", "Deny"]),
  Action: oneOrMore,
  /** References and joins are left as they are, in a list. */
  Resource: z.unknown().transform((value): unknown[] => (Array.isArray(value) ? value : [value])),
  Condition: z.unknown().optional(),
});
export type Statement = z.infer<typeof Statement>;

const PolicyDocument = z.object({ Statement: z.array(Statement) });

const Role = z.object({
  Properties: z.object({
    Policies: z.array(z.object({ PolicyDocument })).default([]),
    ManagedPolicyArns: z.array(z.unknown()).default([]),
  }),
});
const Policy = z.object({ Properties: z.object({ PolicyDocument }) });

/** All statements of a template's roles, by the logical id of the role or policy that holds them. */
export function statementsOf(template: Template): { holder: string; statement: Statement }[] {
  const inRoles = Object.entries(template.findResources("AWS::IAM::Role")).flatMap(([holder, role]) =>
    Role.parse(role).Properties.Policies.flatMap(({ PolicyDocument: { Statement: statements } }) =>
      statements.map((statement) => ({ holder, statement })),
    ),
  );
  const apart = Object.entries(template.findResources("AWS::IAM::Policy")).flatMap(([holder, policy]) =>
    Policy.parse(policy).Properties.PolicyDocument.Statement.map((statement) => ({ holder, statement })),
  );
  return [...inRoles, ...apart];
}

/** The policies of AWS's own that roles hold. */
export const managedPolicies = (template: Template): string[] =>
  Object.values(template.findResources("AWS::IAM::Role")).flatMap((role) =>
    Role.parse(role).Properties.ManagedPolicyArns.map((arn) => JSON.stringify(arn)),
  );
