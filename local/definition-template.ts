import { PawlError } from "../core/errors.ts";
import { checkDefinition, type Definition } from "./definition-check.ts";
import { type Fields, isFields } from "./definition-rules.ts";

/** What stands for AWS on this machine: names that people can tell apart in an output. */
const pseudoParameters: Readonly<Record<string, string>> = {
  "AWS::Partition": "aws",
  "AWS::Region": "local",
  "AWS::AccountId": "000000000000",
};

const localArns: Readonly<Record<string, (name: string) => string>> = {
  "AWS::Lambda::Function": (name) => `arn:aws:lambda:local:000000000000:function:${name}`,
};

/**
 * The state machine's definition out of a CloudFormation template, with pseudo parameters and references filled in.
 *
 * @throws PawlError DEFINITION_FAILED where there is not exactly one, or it refers to what has no local name.
 */
export function definitionFrom(template: unknown): Definition {
  const resources = isFields(template) && isFields(template.Resources) ? template.Resources : {};
  const machines = Object.values(resources).filter(
    (resource) => isFields(resource) && resource.Type === "AWS::StepFunctions::StateMachine",
  );
  const [machine, ...others] = machines;
  if (!isFields(machine) || !isFields(machine.Properties) || others.length > 0) {
    throw failed(`the template has ${machines.length} state machines, not one`);
  }
  const text = fillIn(machine.Properties.DefinitionString, resources);
  let definition: unknown;
  try {
    definition = JSON.parse(text);
  } catch (error) {
    throw failed("the state machine's definition is not JSON", error);
  }
  checkDefinition(definition);
  return definition;
}

function fillIn(value: unknown, resources: Fields): string {
  if (typeof value === "string") return value;
  if (isFields(value)) {
    const { Ref: reference, "Fn::GetAtt": attribute, "Fn::Join": join } = value;
    if (Array.isArray(join) && typeof join[0] === "string" && Array.isArray(join[1])) {
      return join[1].map((part: unknown) => fillIn(part, resources)).join(join[0]);
    }
    const parameter = typeof reference === "string" ? pseudoParameters[reference] : undefined;
    if (parameter !== undefined) return parameter;
    const id: unknown = Array.isArray(attribute) ? attribute[0] : reference;
    const resource = typeof id === "string" ? resources[id] : undefined;
    if (typeof id === "string" && isFields(resource) && typeof resource.Type === "string") {
      const arn = localArns[resource.Type];
      // CDK ends a logical id with eight characters of a hash.
      if (arn !== undefined) return arn(id.replace(/[0-9A-F]{8}$/, ""));
    }
  }
  throw failed(`the state machine's definition refers to what has no local name: ${JSON.stringify(value)}`);
}

const failed = (message: string, cause?: unknown): PawlError =>
  new PawlError("DEFINITION_FAILED", message, {
    next: "See what cdk/constructs/workflow.ts refers to; local/definition-template.ts names it locally.",
    ...(cause === undefined ? {} : { cause }),
  });
