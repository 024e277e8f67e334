import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";

/** The checksum of the whole object that S3 keeps with it. */
export interface Expected {
  readonly algorithm: "sha256" | "crc32";
  /** In base64, as S3 writes it. */
  readonly value: string;
}

interface ChecksumAnswer {
  readonly ChecksumSHA256?: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
}

/** What S3 says of an object's checksum; `undefined` where it is one of its parts' checksums, or another kind. */
export function expectedChecksum(answer: ChecksumAnswer): Expected | undefined {
  const whole = (value: string | undefined): value is string => value !== undefined && !value.includes("-");
  if (whole(answer.ChecksumSHA256)) return { algorithm: "sha256", value: answer.ChecksumSHA256 };
  if (whole(answer.ChecksumCRC32)) return { algorithm: "crc32", value: answer.ChecksumCRC32 };
  return undefined;
}

export function crc32Base64(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("base64");
}

/** A linear map of 32 bits: what each bit becomes. */
type BitMap = readonly number[];

function apply(map: BitMap, bits: number): number {
  let sum = 0;
  for (let at = 0, left = bits; left !== 0; at += 1, left >>>= 1) {
    if ((left & 1) === 1) sum ^= map[at] ?? 0;
  }
  return sum;
}

const twice = (map: BitMap): BitMap => map.map((bits) => apply(map, bits));

/** What one more zero bit makes of a CRC-32. */
const oneZeroBit: BitMap = [0xedb8_8320, ...Array.from({ length: 31 }, (_, at) => 1 << at)];

/**
 * The CRC-32 of two pieces together, from those of each: the first one's, moved on by as many zeros as the second has bits
 * (by doubling), and the second one's. It spares a second look at every byte.
 */
export function joinCrc32(first: number, second: number, secondBytes: number): number {
  let moved = first;
  let map = twice(twice(twice(oneZeroBit)));
  for (let left = secondBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) moved = apply(map, moved);
    map = twice(map);
  }
  return (moved ^ second) >>> 0;
}

/** Bytes that are not those that S3 keeps: damaged on the way, or there. */
export class ChecksumMismatch extends Error {
  constructor(expected: Expected, actual: string) {
    super(`the bytes have the ${expected.algorithm} ${actual}, and the object has ${expected.value}`);
    this.name = "ChecksumMismatch";
  }
}

/** Adds bytes up and compares them with what S3 says of the object. */
export class ChecksumCheck {
  readonly #expected: Expected | undefined;
  readonly #sha256: Hash | undefined;
  #crc32 = 0;

  constructor(expected: Expected | undefined) {
    this.#expected = expected;
    this.#sha256 = expected?.algorithm === "sha256" ? createHash("sha256") : undefined;
  }

  update(bytes: Uint8Array): void {
    if (this.#sha256 !== undefined) this.#sha256.update(bytes);
    else if (this.#expected !== undefined) this.#crc32 = crc32(bytes, this.#crc32);
  }

  /** To be called once, after all bytes. Errors: ChecksumMismatch. */
  verify(): void {
    if (this.#expected === undefined) return;
    const actual = this.#sha256?.digest("base64") ?? crc32Base64(this.#crc32);
    if (actual !== this.#expected.value) throw new ChecksumMismatch(this.#expected, actual);
  }
}
