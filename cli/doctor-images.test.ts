import { afterEach, describe, expect, it, vi } from "vitest";
import { examine } from "./doctor-checks.ts";
import type { Finding } from "./doctor-finding.ts";
import { parseImageName, registryUrl } from "./doctor-image-name.ts";
import { type Answers, denied, pawlOutputs, stackXml, standInCloud } from "./testing/stand-in-cloud.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

/** What is found of an image; `HOST` in its name is the stand-in's. */
async function foundOf(image: string, answers: Answers): Promise<Finding> {
  let host = "";
  await using cloud = await standInCloud({
    ...answers,
    DescribeStacks: () =>
      stackXml(
        "Pawl",
        pawlOutputs({ images: { torch: image.replace("HOST", host) }, instanceTypes: ["g5"], maxVcpus: 64 }),
      ),
    token: (asked) =>
      asked.parameter("service") === "stand-in" && asked.parameter("scope") === "pull"
        ? { json: { token: "anybody" } }
        : { status: 400 },
  });
  host = cloud.host;
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL: cloud.url,
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_CONFIG_FILE: "/dev/null",
  }))
    vi.stubEnv(name, value);
  vi.stubEnv("AWS_PROFILE", undefined);
  const findings = await examine({ stackName: "Pawl", limitMilliseconds: 10_000 });
  const found = findings.find(({ subject }) => subject === "image torch");
  if (found === undefined) throw new Error("nothing of the image");
  return found;
}

const manifests =
  (status: number): Answers[string] =>
  () => ({ status });

describe("an image in a public registry", () => {
  it("is there", async () => {
    expect(await foundOf("HOST/team/torch:2.8", { manifest: manifests(200) })).toMatchObject({
      status: "ok",
    });
  });

  it("is there for whoever fetches an anonymous token first", async () => {
    let host = "";
    const found = await foundOf("HOST/team/torch:2.8", {
      manifest: (asked) => {
        host = asked.parameter("host");
        expect(asked.parameter("path")).toBe("/v2/team/torch/manifests/2.8");
        if (asked.parameter("authorization") === "Bearer anybody") return { status: 200 };
        const challenge = `Bearer realm="http://${host}/token",service="stand-in",scope="pull"`;
        return { status: 401, headers: { "www-authenticate": challenge } };
      },
    });
    expect(found).toMatchObject({ status: "ok", found: `${host}/team/torch:2.8` });
  });

  it("without a tag is another one tomorrow", async () => {
    expect(await foundOf("HOST/team/torch", { manifest: manifests(200) })).toMatchObject({
      status: "warning",
      found: expect.stringContaining("without a tag it is 'latest'"),
    });
    expect(await foundOf(`HOST/team/torch@${digest}`, { manifest: manifests(200) })).toMatchObject({
      status: "ok",
    });
  });

  it("is not there, or not for everybody: instances could not pull it", async () => {
    expect(await foundOf("HOST/team/torch:2.8", { manifest: manifests(404) })).toMatchObject({
      status: "problem",
      found: expect.stringContaining("has no such image"),
    });
    expect(await foundOf("HOST/team/torch:2.8", { manifest: manifests(401) })).toMatchObject({
      status: "problem",
      found: expect.stringContaining("to nobody who has not logged in"),
    });
  });

  it("could not be looked at where the registry is busy or cannot be reached", async () => {
    expect(await foundOf("HOST/team/torch:2.8", { manifest: manifests(429) })).toMatchObject({
      status: "warning",
      found: expect.stringContaining("could not be looked at"),
    });
    expect(await foundOf("localhost:1/team/torch:2.8", {})).toMatchObject({
      status: "warning",
      found: expect.stringContaining("cannot be reached from here"),
    });
  });
});

describe("an image in a private registry of ECR", () => {
  const name = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/torch";

  it("is asked for by its tag or its digest, in the account that its name says", async () => {
    const inputs: string[] = [];
    const DescribeImages: Answers[string] = (asked) => {
      inputs.push(
        ["registryId", "repositoryName", "imageIds"].map((each) => asked.parameter(each)).join(" "),
      );
      return { json: { imageDetails: [{}] } };
    };
    expect(await foundOf(`${name}:2.8`, { DescribeImages })).toMatchObject({ status: "ok" });
    expect(await foundOf(`${name}@${digest}`, { DescribeImages })).toMatchObject({ status: "ok" });
    expect(inputs).toEqual([
      '123456789012 team/torch [{"imageTag":"2.8"}]',
      `123456789012 team/torch [{"imageDigest":"${digest}"}]`,
    ]);
  });

  it("has no such repository, or none with the tag, or may not be looked at", async () => {
    const error = (code: string): Answers => ({
      DescribeImages: () => ({ error: code, status: 400, message: "no" }),
    });
    expect(await foundOf(`${name}:2.8`, error("RepositoryNotFoundException"))).toMatchObject({
      status: "problem",
      found: expect.stringContaining("has no repository 'team/torch' in eu-central-1"),
    });
    expect(await foundOf(`${name}:2.8`, error("ImageNotFoundException"))).toMatchObject({
      status: "problem",
      found: expect.stringContaining("has no image '2.8'"),
    });
    expect(await foundOf(`${name}:2.8`, { DescribeImages: () => denied })).toMatchObject({
      status: "warning",
      found: "could not be looked at: ecr:DescribeImages is not allowed",
    });
  });
});

it("what is no image's name is said to be none", async () => {
  expect(await foundOf("Not An Image", {})).toMatchObject({
    status: "problem",
    found: "'Not An Image' is no image's name",
  });
});

describe("an image's name", () => {
  const parts = (text: string) => {
    const image = parseImageName(text);
    return image === undefined ? undefined : [registryUrl(image), image.repository, image.reference];
  };

  it("is read as Docker reads it", () => {
    expect(parts("python")).toEqual(["https://registry-1.docker.io", "library/python", "latest"]);
    expect(parts("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime")).toEqual([
      "https://registry-1.docker.io",
      "pytorch/pytorch",
      "2.8.0-cuda12.8-cudnn9-runtime",
    ]);
    expect(parts("docker.io/library/python:3.13")).toEqual([
      "https://registry-1.docker.io",
      "library/python",
      "3.13",
    ]);
    expect(parts("public.ecr.aws/docker/library/node:24-bookworm-slim")).toEqual([
      "https://public.ecr.aws",
      "docker/library/node",
      "24-bookworm-slim",
    ]);
    expect(parts(`nvcr.io/nvidia/pytorch:25.08-py3@${digest}`)).toEqual([
      "https://nvcr.io",
      "nvidia/pytorch",
      digest,
    ]);
    expect(parts("localhost:5000/mine:1")).toEqual(["http://localhost:5000", "mine", "1"]);
    expect(parseImageName("123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1")?.ecr).toEqual({
      account: "123456789012",
      region: "eu-west-1",
    });
    for (const wrong of ["", "UPPER", "a b", "a:", "a@sha256:12", "https://a/b"])
      expect(parts(wrong), wrong).toBe(undefined);
  });
});
