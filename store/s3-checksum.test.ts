import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChecksumCheck, ChecksumMismatch, crc32Base64, expectedChecksum, joinCrc32 } from "./s3-checksum.ts";

describe("the checksum of an object", () => {
  it("is the same, put together from those of its pieces", () => {
    const piece = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(piece, piece, (first, second) => {
        const whole = crc32(Buffer.concat([first, second]));
        expect(joinCrc32(crc32(first), crc32(second), second.byteLength)).toBe(whole);
      }),
    );
    const large = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef!");
    expect(joinCrc32(crc32("x"), crc32(large), large.byteLength)).toBe(crc32(large, crc32("x")));
  });

  const bytes = Buffer.from("some bytes");
  const answers = {
    sha256: { ChecksumSHA256: createHash("sha256").update(bytes).digest("base64") },
    crc32: { ChecksumCRC32: crc32Base64(crc32(bytes)) },
  };

  it("is compared with what was read, whatever its pieces were", () => {
    for (const answer of Object.values(answers)) {
      const check = new ChecksumCheck(expectedChecksum(answer));
      for (const byte of bytes) check.update(Uint8Array.of(byte));
      expect(() => check.verify()).not.toThrow();
      const other = new ChecksumCheck(expectedChecksum(answer));
      other.update(Buffer.from("some bites"));
      expect(() => other.verify()).toThrow(ChecksumMismatch);
    }
  });

  it("is not known where S3 tells only that of the parts' checksums, or none", () => {
    expect(expectedChecksum({ ChecksumSHA256: "abc=-3" })).toBeUndefined();
    expect(expectedChecksum({ ChecksumCRC32: "abc=-3" })).toBeUndefined();
    expect(expectedChecksum({})).toBeUndefined();
    expect(() => new ChecksumCheck(undefined).verify()).not.toThrow();
  });
});
