import { createHash } from "node:crypto";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { PawlError } from "../core/errors.ts";
import type { WriteOptions, Written } from "./object-store.ts";
import { isGoneUpload, isRefusal } from "./s3-failures.ts";
import { headObject, type ObjectFacts } from "./s3-objects.ts";
import type { S3Requests } from "./s3-requests.ts";
import { formatVersion, marksMetadata, newMarks, type S3Version } from "./s3-versions.ts";

/** One write of one key, whatever the number of its requests and tries. */
export interface Write {
  /** "create" or "replace", for the words of errors. */
  readonly doing: string;
  readonly key: string;
  /** What must be there; `undefined`: nothing. */
  readonly replaces: S3Version | undefined;
  /** Of this write, then of those before it. */
  readonly marks: readonly string[];
}

export const startWrite = (key: string, replaces: S3Version | undefined): Write => ({
  doing: replaces === undefined ? "create" : "replace",
  key,
  replaces,
  marks: newMarks(replaces?.marks),
});

export const conditionOf = ({ replaces }: Write): { IfNoneMatch: string } | { IfMatch: string } =>
  replaces === undefined ? { IfNoneMatch: "*" } : { IfMatch: replaces.etag };

/** Whether what is there now lets the write be done. */
export const isOpen = ({ replaces }: Write, now: ObjectFacts | undefined): boolean =>
  now?.version.etag === replaces?.etag;

/** Stands for a version that was ours and is replaced already; nothing has it. */
const replacedEtag = '"replaced"';

/** What an earlier try of the write has left, though its answer was lost. */
function ownVersion({ marks }: Write, now: ObjectFacts | undefined): S3Version | undefined {
  const [mark = ""] = marks;
  if (now === undefined || !now.version.marks.includes(mark)) return undefined;
  return now.version.marks[0] === mark ? now.version : { etag: replacedEtag, marks };
}

/**
 * Does what makes a write visible, and finds out who won where an answer was lost: a try that is refused after such a one
 * may have been refused by its own success. `undefined` where another write won.
 */
async function decide(
  requests: S3Requests,
  write: Write,
  attempt: () => Promise<string | undefined>,
): Promise<S3Version | undefined> {
  return await requests.run(write.doing, write.key, async ({ doubtful }) => {
    try {
      return { etag: (await attempt()) ?? '""', marks: write.marks };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return doubtful ? ownVersion(write, await headObject(requests, write.doing, write.key)) : undefined;
    }
  });
}

/** An upload was completed, or is gone, and its object is not there (yet). */
class UploadUnsettled extends Error {
  override readonly name = "UploadUnsettled";
}

/**
 * The same for an upload in parts. Where an answer was lost, the object is looked at before and after: the two requests may
 * be worked on at the same time, and not every server keeps them apart.
 */
export async function decideUpload(
  requests: S3Requests,
  write: Write,
  attempt: () => Promise<string | undefined>,
): Promise<S3Version | undefined> {
  const { doing, key } = write;
  return await requests.run(doing, key, async ({ doubtful }) => {
    const look = async () => {
      const now = await headObject(requests, doing, key);
      return { own: ownVersion(write, now), isLost: !isOpen(write, now) };
    };
    const before = doubtful ? await look() : undefined;
    if (before?.own !== undefined || before?.isLost === true) return before.own;
    try {
      const version = { etag: (await attempt()) ?? '""', marks: write.marks };
      if (!doubtful) return version;
    } catch (error) {
      if (!isRefusal(error) && !(isGoneUpload(error) && doubtful)) throw error;
      if (!doubtful) return undefined;
    }
    const after = await look();
    if (after.own === undefined && !after.isLost) throw new UploadUnsettled(`${key} is not there`);
    return after.own;
  });
}

/** Refuses bytes that are not those that the caller expects. */
export function checkDigest(key: string, actual: string, options: WriteOptions): void {
  const { sha256 } = options;
  if (sha256 === undefined || sha256.toLowerCase() === actual) return;
  throw new PawlError("STORE_DIGEST", `the bytes for ${key} have the digest ${actual}, not ${sha256}`, {
    next: "Something changed them on their way; write them again.",
    details: { key, sha256, actual },
  });
}

/** Writes bytes by one request. */
export async function put(
  requests: S3Requests,
  write: Write,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<Written | undefined> {
  const digest = createHash("sha256").update(bytes).digest();
  const sha256 = digest.toString("hex");
  checkDigest(write.key, sha256, options);
  const version = await decide(requests, write, async () => {
    const command = new PutObjectCommand({
      ...requests.at(write.key),
      ...conditionOf(write),
      Body: bytes,
      ContentLength: bytes.byteLength,
      ChecksumSHA256: digest.toString("base64"),
      Metadata: marksMetadata(write.marks),
    });
    return (await requests.client.send(command)).ETag;
  });
  if (version === undefined) return undefined;
  return { version: formatVersion(version), sizeBytes: bytes.byteLength, sha256 };
}
