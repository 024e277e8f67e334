import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { refuseUnknownKeys, stackFromContext } from "../cdk/context.ts";
import { contextValues } from "../cdk/context-values.ts";

let outdir: string;
beforeAll(() => {
  outdir = mkdtempSync(join(tmpdir(), "pawl-context-"));
});
afterAll(() => rmSync(outdir, { recursive: true }));

const read = (context: Record<string, unknown>) => stackFromContext(new App({ context, outdir }));
const props = (context: Record<string, unknown>) => read(context).props;

test("nothing is asked for: without context, the stack is Pawl with the defaults of its constructs", () => {
  expect(read({})).toEqual({ stackName: "Pawl", props: {} });
});

describe("as the command line gives it, all of it as text", () => {
  test.each([
    [
      "images",
      "jax=one.example/jax:1,torch=two.example/t@sha256:ab",
      { images: { jax: "one.example/jax:1", torch: "two.example/t@sha256:ab" } },
    ],
    ["images", '{"jax": "one.example/jax:1"}', { images: { jax: "one.example/jax:1" } }],
    ["instanceTypes", "g5.xlarge, g6", { instanceTypes: ["g5.xlarge", "g6"] }],
    ["maxVcpus", "16", { maxVcpus: 16 }],
    ["zones", "eu-west-1a,eu-west-1c", { zones: ["eu-west-1a", "eu-west-1c"] }],
    ["privateSubnets", "true", { privateSubnets: true }],
    ["scaleDownDelayMinutes", "20", { scaleDownDelayMinutes: 20 }],
    ["rootGibibytes", "200", { rootGibibytes: 200 }],
    ["agentInImages", "true", { agentInImages: true }],
    ["sharedMemory", "8GiB", { sharedMemoryMebibytes: 8192 }],
    ["sharedMemory", "512MiB", { sharedMemoryMebibytes: 512 }],
    ["alarmEmail", "a@b.example", { alarmEmail: "a@b.example" }],
    ["dashboard", "false", { dashboard: false }],
    ["tracing", "true", { tracing: true }],
    ["runMetrics", "true", { runMetrics: true }],
    ["logDays", "90", { logRetention: 90 }],
    ["keepRuns", "false", { keepRuns: false }],
    ["bucketName", "kept-runs-1", { bucketName: "kept-runs-1" }],
    ["prices", '{"g5.xlarge": {"spot": 0.4}}', { prices: { "g5.xlarge": { spot: 0.4 } } }],
  ])("%s=%s", (key, value, expected) => {
    expect(props({ [key]: value })).toEqual(expected);
  });

  test("stackName=Lab", () => expect(read({ stackName: "Lab" }).stackName).toBe("Lab"));
});

test("vpcId is looked up where the credentials are for, and nothing else is asked of where that is", () => {
  vi.stubEnv("CDK_DEFAULT_ACCOUNT", "123456789012");
  vi.stubEnv("CDK_DEFAULT_REGION", "eu-west-1");
  expect(props({ vpcId: "vpc-1a2b3c" })).toEqual({
    vpcId: "vpc-1a2b3c",
    env: { account: "123456789012", region: "eu-west-1" },
  });
  expect(props({ maxVcpus: 1 })).toEqual({ maxVcpus: 1 });
  vi.unstubAllEnvs();
});

test("as cdk.json gives it, lists, numbers and objects can be written as such", () => {
  const context = {
    images: { jax: "one.example/jax:1" },
    instanceTypes: ["g5.xlarge"],
    maxVcpus: 16,
    privateSubnets: false,
    logDays: 7,
    prices: { "g5.xlarge": { spot: 0.4, "on-demand": 1 } },
  };
  const { logDays, ...same } = context;
  expect(props(context)).toEqual({ ...same, logRetention: logDays });
});

describe("what cannot be is refused by its key, itself and what is allowed", () => {
  test.each([
    ["stackName", "my stack", "'my stack': it must be 1 to 60 letters"],
    ["stackName", "", "'': it must be"],
    ["images", "jax", "'jax': it must be"],
    ["images", "a=b,a=c", "name=address"],
    ["images", "[]", "'[]': it must be"],
    ["images", '{"a": 1}', "it must be"],
    ["instanceTypes", "", "a list of names"],
    ["instanceTypes", "g5,,g6", "a list of names"],
    ["instanceTypes", [1], "[1]: it must be a list of names"],
    ["maxVcpus", "many", "'many': it must be a whole number from 1 to 1000000"],
    ["maxVcpus", 0, "0: it must be a whole number"],
    ["maxVcpus", "1e3", "'1e3': it must be a whole number"],
    ["vpcId", "subnet-1", "'subnet-1': it must be a network's id"],
    ["zones", {}, "{}: it must be a list of names"],
    ["privateSubnets", "yes", "'yes': it must be true or false"],
    ["scaleDownDelayMinutes", "19", "'19': it must be a whole number from 20 to 10080"],
    ["rootGibibytes", "50", "'50': it must be a whole number from 100 to 65536"],
    ["agentInImages", "maybe", "'maybe': it must be true or false"],
    ["sharedMemory", "8GB", "'8GB': it must be a size such as 512MiB or 8GiB"],
    ["sharedMemory", "0GiB", "'0GiB': it must be a size"],
    ["alarmEmail", "me", "'me': it must be an email address"],
    ["dashboard", 1, "1: it must be true or false"],
    ["tracing", null, undefined],
    ["runMetrics", "", "'': it must be true or false"],
    ["logDays", "8", "'8': it must be one of 1, 3, 5, 7"],
    ["keepRuns", "no", "'no': it must be true or false"],
    ["bucketName", "My_Bucket", "'My_Bucket': it must be a bucket's name"],
    ["prices", "cheap", "'cheap': it must be USD an hour"],
    ["prices", '{"g5.xlarge": {"reserved": 1}}', "it must be USD an hour"],
    ["prices", '{"g5.xlarge": {"spot": -1}}', "it must be USD an hour"],
    ["prices", { "g5.xlarge": 1 }, "it must be USD an hour"],
  ])("%s: %o", (key, value, message) => {
    if (message === undefined) expect(props({ [key]: value })).toEqual({});
    else expect(() => read({ [key]: value })).toThrow(RegExp(`context '${key}' is .*${literally(message)}`));
  });
});

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

describe("a key that is none of Pawl's", () => {
  const refuse = (context: Record<string, unknown>) => () => refuseUnknownKeys(new App({ context, outdir }));

  test.each(["instanceType", "pawl:image", "maxvcpus"])(
    "is refused, since it would do nothing: %s",
    (key) => {
      expect(refuse({ [key]: "x" })).toThrow(
        `context '${key}' is none of Pawl's: they are stackName, images`,
      );
    },
  );

  test("is let be where it is CDK's own", () => {
    const own = {
      "aws:cdk:bundling-stacks": [],
      "@aws-cdk/core:x": true,
      "availability-zones:account=1:region=x": [],
    };
    expect(refuse({ ...own, maxVcpus: 1 })).not.toThrow();
  });
});

test("every value that is documented is read, and no other", () => {
  const asked: string[] = [];
  const app = new App({ outdir });
  const { node } = app;
  const tryGetContext = node.tryGetContext.bind(node);
  node.tryGetContext = (key: string): unknown => {
    asked.push(key);
    return tryGetContext(key);
  };
  stackFromContext(app);
  expect(asked.toSorted()).toEqual(Object.keys(contextValues).toSorted());
});
