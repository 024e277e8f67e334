import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, it } from "vitest";
import { documentsOnS3, runDocument } from "../scripts/docs-commands.ts";
import { localstack } from "../store/testing/s3-servers.ts";

const { endpoint } = localstack();

describe("the documents on S3", () => {
  beforeAll(async () => {
    process.env.AWS_ENDPOINT_URL_S3 = endpoint;
    await new S3Client({ endpoint, forcePathStyle: true }).send(
      new CreateBucketCommand({ Bucket: "my-bucket" }),
    );
  });

  it.each(documentsOnS3)("do what %s says", async (document) => {
    expect(await runDocument(document)).toBe(true);
  });
});
