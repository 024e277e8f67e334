import { type Fields, isFields } from "../local/definition-rules.ts";

/** The account that a template is read for: pretended, so that every reference becomes a text. */
export const account = {
  partition: "aws",
  region: "eu-west-1",
  id: "111122223333",
  stackName: "Pawl",
} as const;

export const arn = (service: string, resource: string, { region = true } = {}): string =>
  region
    ? `arn:${account.partition}:${service}:${account.region}:${account.id}:${resource}`
    : `arn:${account.partition}:${service}::${account.id}:${resource}`;

const pseudoParameters: Readonly<Record<string, string>> = {
  "AWS::Partition": account.partition,
  "AWS::Region": account.region,
  "AWS::AccountId": account.id,
  "AWS::StackName": account.stackName,
  "AWS::URLSuffix": "amazonaws.com",
};

interface Kind {
  /** The property that names it; a name is made up where there is none. */
  readonly named: string;
  /** What `Ref` gives of a resource called so. */
  readonly ref: (name: string) => string;
  readonly arn?: ArnAttribute;
}

interface ArnAttribute {
  readonly attribute: string;
  readonly of: (name: string) => string;
}

const itself = (name: string): string => name;
const byArn = (attribute: string, of: (name: string) => string): ArnAttribute => ({ attribute, of });

const kinds: Readonly<Record<string, Kind>> = {
  "AWS::S3::Bucket": {
    named: "BucketName",
    ref: (name) => name.toLowerCase(),
    arn: byArn("Arn", (name) => `arn:${account.partition}:s3:::${name.toLowerCase()}`),
  },
  "AWS::Lambda::Function": {
    named: "FunctionName",
    ref: itself,
    arn: byArn("Arn", (name) => arn("lambda", `function:${name}`)),
  },
  "AWS::Logs::LogGroup": {
    named: "LogGroupName",
    ref: itself,
    arn: byArn("Arn", (name) => arn("logs", `log-group:${name}:*`)),
  },
  "AWS::SNS::Topic": {
    named: "TopicName",
    ref: (name) => arn("sns", name),
    arn: byArn("TopicArn", (name) => arn("sns", name)),
  },
  "AWS::StepFunctions::StateMachine": {
    named: "StateMachineName",
    ref: (name) => arn("states", `stateMachine:${name}`),
    arn: byArn("Arn", (name) => arn("states", `stateMachine:${name}`)),
  },
  "AWS::Batch::JobQueue": {
    named: "JobQueueName",
    ref: (name) => arn("batch", `job-queue/${name}`),
    arn: byArn("JobQueueArn", (name) => arn("batch", `job-queue/${name}`)),
  },
  "AWS::Batch::JobDefinition": {
    named: "JobDefinitionName",
    ref: (name) => arn("batch", `job-definition/${name}:1`),
    arn: byArn("JobDefinitionArn", (name) => arn("batch", `job-definition/${name}:1`)),
  },
  "AWS::IAM::Role": {
    named: "RoleName",
    ref: itself,
    arn: byArn("Arn", (name) => arn("iam", `role/${name}`, { region: false })),
  },
  "AWS::IAM::InstanceProfile": {
    named: "InstanceProfileName",
    ref: itself,
    arn: byArn("Arn", (name) => arn("iam", `instance-profile/${name}`, { region: false })),
  },
  "AWS::Events::Rule": {
    named: "Name",
    ref: itself,
    arn: byArn("Arn", (name) => arn("events", `rule/${name}`)),
  },
  "AWS::ECR::Repository": {
    named: "RepositoryName",
    ref: itself,
    arn: byArn("Arn", (name) => arn("ecr", `repository/${name}`)),
  },
};

/** A logical id without the hash that CDK ends it with. */
export const plainId = (logicalId: string): string => logicalId.replace(/[0-9A-F]{8}$/, "");

/**
 * Makes texts of a template's values: references, attributes, joins and substitutions.
 *
 * @throws RangeError for what it does not know: a permission is never guessed.
 */
export class Names {
  readonly #resources: Fields;

  constructor(resources: Fields) {
    this.#resources = resources;
  }

  text(value: unknown): string {
    if (typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    if (isFields(value) && Object.keys(value).length === 1) {
      const { Ref: ref, "Fn::GetAtt": attribute, "Fn::Join": join, "Fn::Sub": sub } = value;
      const { "Fn::Select": select } = value;
      if (typeof ref === "string") return this.reference(ref);
      if (Array.isArray(attribute)) return this.attribute(String(attribute[0]), String(attribute[1]));
      if (Array.isArray(join) && Array.isArray(join[1]))
        return join[1].map((part: unknown) => this.text(part)).join(this.text(join[0]));
      if (typeof sub === "string") return this.substituted(sub);
      if (Array.isArray(select)) return this.selected(Number(select[0]), select[1]);
    }
    throw new RangeError(`not known in a policy: ${JSON.stringify(value)}`);
  }

  /** The ARN of the one resource whose logical id is so, but for CDK's hash; of several of one kind the first. */
  arnOf(plain: string): string {
    for (const id of Object.keys(this.#resources)) {
      if (plainId(id) !== plain) continue;
      const { kind, name } = this.named(id);
      if (kind.arn !== undefined) return kind.arn.of(name);
    }
    throw new RangeError(`the template has no ${plain} with an ARN`);
  }

  private selected(index: number, list: unknown): string {
    const split = isFields(list) ? list["Fn::Split"] : undefined;
    const found = Array.isArray(split) ? this.text(split[1]).split(this.text(split[0]))[index] : undefined;
    if (found === undefined) throw new RangeError(`not known in a policy: ${JSON.stringify(list)}`);
    return found;
  }

  private substituted(text: string): string {
    return text.replace(/\$\{([^}]+)\}/g, (_whole, name: string) => {
      const [id = "", attribute] = name.split(".");
      return attribute === undefined ? this.reference(id) : this.attribute(id, attribute);
    });
  }

  private reference(id: string): string {
    const parameter = pseudoParameters[id];
    if (parameter !== undefined) return parameter;
    const { kind, name } = this.named(id);
    return kind.ref(name);
  }

  private attribute(id: string, attribute: string): string {
    const { kind, name } = this.named(id);
    if (kind.arn?.attribute !== attribute) throw new RangeError(`not known in a policy: ${id}.${attribute}`);
    return kind.arn.of(name);
  }

  private named(id: string): { kind: Kind; name: string } {
    const resource = this.#resources[id];
    const type = isFields(resource) ? String(resource.Type) : "";
    const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
    if (kind === undefined || !isFields(resource))
      throw new RangeError(`not known in a policy: ${id} ${type}`);
    const given = isFields(resource.Properties) ? resource.Properties[kind.named] : undefined;
    return { kind, name: given === undefined ? `${account.stackName}-${plainId(id)}` : this.text(given) };
  }
}
