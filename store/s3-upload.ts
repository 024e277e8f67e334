import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { WriteOptions, Written } from "./object-store.ts";
import { crc32Base64 } from "./s3-checksum.ts";
import { headObject } from "./s3-objects.ts";
import { buffersOf, type Part, PartReader } from "./s3-parts.ts";
import type { S3Requests } from "./s3-requests.ts";
import { formatVersion, marksMetadata } from "./s3-versions.ts";
import { checkDigest, conditionOf, decideUpload, isOpen, put, type Write } from "./s3-writes.ts";

/**
 * Writes a stream: by one request where it is small, else in parts, a few at a time, each sent again from its buffer where
 * that is needed. Nothing is visible before the last request, which carries the write's condition.
 */
export async function putStream(
  requests: S3Requests,
  write: Write,
  body: AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<Written | undefined> {
  const reader = new PartReader(body);
  try {
    // What cannot be written is not sent for nothing.
    if (!isOpen(write, await headObject(requests, write.doing, write.key))) return undefined;
    const first = await reader.next();
    if (first === undefined || first.last) {
      return await put(requests, write, first?.bytes ?? new Uint8Array(), options);
    }
    return await putParts(requests, write, reader, first, options);
  } finally {
    await reader.leave();
  }
}

async function putParts(
  requests: S3Requests,
  write: Write,
  reader: PartReader,
  first: Part,
  options: WriteOptions,
): Promise<Written | undefined> {
  const upload = new Upload(requests, write, await startUpload(requests, write));
  let version: Awaited<ReturnType<Upload["complete"]>>;
  try {
    const parts = await upload.send(reader, first);
    const sha256 = reader.sha256();
    checkDigest(write.key, sha256, options);
    version = await upload.complete(parts, reader);
    if (version !== undefined) {
      return { version: formatVersion(version), sizeBytes: reader.sizeBytes, sha256 };
    }
  } finally {
    if (version === undefined) await upload.abort();
  }
  return undefined;
}

async function startUpload(requests: S3Requests, write: Write): Promise<string> {
  return await requests.run(write.doing, write.key, async () => {
    const command = new CreateMultipartUploadCommand({
      ...requests.at(write.key),
      ChecksumAlgorithm: "CRC32",
      ChecksumType: "FULL_OBJECT",
      Metadata: marksMetadata(write.marks),
    });
    const { UploadId } = await requests.client.send(command);
    if (UploadId === undefined) throw new TypeError("S3 began an upload and did not name it");
    return UploadId;
  });
}

/** One upload in parts. */
class Upload {
  readonly #requests: S3Requests;
  readonly #write: Write;
  readonly #id: string;
  readonly #failing = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #sent: CompletedPart[] = [];

  constructor(requests: S3Requests, write: Write, id: string) {
    this.#requests = requests;
    this.#write = write;
    this.#id = id;
  }

  /** Sends all parts. No request of theirs is left when this returns or throws. */
  async send(reader: PartReader, first: Part): Promise<readonly CompletedPart[]> {
    const { signal } = this.#failing;
    const failed = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    failed.catch(() => {});
    try {
      for (let part: Part | undefined = first; part !== undefined; ) {
        this.#start(reader, part);
        while (this.#sending.size >= buffersOf(part.bytes.byteLength)) {
          await Promise.race([failed, ...this.#sending]);
        }
        const next = reader.next();
        next.catch(() => {});
        part = await Promise.race([failed, next]);
      }
      await Promise.race([failed, Promise.all(this.#sending)]);
      signal.throwIfAborted();
    } catch (error) {
      this.#failing.abort(error);
      throw error;
    } finally {
      await Promise.all(this.#sending);
    }
    return this.#sent.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
  }

  /** Makes the object visible, if the write's condition still holds. */
  async complete(parts: readonly CompletedPart[], { crc32, sizeBytes }: PartReader) {
    return await decideUpload(this.#requests, this.#write, async () => {
      const command = new CompleteMultipartUploadCommand({
        ...this.#at(),
        ...conditionOf(this.#write),
        MultipartUpload: { Parts: [...parts] },
        ChecksumCRC32: crc32Base64(crc32),
        ChecksumType: "FULL_OBJECT",
        MpuObjectSize: sizeBytes,
      });
      return (await this.#requests.client.send(command)).ETag;
    });
  }

  /** Removes the parts, if that can be done; else the bucket's lifecycle rule does, after some days. */
  async abort(): Promise<void> {
    const patience = { totalMilliseconds: 3_000, firstWaitMilliseconds: 100, longestWaitMilliseconds: 1_000 };
    const work = async () => {
      await this.#requests.client.send(new AbortMultipartUploadCommand(this.#at()));
    };
    await this.#requests.run("abort", this.#write.key, work, { patience }).catch(() => {});
  }

  #at() {
    return { ...this.#requests.at(this.#write.key), UploadId: this.#id };
  }

  #start(reader: PartReader, part: Part): void {
    const sending = this.#sendPart(part).then(
      () => {
        this.#sending.delete(sending);
        reader.release(part);
      },
      (error: unknown) => {
        this.#sending.delete(sending);
        this.#failing.abort(error);
      },
    );
    this.#sending.add(sending);
  }

  async #sendPart({ number, bytes, crc32 }: Part): Promise<void> {
    const { doing, key } = this.#write;
    const { signal } = this.#failing;
    const checksum = { ChecksumCRC32: crc32Base64(crc32) };
    const work = async () => {
      const command = new UploadPartCommand({
        ...this.#at(),
        PartNumber: number,
        Body: bytes,
        ContentLength: bytes.byteLength,
        ...checksum,
      });
      const { ETag } = await this.#requests.client.send(command, { abortSignal: signal });
      if (ETag === undefined) throw new TypeError("S3 took a part and did not name it");
      return ETag;
    };
    const ETag = await this.#requests.run(doing, key, work, { signal });
    this.#sent.push({ PartNumber: number, ETag, ...checksum });
  }
}
