import { afterEach, describe, expect, it, vi } from "vitest";
import { pawl } from "../test/pawl.ts";
import { examine } from "./doctor-checks.ts";
import type { Finding } from "./doctor-finding.ts";
import {
  type Answers,
  denied,
  environments,
  jobQueues,
  noStack,
  offeringsXml,
  pawlOutputs,
  quota,
  stackXml,
  standInCloud,
} from "./testing/stand-in-cloud.ts";

const environment = (url: string) => ({
  AWS_ENDPOINT_URL: url,
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "secret",
  AWS_SESSION_TOKEN: "",
  AWS_PROFILE: "",
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
  PAWL_STACK: "",
});

const use = (variables: Readonly<Record<string, string | undefined>>) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value === "" ? undefined : value);
};

afterEach(() => {
  vi.unstubAllEnvs();
});

/** What the doctor finds in an account where all is well but for `answers`. */
async function foundIn(answers: Answers, { limitMilliseconds = 10_000 } = {}): Promise<readonly Finding[]> {
  await using cloud = await standInCloud(answers);
  use(environment(cloud.url));
  return await examine({ stackName: "Pawl", limitMilliseconds });
}

const about = (findings: readonly Finding[], subject: string): Finding => {
  const found = findings.find((each) => each.subject === subject);
  if (found === undefined)
    throw new Error(`nothing of ${subject} in ${findings.map((each) => each.subject).join(", ")}`);
  return found;
};

const notOk = (findings: readonly Finding[]) => findings.filter(({ status }) => status !== "ok");

const withOffers = (offers: Parameters<typeof pawlOutputs>[0]): Answers => ({
  DescribeStacks: (asked) =>
    asked.parameter("StackName") === "CDKToolkit"
      ? stackXml("CDKToolkit", { BootstrapVersion: "30" })
      : stackXml("Pawl", pawlOutputs(offers)),
});

const withStack = (status: string, outputs = {}, more = ""): Answers => ({
  DescribeStacks: (asked) =>
    asked.parameter("StackName") === "CDKToolkit"
      ? stackXml("CDKToolkit", { BootstrapVersion: "30" })
      : stackXml(
          "Pawl",
          pawlOutputs({ images: {}, instanceTypes: ["g5"], maxVcpus: 64 }, outputs),
          status,
          more,
        ),
});

describe("an account where all is well", () => {
  it("is found to be so, line by line", async () => {
    const findings = await foundIn({});
    expect(notOk(findings)).toEqual([]);
    expect(about(findings, "credentials").found).toBe(
      "arn:aws:iam::123456789012:user/ann, account 123456789012",
    );
    expect(about(findings, "region").found).toMatch(/^eu-west-1, at http/);
    expect(about(findings, "CDK bootstrap").found).toBe("version 30");
    expect(about(findings, "stack Pawl").found).toMatch(/^CREATE_COMPLETE, Pawl \d/);
    expect(about(findings, "bucket pawl-runs").found).toContain("keeps versions");
    expect(about(findings, "queue Pawl-spot").found).toBe("ENABLED, VALID");
    expect(about(findings, "compute environment on-demand").found).toBe("ENABLED, VALID");
    expect(about(findings, "instances g5").found).toBe(
      "eu-west-1a, eu-west-1b (2 types); the stack starts them in eu-west-1a",
    );
    expect(about(findings, "quota G and VT, spot").found).toBe("64 vCPUs (applied), maxVcpus is 64");
  });

  it("gives exit code 0, and one object with --json", async () => {
    await using cloud = await standInCloud();
    const ran = await pawl(["doctor", "--json"], { env: environment(cloud.url) });
    expect(ran.code, ran.stderr).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: true, stack: "Pawl" });
  });
});

it("a problem gives exit code 1, and below its line what to do", async () => {
  await using cloud = await standInCloud({ GetServiceQuota: () => quota(0) });
  const ran = await pawl(["doctor", "--stack", "Pawl"], { env: environment(cloud.url) });
  expect(ran.code, ran.stderr).toBe(1);
  expect(ran.stdout).toMatch(
    /^problem {2}quota G and VT, spot .*not one g5\.xlarge \(4 vCPUs\) can start\n {9}→ Ask for more: aws service-quotas .* --quota-code L-3819A6DF --desired-value 64\.$/m,
  );
  expect(ran.stderr).toContain("2 problems, 0 warnings");
});

describe("who and where", () => {
  it("no region: nothing else is asked", async () => {
    use({ ...environment("http://127.0.0.1:1"), AWS_REGION: "", AWS_DEFAULT_REGION: "" });
    const findings = await examine({ stackName: "Pawl", limitMilliseconds: 10_000 });
    expect(findings.map(({ subject }) => subject)).toEqual(["this machine", "region"]);
    expect(about(findings, "region")).toMatchObject({
      status: "problem",
      found: expect.stringContaining("no region is set"),
    });
  });

  it("no credentials: one problem, and what needs them could not be looked at", async () => {
    await using cloud = await standInCloud();
    use({ ...environment(cloud.url), AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" });
    const findings = await examine({ stackName: "Pawl", limitMilliseconds: 10_000 });
    expect(findings.filter(({ status }) => status === "problem")).toMatchObject([
      { subject: "credentials", found: expect.stringContaining("there are no credentials") },
    ]);
    expect(about(findings, "stack Pawl").found).toBe(
      "could not be looked at: there are no credentials that AWS accepts",
    );
    expect(cloud.asked).toEqual([]);
  });

  it("credentials that have expired", async () => {
    const findings = await foundIn({
      GetCallerIdentity: () => ({ error: "ExpiredToken", status: 403, message: "expired" }),
    });
    expect(about(findings, "credentials")).toMatchObject({
      status: "problem",
      found: expect.stringContaining("have expired"),
    });
  });

  it("an address where nothing answers is one problem", async () => {
    use(environment("http://127.0.0.1:1"));
    const findings = await examine({ stackName: "Pawl", limitMilliseconds: 10_000 });
    const problems = findings.filter(({ status }) => status === "problem");
    expect(problems.map(({ subject }) => subject)).toEqual(["credentials"]);
  });
});

describe("a check that fails hides no other", () => {
  const actions = {
    "stack Pawl": ["DescribeStacks", "cloudformation:DescribeStacks"],
    "bucket pawl-runs": ["HeadBucket", "s3:ListBucket"],
    bucket: ["GetBucketVersioning", "s3:GetBucketVersioning"],
    queues: ["DescribeJobQueues", "batch:DescribeJobQueues"],
    instances: ["DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypeOfferings"],
    "quota G and VT, spot": ["GetServiceQuota", "servicequotas:GetServiceQuota"],
  } as const;

  for (const [subject, [operation, action]] of Object.entries(actions)) {
    it(`${action} is not allowed`, async () => {
      const refusal = operation.startsWith("DescribeInstance")
        ? ({ error: "UnauthorizedOperation", status: 403, message: "no" } as const)
        : denied;
      const findings = await foundIn({ [operation]: () => refusal });
      expect(about(findings, subject).found).toContain(`${action} `);
      expect(about(findings, subject).found).toContain("is not allowed");
      expect(about(findings, subject).next).toMatch(/^Let /);
      expect(about(findings, "credentials").status).toBe("ok");
      expect(about(findings, "quota G and VT, on-demand")).toBeDefined();
    });
  }

  it("a service that never answers", async () => {
    const findings = await foundIn({ DescribeJobQueues: () => "silence" }, { limitMilliseconds: 2_000 });
    expect(notOk(findings)).toMatchObject([
      { subject: "queues", found: "could not be looked at: no answer came within 2 s" },
    ]);
    // Without the queues it is not known where the stack starts them.
    expect(about(findings, "instances g5").found).toBe("eu-west-1a, eu-west-1b (2 types)");
  });

  it("CloudFormation never answers: what a stack has by default is looked at", async () => {
    const findings = await foundIn({ DescribeStacks: () => "silence" }, { limitMilliseconds: 2_000 });
    expect(about(findings, "stack Pawl").found).toBe("could not be looked at: no answer came within 2 s");
    expect(about(findings, "instances g5").status).toBe("ok");
    expect(about(findings, "quota G and VT, spot").status).toBe("warning");
  });

  it("a service that this endpoint lacks", async () => {
    const findings = await foundIn({
      GetServiceQuota: () => ({ error: "InternalFailure", status: 501, message: "not in this licence" }),
    });
    expect(about(findings, "quota G and VT, spot")).toMatchObject({
      status: "warning",
      found: "could not be looked at: servicequotas:GetServiceQuota is not offered by this endpoint",
    });
  });
});

describe("the stack", () => {
  it("is not there: what it would start is looked at by the defaults", async () => {
    const findings = await foundIn({
      DescribeStacks: (asked) =>
        asked.parameter("StackName") === "" ? stackXml("Other", {}) : noStack(asked.parameter("StackName")),
    });
    expect(about(findings, "stack Pawl")).toMatchObject({
      status: "problem",
      found: expect.stringContaining("there is no stack Pawl in the region eu-west-1"),
    });
    expect(about(findings, "CDK bootstrap")).toMatchObject({
      status: "warning",
      next: expect.stringContaining("npx cdk bootstrap"),
    });
    expect(about(findings, "bucket").found).toContain("there is no stack");
    expect(about(findings, "instances g6").status).toBe("warning");
  });

  it("is of another version, or is not up, or was taken back, or is being changed", async () => {
    const other = await foundIn(withStack("CREATE_COMPLETE", { Version: "99.0.0" }));
    expect(about(other, "stack Pawl")).toMatchObject({
      status: "problem",
      found: expect.stringContaining("99.0.0"),
    });
    // It is looked at all the same.
    expect(about(other, "bucket pawl-runs").status).toBe("ok");
    expect(about(await foundIn(withStack("ROLLBACK_COMPLETE")), "stack Pawl").status).toBe("problem");
    const back = await foundIn(
      withStack("UPDATE_ROLLBACK_COMPLETE", {}, "<StackStatusReason>no quota</StackStatusReason>"),
    );
    expect(about(back, "stack Pawl")).toMatchObject({
      status: "warning",
      found: expect.stringContaining("taken back: no quota"),
    });
    expect(about(await foundIn(withStack("UPDATE_IN_PROGRESS")), "stack Pawl").status).toBe("warning");
  });

  it("whose bootstrap is too old", async () => {
    const findings = await foundIn({
      DescribeStacks: (asked) =>
        asked.parameter("StackName") === "CDKToolkit"
          ? stackXml("CDKToolkit", { BootstrapVersion: "5" })
          : noStack("Pawl"),
    });
    expect(about(findings, "CDK bootstrap")).toMatchObject({
      status: "problem",
      found: "version 5, and 6 or later is needed",
    });
  });

  it("whose bucket is gone, or keeps no versions", async () => {
    const gone = await foundIn({ HeadBucket: () => ({ status: 404 }) });
    expect(about(gone, "bucket pawl-runs")).toMatchObject({ status: "problem", found: "it is not there" });
    const unversioned = await foundIn({
      GetBucketVersioning: () => ({ xml: "<VersioningConfiguration/>" }),
    });
    expect(about(unversioned, "bucket pawl-runs").status).toBe("warning");
  });

  it("whose queue is disabled or missing, or whose instances cannot be made", async () => {
    const disabled = await foundIn({ DescribeJobQueues: () => jobQueues({ state: "DISABLED" }) });
    expect(about(disabled, "queue Pawl-spot")).toMatchObject({
      status: "problem",
      found: "DISABLED, VALID: nothing new starts here",
    });
    const missing = await foundIn({ DescribeJobQueues: () => ({ json: { jobQueues: [] } }) });
    expect(about(missing, "queue Pawl-on-demand").found).toBe("it is not there");
    const reason = "CLIENT_ERROR - You are not authorized to use launch template";
    const invalid = await foundIn({
      DescribeComputeEnvironments: () => environments({ status: "INVALID", statusReason: reason }),
    });
    expect(about(invalid, "compute environment spot")).toMatchObject({
      status: "problem",
      found: `ENABLED, INVALID: ${reason}`,
    });
    expect(about(invalid, "compute environment on-demand").status).toBe("ok");
  });
});

describe("what it may start", () => {
  it("is set against each quota: an account's own, or everybody's where it has none", async () => {
    const values: Readonly<Record<string, number>> = { "L-DB2E81BA": 0, "L-3819A6DF": 8, "L-34B43A08": 500 };
    const findings = await foundIn({
      ...withOffers({ images: {}, instanceTypes: ["g5", "c7i"], maxVcpus: 64 }),
      GetServiceQuota: (asked) => {
        const value = values[asked.parameter("QuotaCode")];
        return value === undefined ? { error: "NoSuchResourceException", status: 400 } : quota(value);
      },
      GetAWSDefaultServiceQuota: () => quota(5),
    });
    expect(about(findings, "quota G and VT, on-demand")).toMatchObject({
      status: "problem",
      found: "0 vCPUs (applied): not one g5.xlarge (4 vCPUs) can start",
    });
    expect(about(findings, "quota G and VT, spot")).toMatchObject({
      status: "warning",
      found: "8 vCPUs (applied): fewer than the stack's maxVcpus, 64, so what is above waits",
    });
    expect(about(findings, "quota standard, spot").status).toBe("ok");
    expect(about(findings, "quota standard, on-demand").found).toContain("5 vCPUs (default)");
  });

  it("of a type that nobody here knows needs one virtual CPU at least", async () => {
    const findings = await foundIn({
      ...withOffers({ images: {}, instanceTypes: ["g99.giant"], maxVcpus: 1 }),
      GetServiceQuota: () => quota(0),
    });
    expect(about(findings, "quota G and VT, spot").found).toBe("0 vCPUs (applied): no instance can start");
  });

  it("is said by zone, over all pages; what the region lacks is a problem only where nothing is left", async () => {
    const pages: Answers = {
      DescribeInstanceTypeOfferings: (asked) =>
        asked.parameter("NextToken") === ""
          ? offeringsXml([["g5.xlarge", "eu-west-1a"]], "more")
          : offeringsXml([["g5.2xlarge", "eu-west-1c"]]),
    };
    const some = await foundIn({
      ...withOffers({ images: {}, instanceTypes: ["g5", "p5"], maxVcpus: 64 }),
      ...pages,
    });
    expect(about(some, "instances g5").found).toContain("eu-west-1a, eu-west-1c (2 types)");
    expect(about(some, "instances p5")).toMatchObject({
      status: "warning",
      found: "eu-west-1 does not offer any of them",
    });
    const none = await foundIn({
      ...withOffers({ images: {}, instanceTypes: ["p5.48xlarge"], maxVcpus: 192 }),
      ...pages,
    });
    expect(about(none, "instances p5.48xlarge")).toMatchObject({
      status: "problem",
      found: "eu-west-1 does not offer it",
    });
  });

  it("is found at an endpoint whose filter knows no wildcards", async () => {
    const findings = await foundIn({
      DescribeInstanceTypeOfferings: (asked) =>
        offeringsXml(asked.parameter("Filter.1.Name") === "" ? [["g5.xlarge", "eu-west-1a"]] : []),
    });
    expect(about(findings, "instances g5").status).toBe("ok");
  });

  it("never starts where the stack has no subnet in a zone that has it", async () => {
    const far = await foundIn({
      ...withOffers({ images: {}, instanceTypes: ["p5.48xlarge"], maxVcpus: 192 }),
      DescribeInstanceTypeOfferings: () => offeringsXml([["p5.48xlarge", "eu-west-1c"]]),
    });
    expect(about(far, "instances p5.48xlarge")).toMatchObject({
      status: "problem",
      found: "only in eu-west-1c; the stack starts them in eu-west-1a",
      next: expect.stringContaining("-c zones=eu-west-1c"),
    });
    const unknown = await foundIn({ DescribeSubnets: () => denied });
    expect(about(unknown, "instances g5")).toMatchObject({
      status: "ok",
      found: "eu-west-1a, eu-west-1b (2 types)",
    });
  });
});
