import * as z from "zod";
import { isFields } from "../local/definition-rules.ts";
import { managedPolicy } from "./managed-policies.ts";
import { Conditions, type Context, conditionsHold, matches } from "./policy-conditions.ts";
import { account, Names, plainId } from "./policy-names.ts";

/** Who asks: a role of the template by its logical id without the hash, a service, or an administrator of the account. */
export type Who =
  | { readonly role: string }
  | { readonly service: string }
  | { readonly administrator: true }
  /** Somebody of another account, who may do everything there. */
  | { readonly stranger: true };

export interface Request {
  readonly who: Who;
  readonly action: string;
  readonly resource: string;
  /** Condition keys; `aws:SecureTransport` and `aws:SourceAccount` are as they are for an ordinary request unless given. */
  readonly context?: Context;
}

/** What IAM answers: allowed, forbidden by a statement that says so, or allowed by none. */
export type Answer = "allowed" | "forbidden" | "not allowed";

const list = z.unknown().transform((value): unknown[] => (Array.isArray(value) ? value : [value]));

/** Strict, so that a statement that says more (NotAction, NotResource, NotPrincipal) is refused and not misread. */
const Statement = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(["Allow", "Deny"]),
  Principal: z.unknown().optional(),
  Action: list,
  Resource: list.optional(),
  Condition: Conditions.optional(),
});
type Statement = z.infer<typeof Statement>;

const PolicyDocument = z.object({ Statement: z.array(Statement) });
const Policy = z.object({ PolicyDocument });
const Reference = z.object({ Ref: z.string() });

/** The permissions of a synthesised template, each reference made a text for a pretended account. */
export class Permissions {
  readonly names: Names;
  readonly #roles = new Map<string, Statement[]>();
  readonly #onResources: Statement[] = [];

  constructor(template: unknown) {
    const resources = isFields(template) && isFields(template.Resources) ? template.Resources : {};
    this.names = new Names(resources);
    for (const [id, resource] of Object.entries(resources)) {
      if (isFields(resource) && isFields(resource.Properties))
        this.read(id, String(resource.Type), resource.Properties);
    }
  }

  /** The roles, by their logical ids without the hash. */
  get roles(): readonly string[] {
    return [...this.#roles.keys()].sort();
  }

  /** Every action that a role is allowed anywhere, sorted. */
  actionsOf(role: string): readonly string[] {
    const allows = this.ofRole(role).filter(({ Effect }) => Effect === "Allow");
    return [...new Set(allows.flatMap(({ Action }) => Action.map(String)))].sort();
  }

  /** The resources that a role is allowed each action on. */
  grantsOf(role: string): readonly { readonly action: string; readonly resource: string }[] {
    return this.ofRole(role)
      .filter(({ Effect }) => Effect === "Allow")
      .flatMap(({ Action, Resource = [] }) =>
        Action.flatMap((action) =>
          Resource.map((resource) => ({ action: String(action), resource: this.names.text(resource) })),
        ),
      );
  }

  /** What IAM would answer, within one account: a policy of either side allows, and none forbids. */
  answer(request: Request): Answer {
    const context: Context = {
      "aws:SecureTransport": "true",
      "s3:TlsVersion": "1.3",
      "aws:SourceAccount": account.id,
      ...request.context,
    };
    const own = this.ofWho(request.who).filter((statement) => this.covers(statement, request, context));
    const onResource = this.#onResources.filter(
      (statement) =>
        this.covers(statement, request, context) && this.namesPrincipal(statement.Principal, request.who),
    );
    const all = [...own, ...onResource];
    if (all.some(({ Effect }) => Effect === "Deny")) return "forbidden";
    // Somebody of another account needs both sides; a service has no policy of its own.
    const allowing = "stranger" in request.who ? onResource : all;
    return allowing.some(({ Effect }) => Effect === "Allow") ? "allowed" : "not allowed";
  }

  private read(id: string, type: string, properties: Readonly<Record<string, unknown>>): void {
    if (type === "AWS::IAM::Role") {
      const policies = z.array(Policy).default([]).parse(properties.Policies);
      const managed = z.array(z.unknown()).default([]).parse(properties.ManagedPolicyArns);
      this.add(id, [
        ...policies.flatMap(({ PolicyDocument: { Statement: statements } }) => statements),
        ...managed.flatMap((one) => PolicyDocument.parse(managedPolicy(this.names.text(one))).Statement),
      ]);
    } else if (type === "AWS::IAM::Policy" || type === "AWS::IAM::ManagedPolicy") {
      const { Statement: statements } = Policy.parse(properties).PolicyDocument;
      for (const { Ref } of z.array(Reference).parse(properties.Roles)) this.add(Ref, statements);
    } else if (type === "AWS::Lambda::Permission") {
      const { SourceArn: source, SourceAccount: sourceAccount } = properties;
      this.#onResources.push({
        Effect: "Allow",
        Principal: { Service: properties.Principal },
        Action: [properties.Action],
        Resource: [properties.FunctionName],
        Condition: {
          ...(source === undefined ? {} : { ArnLike: { "aws:SourceArn": source } }),
          ...(sourceAccount === undefined ? {} : { StringEquals: { "aws:SourceAccount": sourceAccount } }),
        },
      });
    } else if (isFields(properties.PolicyDocument)) {
      this.#onResources.push(...Policy.parse(properties).PolicyDocument.Statement);
    }
  }

  private add(roleId: string, statements: readonly Statement[]): void {
    const role = plainId(roleId);
    this.#roles.set(role, [...(this.#roles.get(role) ?? []), ...statements]);
  }

  private ofRole(role: string): readonly Statement[] {
    const statements = this.#roles.get(role);
    if (statements === undefined)
      throw new RangeError(`there is no role ${role}: there are ${this.roles.join(", ")}`);
    return statements;
  }

  private ofWho(who: Who): readonly Statement[] {
    if ("role" in who) return this.ofRole(who.role);
    if ("service" in who) return [];
    return [{ Effect: "Allow", Action: ["*"], Resource: ["*"] }];
  }

  private covers({ Action, Resource, Condition }: Statement, request: Request, context: Context): boolean {
    const text = (value: unknown) => this.names.text(value);
    return (
      Action.some((action) => matches(text(action).toLowerCase(), request.action.toLowerCase())) &&
      (Resource ?? []).some((resource) => matches(text(resource), request.resource)) &&
      conditionsHold(Condition, context, text)
    );
  }

  private namesPrincipal(principal: unknown, who: Who): boolean {
    if (principal === "*") return true;
    if (!isFields(principal)) throw new RangeError(`not known in a policy: ${JSON.stringify(principal)}`);
    return Object.entries(principal).some(([kind, given]) => {
      const values = (Array.isArray(given) ? given : [given]).map((one: unknown) => this.names.text(one));
      if (kind === "Service") return "service" in who && values.includes(who.service);
      if (kind !== "AWS") throw new RangeError(`not known in a policy: a principal of kind ${kind}`);
      return values.includes("*") || ("role" in who && values.includes(this.names.arnOf(who.role)));
    });
  }
}
