import { GetObjectCommand } from "@aws-sdk/client-s3";
import { PawlError } from "../core/errors.ts";
import { ChecksumCheck } from "./s3-checksum.ts";
import { isAbsentObject, isRefusal } from "./s3-failures.ts";
import type { ObjectFacts } from "./s3-objects.ts";
import { discard, receive } from "./s3-receive.ts";
import type { S3Requests } from "./s3-requests.ts";

const rangeBytes = 4 * 1024 * 1024;

/** Ranges that are fetched while their consumer is busy with one. All in all, 16 MiB are held. */
const ahead = 3;

const changed = (key: string, cause: unknown): PawlError =>
  new PawlError("STORE_FAILED", `${key} was removed or replaced while it was read`, {
    next: "Read it again.",
    details: { key },
    cause,
  });

const noRanges = (key: string): PawlError =>
  new PawlError("STORE_FAILED", `the server gave other bytes of ${key} than it was asked for`, {
    next: "Use a server that gives ranges of objects.",
    details: { key },
  });

/**
 * A range of the very object that was opened, beginning at `from`. Where the connection breaks, the next try goes on from
 * there.
 */
async function fetchRange(
  requests: S3Requests,
  key: string,
  facts: ObjectFacts,
  from: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(Math.min(rangeBytes, facts.sizeBytes - from));
  const isWhole = bytes.byteLength === facts.sizeBytes;
  let at = 0;
  await requests.run(
    "read",
    key,
    async ({ progress }) => {
      const before = at;
      try {
        while (at < bytes.byteLength) {
          const Range = `bytes=${from + at}-${from + bytes.byteLength - 1}`;
          const body = await askRange(requests, key, facts, Range, bytes.byteLength - at, signal);
          await receive(body, bytes, at, (upTo) => {
            at = upTo;
          });
        }
      } catch (error) {
        if (at > before) progress();
        throw error;
      }
      if (!isWhole) return;
      // Alone, it can be told to be damaged before anybody has it, and fetched again.
      at = 0;
      verify(bytes, facts);
    },
    { signal },
  );
  return bytes;
}

/** The body of an answer that is as long as was asked for. */
async function askRange(
  requests: S3Requests,
  key: string,
  facts: ObjectFacts,
  Range: string,
  length: number,
  abortSignal: AbortSignal,
): Promise<unknown> {
  const command = new GetObjectCommand({ ...requests.at(key), IfMatch: facts.version.etag, Range });
  const answer = await requests.client.send(command, { abortSignal }).catch((error: unknown) => {
    throw isRefusal(error) || isAbsentObject(error) ? changed(key, error) : error;
  });
  if (answer.ContentLength === length) return answer.Body;
  discard(answer.Body);
  throw noRanges(key);
}

function verify(bytes: Uint8Array, facts: ObjectFacts): void {
  const check = new ChecksumCheck(facts.checksum);
  check.update(bytes);
  check.verify();
}

/**
 * The object as it was when `facts` were taken, in order, some ranges ahead of the consumer. Its checksum is compared
 * before the last range is given, so that damaged bytes never look complete.
 */
export async function* download(
  requests: S3Requests,
  key: string,
  facts: ObjectFacts,
): AsyncGenerator<Uint8Array> {
  const leaving = new AbortController();
  const coming: Promise<Uint8Array>[] = [];
  const check = new ChecksumCheck(facts.checksum);
  let asked = 0;
  try {
    for (let given = 0; given < facts.sizeBytes; ) {
      while (asked < facts.sizeBytes && coming.length < ahead) {
        const range = fetchRange(requests, key, facts, asked, leaving.signal);
        range.catch(() => {});
        coming.push(range);
        asked += rangeBytes;
      }
      const bytes = await coming.shift();
      if (bytes === undefined) break;
      given += bytes.byteLength;
      check.update(bytes);
      if (given === facts.sizeBytes) verifyWhole(requests, key, check);
      yield bytes;
    }
  } finally {
    leaving.abort();
  }
}

/** Of what was put together from ranges it cannot be said which of them is damaged, so nothing is fetched again. */
function verifyWhole(requests: S3Requests, key: string, check: ChecksumCheck): void {
  try {
    check.verify();
  } catch (error) {
    throw requests.failed(error, "read", key);
  }
}
