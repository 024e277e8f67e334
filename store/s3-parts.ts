import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { joinCrc32 } from "./s3-checksum.ts";

const mebibyte = 1024 * 1024;

/** S3 takes 10,000 parts at most. */
const evenParts = 5_000;
const growEvery = 500;
const firstPartBytes = 8 * mebibyte;
const largestPartBytes = 1024 * mebibyte;

/**
 * The size of a part, numbered from 1. All are alike up to 39 GiB, since some servers want that; from there on they grow,
 * so that 10,000 of them hold 2.4 TiB.
 */
export function partBytes(number: number): number {
  const growth = Math.max(0, Math.ceil((number - evenParts) / growEvery));
  return Math.min(largestPartBytes, firstPartBytes * 2 ** growth);
}

/** How many buffers of that size are held, one of them being filled: 32 MiB in all, for all but the largest objects. */
export const buffersOf = (bytes: number): number => Math.max(2, Math.floor((32 * mebibyte) / bytes));

/** Bytes of the body as they go out together. */
export interface Part {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly crc32: number;
  /** The body ends with it. */
  readonly last: boolean;
}

/** Cuts a body into parts, copied into buffers of its own that are used again, and adds up the digests of the whole. */
export class PartReader {
  readonly #body: AsyncIterator<Uint8Array>;
  readonly #sha256 = createHash("sha256");
  readonly #free: ArrayBuffer[] = [];
  #crc32 = 0;
  #rest: Uint8Array | undefined;
  #sizeBytes = 0;
  #number = 0;
  #waiting = false;
  #ended = false;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body[Symbol.asyncIterator]();
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Of the whole body; to be asked for once. */
  sha256(): string {
    return this.#sha256.digest("hex");
  }

  /** Of the whole body so far. */
  get crc32(): number {
    return this.#crc32;
  }

  /** The next part; `undefined` after the last. */
  async next(): Promise<Part | undefined> {
    if (this.#ended) return undefined;
    this.#number += 1;
    const buffer = this.#buffer(partBytes(this.#number));
    let at = 0;
    while (at < buffer.byteLength) {
      const chunk = this.#rest ?? (await this.#read());
      this.#rest = undefined;
      if (chunk === undefined) break;
      const taken = chunk.subarray(0, buffer.byteLength - at);
      buffer.set(taken, at);
      at += taken.byteLength;
      if (taken.byteLength < chunk.byteLength) this.#rest = chunk.subarray(taken.byteLength);
      this.#sha256.update(taken);
    }
    // A chunk more tells whether a full part is the last one: then one request is enough for it.
    this.#rest ??= await this.#read();
    const bytes = buffer.subarray(0, at);
    const sum = crc32(bytes);
    this.#crc32 = joinCrc32(this.#crc32, sum, at);
    this.#sizeBytes += at;
    return { number: this.#number, bytes, crc32: sum, last: this.#ended };
  }

  /** Gives a part's memory back, to be filled again. */
  release(part: Part): void {
    const { buffer } = part.bytes;
    if (buffer instanceof ArrayBuffer) this.#free.push(buffer);
  }

  /** Tells the body that nobody wants more of it. */
  async leave(): Promise<void> {
    if (this.#ended) return;
    const left = Promise.resolve(this.#body.return?.()).catch(() => {});
    // One that is asked for a chunk answers that first, and may take for ever.
    if (!this.#waiting) await left;
  }

  #buffer(bytes: number): Uint8Array {
    const buffer = this.#free.pop();
    if (buffer !== undefined && buffer.byteLength === bytes) return new Uint8Array(buffer);
    this.#free.length = 0;
    return new Uint8Array(new ArrayBuffer(bytes));
  }

  /** The next chunk with bytes in it. */
  async #read(): Promise<Uint8Array | undefined> {
    while (!this.#ended) {
      this.#waiting = true;
      const { value, done } = await this.#body.next();
      this.#waiting = false;
      if (done === true) this.#ended = true;
      else if (value.byteLength > 0) return value;
    }
    return undefined;
  }
}
