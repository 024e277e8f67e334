import { delimiter } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stackOutputs } from "../../core/stack.ts";
import { documentsOnAws, runDocument } from "../../scripts/docs-commands.ts";
import { localstackPrograms } from "../servers/localstack.ts";
import { connectCloud } from "./emulated-cloud.ts";

const cloud = connectCloud();

/** As the documents call it. */
const stackName = "Pawl";

describe("the documents on the cloud", () => {
  let bucket = "";
  beforeAll(async () => {
    bucket = (await cloud.deploy(stackName))[stackOutputs.bucket] ?? "";
    // The AWS CLI and boto3, which LocalStack brings.
    process.env.PATH = [await localstackPrograms(), process.env.PATH].join(delimiter);
    process.env.AWS_DEFAULT_REGION = process.env.AWS_REGION;
  });
  afterAll(async () => {
    await cloud.destroy(stackName);
    await cloud.removeBucket(bucket);
  });

  it.each(documentsOnAws)("do what %s says", async (document) => {
    expect(await runDocument(document)).toBe(true);
  });
});
