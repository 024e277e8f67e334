import { randomUUID } from "node:crypto";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll } from "vitest";
import type { ObjectStore } from "../object-store.ts";
import { openS3Store, type S3Options } from "../s3.ts";

/** A real S3 server that the test run has started. */
export interface S3Server {
  readonly name: string;
  readonly endpoint: string;
}

function server(name: string, variable: string): S3Server {
  const endpoint = process.env[variable];
  if (endpoint === undefined || endpoint === "") {
    throw new Error(`${variable} is not set: these tests need ${name}; run them by \`npm run test:s3\``);
  }
  return { name, endpoint };
}

export const localstack = (): S3Server => server("LocalStack", "PAWL_TEST_LOCALSTACK");
export const versitygw = (): S3Server => server("versitygw", "PAWL_TEST_VERSITYGW");

/** Opens a store at an endpoint in the way that people do: by the environment. */
export async function openAt(endpoint: string, address: string, options?: S3Options): Promise<ObjectStore> {
  const before = process.env.AWS_ENDPOINT_URL_S3;
  process.env.AWS_ENDPOINT_URL_S3 = endpoint;
  try {
    return await openS3Store(address, "write", options);
  } finally {
    if (before === undefined) delete process.env.AWS_ENDPOINT_URL_S3;
    else process.env.AWS_ENDPOINT_URL_S3 = before;
  }
}

/** A client of the test's own, straight to the server. */
export const clientAt = (endpoint: string): S3Client => new S3Client({ endpoint, forcePathStyle: true });

export interface TestBucket {
  /** An address in it that no other test has. */
  fresh(): string;
  /** The uploads that were begun and neither completed nor aborted. */
  unfinished(): Promise<string[]>;
}

async function empty(client: S3Client, Bucket: string): Promise<void> {
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    if (Contents.length === 0) return;
    const Objects = Contents.map(({ Key }) => ({ Key }));
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  }
}

/** A bucket of its own, and what removes it with all that is in it. */
export async function makeBucket(client: S3Client): Promise<{ name: string; remove(): Promise<void> }> {
  const name = `pawl-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: name }));
  return {
    name,
    async remove() {
      await empty(client, name);
      // It stays where an upload in it is unfinished; so does nothing else of it.
      await client.send(new DeleteBucketCommand({ Bucket: name })).catch(() => {});
    },
  };
}

/** A bucket for the tests of one file, gone after them. */
export function testBucket(server: S3Server): TestBucket {
  const client = clientAt(server.endpoint);
  let bucket: Awaited<ReturnType<typeof makeBucket>>;
  let prefixes = 0;
  beforeAll(async () => {
    bucket = await makeBucket(client);
  });
  afterAll(async () => {
    await bucket.remove();
    client.destroy();
  });
  return {
    fresh() {
      prefixes += 1;
      return `s3://${bucket.name}/test ${prefixes}/runs`;
    },
    async unfinished() {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }));
      return Uploads.map(({ Key = "" }) => Key);
    },
  };
}
