import { afterEach, beforeEach, describe, expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { findStack } from "./stack.ts";
import { checkStackVersion } from "./stack-version.ts";
import { outputs, region, StandInAws, stateMachine } from "./testing/stand-in-aws.ts";

let aws: StandInAws;
const before = { ...process.env };

beforeEach(async () => {
  aws = await StandInAws.start();
  Object.assign(process.env, aws.env);
});

afterEach(async () => {
  for (const name of Object.keys(aws.env)) {
    const value = before[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await aws[Symbol.asyncDispose]();
});

const refused = async (name: string, code: string, ...words: readonly string[]): Promise<void> => {
  const error: unknown = await findStack(name).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, next: expect.stringMatching(/.\.$/) });
  for (const each of words) expect(String(error)).toContain(each);
};

describe("finding a stack", () => {
  it("reads what it is called by from its outputs", async () => {
    aws.stacks.push({ name: "Mine", outputs: outputs({ Name: "lab" }) });
    expect(await findStack("Mine")).toEqual({
      stackName: "Mine",
      region,
      store: "s3://pawl-bucket",
      version: packageJson.version,
      name: "lab",
      stateMachine,
      stop: "Pawl-Stop",
      offers: { images: { default: expect.any(String) }, instanceTypes: ["g5", "g4dn"], maxVcpus: 64 },
    });
    expect(aws.asked).toEqual(["DescribeStacks"]);
  });

  it("finds one that is being changed, or whose change was taken back", async () => {
    for (const status of ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE"]) {
      aws.stacks.splice(0, 1, { name: "Mine", status, outputs: outputs() });
      expect(await findStack("Mine")).toMatchObject({ stackName: "Mine" });
    }
  });

  it("says which there are where there is none of that name, and in which region it looked", async () => {
    await refused("Mine", "STACK_NOT_FOUND", region, "no stack of Pawl's is to be seen there");
    aws.stacks.push(
      { name: "Two", outputs: outputs() },
      { name: "Web", outputs: { Url: "x" } },
      { name: "One", outputs: outputs() },
    );
    await refused("Mine", "STACK_NOT_FOUND", "there is One, Two");
  });

  it("asks nobody for a name that no stack can have", async () => {
    for (const name of ["", "9lives", "a b", "../x", "x".repeat(129)]) await refused(name, "STACK_NOT_FOUND");
    expect(aws.asked).toEqual([]);
  });

  it("refuses one that is none of Pawl's", async () => {
    aws.stacks.push({ name: "Web", outputs: { Url: "x" } }, { name: "One", outputs: outputs() });
    await refused("Web", "STACK_REFUSES", "none of Pawl's", "One");
  });

  it("refuses one that is not up, whether or not it has put something out", async () => {
    const statuses = [
      "CREATE_IN_PROGRESS",
      "CREATE_FAILED",
      "ROLLBACK_COMPLETE",
      "ROLLBACK_IN_PROGRESS",
      "DELETE_IN_PROGRESS",
      "DELETE_FAILED",
      "REVIEW_IN_PROGRESS",
    ];
    for (const status of statuses) {
      for (const of of [{}, outputs()]) {
        aws.stacks.splice(0, 1, { name: "Mine", status, outputs: of });
        await refused("Mine", "STACK_REFUSES", status);
      }
    }
  });

  it("refuses one whose outputs are not whole", async () => {
    const { StopFunction: _stop, ...lacking } = outputs();
    aws.stacks.push({ name: "Mine", outputs: lacking });
    await refused("Mine", "STACK_REFUSES", "StopFunction");
    aws.stacks.splice(0, 1, { name: "Mine", outputs: outputs({ Offers: "{" }) });
    await refused("Mine", "STACK_REFUSES", "Offers");
  });

  it("says what is wrong with the credentials, the region or the way to AWS", async () => {
    const action = "DescribeStacks";
    aws.refuses = { action, error: "AccessDenied", status: 403 };
    await refused("Mine", "AWS_DENIED", "cloudformation:DescribeStacks");
    aws.refuses = { action, error: "ExpiredToken", status: 403 };
    await refused("Mine", "AWS_CREDENTIALS", "expired");
    aws.refuses = { action, error: "InvalidClientTokenId", status: 403 };
    await refused("Mine", "AWS_CREDENTIALS");
    aws.refuses = undefined;
    process.env.AWS_REGION = "Frankfurt";
    await refused("Mine", "AWS_REGION", "Frankfurt");
    delete process.env.AWS_REGION;
    await refused("Mine", "AWS_REGION", "no region is set");
    process.env.AWS_REGION = region;
    process.env.AWS_ACCESS_KEY_ID = "";
    await refused("Mine", "AWS_CREDENTIALS", "no credentials");
  });
});

describe("the version of a stack", () => {
  const check = (version: string, own: string) => () =>
    checkStackVersion({ stack: "Mine", region, version, own });

  it("may differ by a patch", () => {
    for (const [version, own] of [
      ["0.1.0", "0.1.9"],
      ["1.4.2", "1.4.0"],
      ["2.0.0-rc.1", "2.0.0"],
    ] as const)
      expect(check(version, own)).not.toThrow();
  });

  it("is refused where it is older or newer, and what to do is said", () => {
    for (const [version, own] of [
      ["0.1.9", "0.2.0"],
      ["0.9.0", "1.0.0"],
      ["", "0.1.0"],
    ] as const) {
      expect(check(version, own)).toThrow(
        expect.objectContaining({ code: "STACK_VERSION", next: expect.stringContaining("npx cdk deploy") }),
      );
      expect(check(version, own)).toThrow("older");
    }
    expect(check("0.3.0", "0.2.5")).toThrow(
      expect.objectContaining({ next: expect.stringContaining("npm install pawl@0.3.0") }),
    );
    expect(check("0.3.0", "0.2.5")).toThrow("newer");
  });

  it("is looked at for every stack that is found", async () => {
    aws.stacks.push({ name: "Mine", outputs: outputs({ Version: "9.9.9" }) });
    await refused("Mine", "STACK_VERSION", "9.9.9", packageJson.version);
  });
});
