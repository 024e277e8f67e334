import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from "@aws-sdk/client-s3";
import { ChecksumCheck, type Expected, expectedChecksum } from "./s3-checksum.ts";
import { factsOf, isAbsentObject } from "./s3-failures.ts";
import { receive } from "./s3-receive.ts";
import type { S3Requests } from "./s3-requests.ts";
import { type S3Version, versionOf } from "./s3-versions.ts";

export interface ObjectFacts {
  readonly version: S3Version;
  readonly sizeBytes: number;
  readonly checksum: Expected | undefined;
}

/** What is known of an object without reading it; `undefined` where there is none. */
export async function headObject(
  requests: S3Requests,
  doing: string,
  key: string,
): Promise<ObjectFacts | undefined> {
  return await requests.run(doing, key, async () => {
    try {
      const answer = await requests.client.send(new HeadObjectCommand(requests.at(key)));
      return {
        version: versionOf(answer),
        sizeBytes: answer.ContentLength ?? 0,
        checksum: expectedChecksum(answer),
      };
    } catch (error) {
      if (isAbsentObject(error)) return undefined;
      if (saysNothing(error)) await askAloud(requests);
      throw error;
    }
  });
}

/** An answer to HEAD has no body, so that wrong credentials and a wrong region all look alike: 400, 403, 301. */
function saysNothing(error: unknown): boolean {
  const { status = 0 } = factsOf(error);
  return status >= 300 && status < 500 && status !== 412;
}

/** Throws what the server has to say. */
async function askAloud(requests: S3Requests): Promise<void> {
  const { Bucket, Key: Prefix } = requests.at("");
  await requests.client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }));
}

/** A whole object, its checksum verified; damaged bytes are fetched again. */
export async function getObject(
  requests: S3Requests,
  key: string,
): Promise<{ readonly bytes: Uint8Array; readonly version: S3Version } | undefined> {
  return await requests.run("read", key, async () => {
    try {
      const answer = await requests.client.send(new GetObjectCommand(requests.at(key)));
      const bytes = Buffer.allocUnsafeSlow(answer.ContentLength ?? 0);
      await receive(answer.Body, bytes, 0, () => {});
      const check = new ChecksumCheck(expectedChecksum(answer));
      check.update(bytes);
      check.verify();
      return { bytes, version: versionOf(answer) };
    } catch (error) {
      if (isAbsentObject(error)) return undefined;
      throw error;
    }
  });
}

export async function removeObject(requests: S3Requests, key: string): Promise<void> {
  await requests.run("remove", key, async () => {
    try {
      await requests.client.send(new DeleteObjectCommand(requests.at(key)));
    } catch (error) {
      if (!isAbsentObject(error)) throw error;
    }
  });
}
