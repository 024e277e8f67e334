import { describe, expect, test } from "vitest";
import { type Answer, Permissions, type Who } from "./policy-evaluator.ts";

const bucketArn = { "Fn::GetAtt": ["Bucket12345678", "Arn"] };
const objects = (prefix: string) => ({ "Fn::Join": ["", [bucketArn, `/${prefix}`]] });

/** Permissions of a template with a bucket, a role with `statements`, and `onBucket` as the bucket's policy. */
const permissionsOf = (statements: object[], onBucket: object[] = [], more: object = {}) =>
  new Permissions({
    Resources: {
      Bucket12345678: { Type: "AWS::S3::Bucket", Properties: {} },
      Reader12345678: {
        Type: "AWS::IAM::Role",
        Properties: { Policies: [{ PolicyDocument: { Statement: statements } }] },
      },
      Rules: {
        Type: "AWS::S3::BucketPolicy",
        Properties: { Bucket: { Ref: "Bucket12345678" }, PolicyDocument: { Statement: onBucket } },
      },
      ...more,
    },
  });

const reader: Who = { role: "Reader" };
const allow = (Action: string | string[], Resource: unknown, more: object = {}) => ({
  Effect: "Allow",
  Action,
  Resource,
  ...more,
});
const deny = (Action: string, Resource: unknown, more: object = {}) => ({
  Effect: "Deny",
  Principal: "*",
  Action,
  Resource,
  ...more,
});
const file = "arn:aws:s3:::pawl-bucket/journal/a";

describe("a policy", () => {
  test.each<[string, object[], string, string, Answer]>([
    [
      "its action on its resource",
      [allow("s3:GetObject", objects("journal/*"))],
      "s3:GetObject",
      file,
      "allowed",
    ],
    [
      "an action in other letters",
      [allow("S3:getobject", objects("journal/*"))],
      "s3:GetObject",
      file,
      "allowed",
    ],
    ["an action of a wildcard", [allow("s3:Get*", "*")], "s3:GetObject", file, "allowed"],
    ["no other action", [allow("s3:GetObject", "*")], "s3:PutObject", file, "not allowed"],
    ["no longer action", [allow("s3:GetObject", "*")], "s3:GetObjectAcl", file, "not allowed"],
    ["no other prefix", [allow("s3:GetObject", objects("code/*"))], "s3:GetObject", file, "not allowed"],
    [
      "no bucket of a longer name",
      [allow("s3:GetObject", objects("*"))],
      "s3:GetObject",
      "arn:aws:s3:::pawl-bucket2/a",
      "not allowed",
    ],
    [
      "a dot for a dot only",
      [allow("s3:GetObject", "arn:aws:s3:::a.b/*")],
      "s3:GetObject",
      "arn:aws:s3:::axb/c",
      "not allowed",
    ],
    ["nothing at all where there is none", [], "s3:GetObject", file, "not allowed"],
  ])("allows %s", (_what, statements, action, resource, expected) => {
    expect(permissionsOf(statements).answer({ who: reader, action, resource })).toBe(expected);
  });

  test("of the resource forbids what one of the role allows, also to an administrator", () => {
    const both = permissionsOf([allow("s3:*", "*")], [deny("s3:DeleteObject", objects("journal/*"))]);
    const at = { action: "s3:DeleteObject", resource: file };
    expect(both.answer({ who: reader, ...at })).toBe("forbidden");
    expect(both.answer({ who: { administrator: true }, ...at })).toBe("forbidden");
    expect(both.answer({ who: { administrator: true }, action: "s3:GetObject", resource: file })).toBe(
      "allowed",
    );
  });

  test("of the resource lets a service in, but not another, and a stranger by itself only", () => {
    const open = permissionsOf(
      [],
      [allow("s3:GetObject", objects("*"), { Principal: { Service: "a.amazonaws.com" } })],
    );
    const at = { action: "s3:GetObject", resource: file };
    expect(open.answer({ who: { service: "a.amazonaws.com" }, ...at })).toBe("allowed");
    expect(open.answer({ who: { service: "b.amazonaws.com" }, ...at })).toBe("not allowed");
    expect(open.answer({ who: { stranger: true }, ...at })).toBe("not allowed");
    const wide = permissionsOf([], [allow("s3:GetObject", objects("*"), { Principal: "*" })]);
    expect(wide.answer({ who: { stranger: true }, ...at })).toBe("allowed");
  });

  test("apart from the role is the role's, as one of AWS's is", () => {
    const apart = permissionsOf([], [], {
      Apart: {
        Type: "AWS::IAM::Policy",
        Properties: {
          Roles: [{ Ref: "Reader12345678" }],
          PolicyDocument: {
            Statement: [
              // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own
              allow("s3:GetObject", { "Fn::Sub": "arn:${AWS::Partition}:s3:::assets-${AWS::AccountId}/*" }),
            ],
          },
        },
      },
    });
    expect(
      apart.answer({ who: reader, action: "s3:GetObject", resource: "arn:aws:s3:::assets-111122223333/x" }),
    ).toBe("allowed");
  });
});

describe("a condition", () => {
  const answer = (Condition: object, context: Record<string, string>) =>
    permissionsOf([allow("s3:PutObject", "*", { Condition })]).answer({
      who: reader,
      action: "s3:PutObject",
      resource: file,
      context,
    });

  test.each<[object, Record<string, string>, Answer]>([
    [{ StringEquals: { "a:b": "x" } }, { "a:b": "x" }, "allowed"],
    [{ StringEquals: { "a:b": ["x", "y"] } }, { "A:B": "y" }, "allowed"],
    [{ StringEquals: { "a:b": "x" } }, { "a:b": "X" }, "not allowed"],
    [{ StringEquals: { "a:b": "x" } }, {}, "not allowed"],
    [{ StringNotEquals: { "a:b": "x" } }, {}, "allowed"],
    [{ Null: { "a:b": "true" } }, {}, "allowed"],
    [{ Null: { "a:b": "true" } }, { "a:b": "x" }, "not allowed"],
    [{ Null: { "a:b": false } }, { "a:b": "x" }, "allowed"],
    [{ Bool: { "a:b": "true" } }, { "a:b": "true" }, "allowed"],
    [{ Bool: { "a:b": "false" } }, {}, "not allowed"],
    [{ NumericLessThan: { "a:b": 1.2 } }, { "a:b": "1.1" }, "allowed"],
    [{ NumericLessThan: { "a:b": 1.2 } }, { "a:b": "1.2" }, "not allowed"],
    [{ ArnLike: { "a:b": "arn:*:rule/x" } }, { "a:b": "arn:aws:events:r:1:rule/x" }, "allowed"],
    [{ Null: { "a:b": "true" }, Bool: { "c:d": "true" } }, { "c:d": "false" }, "not allowed"],
  ])("%j of a request with %j: %s", (condition, context, expected) => {
    expect(answer(condition, context)).toBe(expected);
  });
});

describe("what is not known here is refused, not guessed", () => {
  const at = { who: reader, action: "s3:GetObject", resource: file };
  test.each<[string, object[], object[]]>([
    ["an operator", [allow("s3:GetObject", "*", { Condition: { DateLessThan: { "a:b": "x" } } })], []],
    ["a reference", [allow("s3:GetObject", { Ref: "Nothing" })], []],
    ["an attribute", [allow("s3:GetObject", { "Fn::GetAtt": ["Bucket12345678", "DomainName"] })], []],
    ["a function", [allow("s3:GetObject", { "Fn::ImportValue": "x" })], []],
    ["NotAction", [{ Effect: "Allow", NotAction: "s3:PutObject", Resource: "*" }], []],
    ["NotPrincipal", [], [{ ...deny("s3:GetObject", "*"), Principal: undefined, NotPrincipal: "*" }]],
    ["a principal of another kind", [], [{ ...deny("s3:GetObject", "*"), Principal: { Federated: "x" } }]],
  ])("%s", (_what, statements, onBucket) => {
    expect(() => permissionsOf(statements, onBucket).answer(at)).toThrow();
  });

  test("a role that is not there, and a policy of AWS's that is not written down", () => {
    expect(() => permissionsOf([]).answer({ ...at, who: { role: "Nobody" } })).toThrow(/no role Nobody/);
    const managed = {
      Type: "AWS::IAM::Role",
      Properties: { ManagedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] },
    };
    expect(() => permissionsOf([], [], { Admin: managed })).toThrow(/AdministratorAccess/);
  });
});
