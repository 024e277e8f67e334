import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { buffersOf, PartReader, partBytes } from "./s3-parts.ts";
import { mebibyte, pieces } from "./testing/memory.ts";

describe("the sizes of parts", () => {
  it("are alike up to 39 GiB, and 10,000 of them hold more than 2 TiB", () => {
    expect(new Set(Array.from({ length: 5_000 }, (_, i) => partBytes(i + 1)))).toEqual(
      new Set([8 * mebibyte]),
    );
    expect(partBytes(5_001)).toBe(16 * mebibyte);
    let all = 0;
    for (let number = 1; number <= 10_000; number += 1) all += partBytes(number);
    expect(all).toBeGreaterThan(2 * 1024 ** 4);
    expect(partBytes(10_000)).toBeLessThanOrEqual(5 * 1024 ** 3);
  });

  it("let few buffers be held where they are large", () => {
    expect([8, 16, 32, 1024].map((size) => buffersOf(size * mebibyte))).toEqual([4, 2, 2, 2]);
  });
});

describe("a reader of parts", () => {
  async function read(body: AsyncIterable<Uint8Array>) {
    const reader = new PartReader(body);
    const parts: { size: number; last: boolean }[] = [];
    const whole = createHash("sha256");
    for (let part = await reader.next(); part !== undefined; part = await reader.next()) {
      expect(part.number).toBe(parts.length + 1);
      expect(part.crc32).toBe(crc32(part.bytes));
      whole.update(part.bytes);
      parts.push({ size: part.bytes.byteLength, last: part.last });
      reader.release(part);
    }
    expect(reader.sha256()).toBe(whole.digest("hex"));
    return { parts, reader };
  }

  it("cuts a body at the same places, whatever its chunks are", async () => {
    const whole = Buffer.alloc(20 * mebibyte, "0123456789abcdef!");
    const expected = [8, 8, 4].map((size, i) => ({ size: size * mebibyte, last: i === 2 }));
    for (const chunk of [777_777, mebibyte, 9 * mebibyte, 40 * mebibyte]) {
      const body = async function* () {
        yield new Uint8Array();
        for (let at = 0; at < whole.byteLength; at += chunk) yield whole.subarray(at, at + chunk);
      };
      const { parts, reader } = await read(body());
      expect(parts).toEqual(expected);
      expect(reader.crc32).toBe(crc32(whole));
      expect(reader.sizeBytes).toBe(whole.byteLength);
    }
  });

  it("knows a full part for the last one where the body ends with it", async () => {
    const { parts } = await read(pieces(8));
    expect(parts).toEqual([{ size: 8 * mebibyte, last: true }]);
  });

  it("makes one empty part of an empty body", async () => {
    const { parts } = await read(pieces(0));
    expect(parts).toEqual([{ size: 0, last: true }]);
  });

  it("fills the same memory again", async () => {
    const reader = new PartReader(pieces(40));
    const memory = new Set<unknown>();
    for (let part = await reader.next(); part !== undefined; part = await reader.next()) {
      memory.add(part.bytes.buffer);
      reader.release(part);
    }
    expect(memory.size).toBe(1);
  });

  it("tells the body when nobody wants more, and waits until it has cleaned up", async () => {
    let cleaned = false;
    const body = async function* () {
      try {
        yield* pieces(20);
      } finally {
        cleaned = true;
      }
    };
    const reader = new PartReader(body());
    await reader.next();
    await reader.leave();
    expect(cleaned).toBe(true);
  });
});
