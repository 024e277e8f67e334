import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { beforeAll, describe, it } from "vitest";
import { scratchFolder } from "../local/scratch.ts";
import { openStore } from "../store/open-store.ts";
import { localstack } from "../store/testing/s3-servers.ts";
import { expectKillsChangeNothing, kills, type RunStore } from "./killing.ts";
import { temporaryFolder } from "./pawl.ts";

const { endpoint } = localstack();
const client = new S3Client({ endpoint, forcePathStyle: true });
const bucket = `kills-${randomUUID().slice(0, 8)}`;

/** A store in the bucket; `temporary` is the system's temporary folder to whoever trains there. */
async function bucketStore(prefix: string, temporary: string): Promise<RunStore> {
  const address = `s3://${bucket}/${prefix}`;
  const ours = scratchFolder(await openStore(address));
  return {
    address,
    scratch: join(temporary, relative(tmpdir(), ours)),
    async leftovers() {
      const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      return (Uploads ?? []).map(({ Key }) => `${Key}`);
    },
  };
}

describe("a run in a bucket that is killed again and again", () => {
  beforeAll(async () => {
    process.env.AWS_ENDPOINT_URL_S3 = endpoint;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  it(`ends with the same checkpoint as one that is left alone, after ${kills} kills of runner, agent and trainer`, async () => {
    await using temporary = await temporaryFolder();
    const alone = await bucketStore("alone", temporary.path);
    const killed = await bucketStore("killed", temporary.path);
    await expectKillsChangeNothing(alone, killed, temporary.path);
  }, 900_000);
});
