import { Stack, Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

/**
 * Says why a rule of cdk-nag's AwsSolutions pack is not followed by a construct and what is in it. Nothing comes of it
 * unless that pack is used.
 */
export function acknowledge(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

/** Says why the policies of a role name resources with `*`: each by its ARN, with the reason. */
export function acknowledgeWildcards(
  role: IConstruct,
  reasons: readonly (readonly [resource: string, reason: string])[],
): void {
  for (const [resource, reason] of reasons)
    acknowledge(role, `IAM5[Resource::${flat(Stack.of(role).resolve(resource))}]`, reason);
}

/** A reference as cdk-nag writes it: `<Bucket.Arn>/journal/*`. */
function flat(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) {
    if ("Ref" in value) return `<${String(value.Ref)}>`;
    if ("Fn::GetAtt" in value && Array.isArray(value["Fn::GetAtt"]))
      return `<${value["Fn::GetAtt"].join(".")}>`;
    if ("Fn::Join" in value && Array.isArray(value["Fn::Join"])) {
      const [between, parts]: unknown[] = value["Fn::Join"];
      if (Array.isArray(parts)) return parts.map(flat).join(String(between));
    }
    if ("Fn::Sub" in value && typeof value["Fn::Sub"] === "string")
      return value["Fn::Sub"].replaceAll("${", "<").replaceAll("}", ">");
  }
  throw new TypeError(`no resource of a policy: ${JSON.stringify(value)}`);
}
