import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "../object-store.ts";
import { MemoryWatch, mebibyte, pieces } from "./memory.ts";

export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** Another instance over the same objects. */
  reopen(): Promise<ObjectStore>;
  cleanup(): Promise<void>;
}

/** What a store cannot do, each with the reason. What it does instead is tested: it refuses, and nothing is lost. */
export interface Gaps {
  /** Both `a` and `a/b` as keys. */
  readonly nestedKeys?: string;
  /** Keys of all the 1,024 bytes. */
  readonly longKeys?: string;
  /** Whether a version is there again once its bytes are there again. */
  readonly versionsByContent?: string;
  /** `after` among keys with other characters than those of ASCII. */
  readonly listAfter?: string;
}

const streamedMebibytes = 160;
/** Far below what is streamed, and above what a few pieces in flight take. */
const memoryLimit = 48 * mebibyte;

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");

const sha256 = (body: string | Uint8Array): string => createHash("sha256").update(body).digest("hex");

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What every object store does. `setup` makes a fresh, empty one for each test. */
export function describeObjectStore(
  name: string,
  setup: () => Promise<StoreUnderTest>,
  gaps: Gaps = {},
): void {
  describe(`${name} as an object store`, () => {
    let under: StoreUnderTest;
    let store: ObjectStore;

    beforeEach(async () => {
      under = await setup();
      store = under.store;
    });
    afterEach(async () => {
      await under.cleanup();
    });

    const contentOf = async (key: string) => text((await store.read(key))?.bytes);
    const keys = async (prefix: string, after?: string) =>
      (await collect(store.list(prefix, after === undefined ? {} : { after }))).map((object) => object.key);

    const created = async (key: string, body: string) => {
      const written = await store.create(key, body);
      if (written === undefined) throw new Error(`${key} was there already`);
      return written;
    };

    describe("create", () => {
      it("stores bytes, and says their size, digest and version", async () => {
        const written = await store.create("runs/a.json", "grüße");
        expect(written).toMatchObject({ sizeBytes: 7, sha256: sha256("grüße") });
        const object = await store.read("runs/a.json");
        expect(text(object?.bytes)).toBe("grüße");
        expect(object?.version).toBe(written?.version);
      });

      it("changes nothing where the key exists", async () => {
        await store.create("k", "first");
        expect(await store.create("k", "second")).toBeUndefined();
        expect(await store.create("k", pieces(1))).toBeUndefined();
        expect(await contentOf("k")).toBe("first");
      });

      it("has one winner among 8 writers", async () => {
        const stores = await Promise.all(Array.from({ length: 8 }, () => under.reopen()));
        for (let round = 0; round < 10; round += 1) {
          const key = `race/${round}`;
          const results = await Promise.all(stores.map((each, i) => each.create(key, `writer ${i}`)));
          const winners = results.flatMap((result, i) => (result === undefined ? [] : [i]));
          expect(winners).toHaveLength(1);
          expect(await contentOf(key)).toBe(`writer ${winners[0]}`);
        }
      });

      it("takes an empty object", async () => {
        expect(await store.create("empty", "")).toMatchObject({ sizeBytes: 0, sha256: sha256("") });
        expect((await store.read("empty"))?.bytes.byteLength).toBe(0);
        const opened = await store.open("empty");
        expect(opened?.sizeBytes).toBe(0);
        expect(await collect(opened?.body ?? pieces(1))).toEqual([]);
      });

      it("takes an empty stream", async () => {
        expect(await store.create("empty", pieces(0))).toMatchObject({ sizeBytes: 0, sha256: sha256("") });
        expect(await store.has("empty")).toBe(true);
      });

      it("is seen by another instance at once", async () => {
        const other = await under.reopen();
        await store.create("a/b", "here");
        expect(await other.has("a/b")).toBe(true);
        expect(text((await other.read("a/b"))?.bytes)).toBe("here");
      });
    });

    describe("replace", () => {
      it("replaces the version that was seen", async () => {
        const first = await created("k", "one");
        const second = await store.replace("k", first.version, "three");
        expect(second).toMatchObject({ sizeBytes: 5, sha256: sha256("three") });
        expect(await store.read("k")).toMatchObject({ version: second?.version });
        expect(await contentOf("k")).toBe("three");
        expect(await collect(store.list(""))).toEqual([{ key: "k", sizeBytes: 5 }]);
        const opened = await store.open("k");
        expect(opened).toMatchObject({ sizeBytes: 5, version: second?.version });
      });

      it("changes nothing where another version is there, or none", async () => {
        const first = await created("k", "one");
        const second = await store.replace("k", first.version, "two");
        expect(await store.replace("k", first.version, "lost")).toBeUndefined();
        expect(await store.replace("k", "no version", "lost")).toBeUndefined();
        expect(await store.replace("nothing", second?.version ?? "", "lost")).toBeUndefined();
        expect(await contentOf("k")).toBe("two");
        expect(await store.has("nothing")).toBe(false);
      });

      it("gives each write another version, also of the same bytes", async () => {
        let { version } = await created("k", "same");
        const seen = new Set([version]);
        for (let i = 0; i < 40; i += 1) {
          const written = await store.replace("k", version, "same");
          version = written?.version ?? "";
          seen.add(version);
        }
        await store.remove("k");
        seen.add((await created("k", "same")).version);
        expect(seen.size).toBe(42);
      });

      if (gaps.versionsByContent === undefined) {
        it("does not take a key that was removed and created again for the one that was seen", async () => {
          const first = await created("k", "same");
          await store.remove("k");
          await created("k", "same");
          expect(await store.replace("k", first.version, "lost")).toBeUndefined();
          expect(await contentOf("k")).toBe("same");
        });
      } else {
        it(`takes a key for the one that was seen where its bytes are there again (${gaps.versionsByContent})`, async () => {
          const first = await created("k", "same");
          await store.remove("k");
          const again = await created("k", "same");
          expect(await store.replace("k", first.version, "next")).toMatchObject({ sizeBytes: 4 });
          expect(await contentOf("k")).toBe("next");
          expect(await store.replace("k", again.version, "lost")).toBeUndefined();
          expect(await contentOf("k")).toBe("next");
        });
      }

      it("has one winner among 8 writers", async () => {
        const stores = await Promise.all(Array.from({ length: 8 }, () => under.reopen()));
        let { version } = await created("k", "begin");
        for (let round = 0; round < 25; round += 1) {
          const results = await Promise.all(
            stores.map((each, i) => each.replace("k", version, `${round}, writer ${i}`)),
          );
          const winners = results.flatMap((result, i) => (result === undefined ? [] : [{ result, i }]));
          expect(winners).toHaveLength(1);
          expect(await contentOf("k")).toBe(`${round}, writer ${winners[0]?.i}`);
          version = winners[0]?.result.version ?? "";
        }
      });

      it("loses no increment when 8 writers count together", async () => {
        const stores = await Promise.all(Array.from({ length: 8 }, () => under.reopen()));
        await created("count", "0");
        const increment = async (each: ObjectStore) => {
          for (;;) {
            const seen = await each.read("count");
            if (seen === undefined) throw new Error("the count is gone");
            const next = String(Number(text(seen.bytes)) + 1);
            if ((await each.replace("count", seen.version, next)) !== undefined) return;
          }
        };
        await Promise.all(
          stores.map(async (each) => {
            for (let i = 0; i < 10; i += 1) await increment(each);
          }),
        );
        expect(await contentOf("count")).toBe("80");
      });
    });

    describe("what is not there", () => {
      it("is undefined to read and open, and not had", async () => {
        await created("a/b", "x");
        for (const key of ["nothing", "a", "a/c", "a/b/c", "a/b/c/d"]) {
          expect(await store.read(key)).toBeUndefined();
          expect(await store.open(key)).toBeUndefined();
          expect(await store.has(key)).toBe(false);
          expect(await store.replace(key, "0", "x")).toBeUndefined();
          await store.remove(key);
        }
        expect(await keys("")).toEqual(["a/b"]);
      });
    });

    describe("remove", () => {
      it("removes a key, its replacements too, and makes room for a new one", async () => {
        const first = await created("a/b/k", "one");
        await store.replace("a/b/k", first.version, "two");
        await store.remove("a/b/k");
        expect(await store.has("a/b/k")).toBe(false);
        expect(await store.read("a/b/k")).toBeUndefined();
        expect(await keys("")).toEqual([]);
        expect(await collect(store.children(""))).toEqual([]);
        await store.remove("a/b/k");
        await created("a/b/k", "three");
        expect(await contentOf("a/b/k")).toBe("three");
      });

      it("leaves a key's neighbours alone", async () => {
        for (const key of ["a/b", "a/bc", "a/c/d"]) await created(key, key);
        await store.remove("a/b");
        await store.remove("a/c");
        expect(await keys("")).toEqual(["a/bc", "a/c/d"]);
      });
    });

    describe("list", () => {
      // In S3's order: '-' (2d) < '.' (2e) < '/' (2f) < '0' (30); U+FFFD (ef bf bd) < U+1F600 (f0 9f 98 80).
      const sorted = [
        "a-b",
        "a.b",
        "a/b",
        "a/b-c",
        "a/c/d",
        "a0",
        "b/x",
        "b c/y z",
        "ä",
        "\uFFFD",
        "\u{1F600}/x",
      ];
      const bytes = (key: string) => Buffer.from(key).toString("hex");
      sorted.sort((x, y) => (bytes(x) < bytes(y) ? -1 : 1));

      beforeEach(async () => {
        for (const key of [...sorted].reverse()) await created(key, key);
      });

      it("goes in ascending order of UTF-8 bytes, with sizes", async () => {
        const all = await collect(store.list(""));
        expect(all).toEqual(sorted.map((key) => ({ key, sizeBytes: Buffer.byteLength(key) })));
        expect(sorted.indexOf("a-b")).toBeLessThan(sorted.indexOf("a/b"));
        expect(sorted.indexOf("\uFFFD")).toBeLessThan(sorted.indexOf("\u{1F600}/x"));
      });

      it("keeps to a prefix, whether or not it ends in a slash", async () => {
        for (const prefix of [
          "a",
          "a/",
          "a/b",
          "a/c/d",
          "b",
          "b ",
          "nothing",
          "nothing/",
          "a/..",
          "/",
          "../",
        ]) {
          expect([prefix, await keys(prefix)]).toEqual([
            prefix,
            sorted.filter((key) => key.startsWith(prefix)),
          ]);
        }
      });

      const told = gaps.listAfter === undefined ? "" : `, of plain characters only (${gaps.listAfter})`;
      it(`begins after any key, whether or not it exists${told}`, async () => {
        const plain = (key: string) => gaps.listAfter === undefined || /^[ -~]*$/.test(key);
        for (const after of [...sorted, "", "a", "a/", "a/b/", "a/bb", "a/c", "a/c/e", "a/~", "z"].filter(
          plain,
        )) {
          const later = sorted.filter((key) => bytes(key) > bytes(after));
          expect([after, (await keys("", after)).filter(plain)]).toEqual([after, later.filter(plain)]);
          const below = later.filter((key) => key.startsWith("a/"));
          expect([after, await keys("a/", after)]).toEqual([after, below]);
        }
      });

      it("can be left in the middle", async () => {
        for await (const { key } of store.list("a")) {
          expect(key).toBe("a-b");
          break;
        }
      });

      it("gives as children the next segments that have keys below them", async () => {
        expect(await collect(store.children("a/"))).toEqual(["c"]);
        expect(await collect(store.children(""))).toEqual(["a", "b", "b c", "\u{1F600}"]);
        expect(await collect(store.children("nothing/"))).toEqual([]);
        await expect(collect(store.children("a"))).rejects.toMatchObject({ code: "STORE_KEY" });
      });
    });

    describe("large objects", () => {
      it("shows in this measure when a body is held in memory", async () => {
        const watch = new MemoryWatch();
        const held = await collect(pieces(streamedMebibytes, watch));
        expect(watch.peakBytes).toBeGreaterThan(2 * memoryLimit);
        expect(held).toHaveLength(streamedMebibytes);
      });

      it("are written and read with bounded memory", async () => {
        const expected = createHash("sha256");
        for await (const piece of pieces(streamedMebibytes)) expected.update(piece);
        const digest = expected.digest("hex");

        const writing = new MemoryWatch();
        const written = await store.create("large", pieces(streamedMebibytes, writing), { sha256: digest });
        expect(written).toMatchObject({ sizeBytes: streamedMebibytes * mebibyte, sha256: digest });
        expect(writing.peakBytes).toBeLessThan(memoryLimit);

        const reading = new MemoryWatch();
        const opened = await store.open("large");
        expect(opened?.sizeBytes).toBe(streamedMebibytes * mebibyte);
        const actual = createHash("sha256");
        let bytes = 0;
        for await (const chunk of opened?.body ?? []) {
          for (let at = 0; at < chunk.byteLength; at += mebibyte) reading.look();
          actual.update(chunk);
          bytes += chunk.byteLength;
        }
        expect(bytes).toBe(streamedMebibytes * mebibyte);
        expect(actual.digest("hex")).toBe(digest);
        expect(reading.peakBytes).toBeLessThan(memoryLimit);
      });

      it("can be replaced, by a stream too, and read in part", async () => {
        const first = await created("k", "small");
        const second = await store.replace("k", first.version, pieces(3));
        expect(second?.sizeBytes).toBe(3 * mebibyte);
        for await (const chunk of (await store.open("k"))?.body ?? []) {
          expect(text(chunk)).toMatch(/^piece 0;/);
          break;
        }
        expect(await keys("")).toEqual(["k"]);
      });
    });

    describe("what goes wrong", () => {
      const refused = (code: string) => ({ name: "PawlError", code });

      it("refuses a body with another digest, and writes nothing", async () => {
        const wrong = { sha256: sha256("something else") };
        await expect(store.create("k", "bytes", wrong)).rejects.toMatchObject(refused("STORE_DIGEST"));
        await expect(store.create("k", pieces(3), wrong)).rejects.toMatchObject(refused("STORE_DIGEST"));
        expect(await store.has("k")).toBe(false);
        const { version } = await created("k", "bytes");
        await expect(store.replace("k", version, "new", wrong)).rejects.toMatchObject({
          ...refused("STORE_DIGEST"),
          details: { key: "k" },
        });
        expect(await store.read("k")).toMatchObject({ version });
        const right = { sha256: sha256("new") };
        expect(await store.replace("k", version, "new", right)).toMatchObject(right);
      });

      it("leaves nothing of a stream that fails half-way, and gives its error back", async () => {
        const failure = new Error("the source broke");
        async function* broken() {
          yield* pieces(3);
          throw failure;
        }
        await expect(store.create("k", broken())).rejects.toBe(failure);
        expect(await store.has("k")).toBe(false);
        const { version } = await created("k", "old");
        await expect(store.replace("k", version, broken())).rejects.toBe(failure);
        expect(await contentOf("k")).toBe("old");
        expect(await keys("")).toEqual(["k"]);
      });

      it("refuses what is no key", async () => {
        const long = `${"x/".repeat(512)}x`;
        const bad = [
          "",
          "/",
          "/a",
          "a/",
          "a//b",
          ".",
          "..",
          "a/../b",
          "a/./b",
          "../a",
          ".a",
          ".internal/x",
          "a\0b",
        ];
        for (const key of [...bad, long, "\uD800"]) {
          await expect(store.create(key, "x"), key).rejects.toMatchObject(refused("STORE_KEY"));
          await expect(store.replace(key, "v", "x"), key).rejects.toMatchObject(refused("STORE_KEY"));
          await expect(store.read(key), key).rejects.toMatchObject(refused("STORE_KEY"));
          await expect(store.open(key), key).rejects.toMatchObject(refused("STORE_KEY"));
          await expect(store.has(key), key).rejects.toMatchObject(refused("STORE_KEY"));
          await expect(store.remove(key), key).rejects.toMatchObject(refused("STORE_KEY"));
        }
        expect(await keys("")).toEqual([]);
      });

      const length = gaps.longKeys === undefined ? "" : `, if it has room for them (${gaps.longKeys})`;
      it(`takes keys with spaces, other scripts, dots inside, and 1,024 bytes${length}`, async () => {
        const longest = `${"0123456789abcde/".repeat(63)}0123456789abcdef`;
        expect(Buffer.byteLength(longest)).toBe(1024);
        const good = ["a b/c  d", "日本語/ключ", "a/.hidden", "a/...", "a%2Fb", "a\\b", "a\nb", "a:b*?", "é"];
        if (gaps.longKeys === undefined) good.push(longest);
        else await expect(store.create(longest, "x")).rejects.toMatchObject(refused("STORE_KEY"));
        for (const key of good) await created(key, key);
        for (const key of good) expect(await contentOf(key)).toBe(key);
        expect((await keys("")).sort()).toEqual([...good].sort());
        expect(await keys(longest)).toEqual(good.filter((key) => key === longest));
      });

      if (gaps.nestedKeys === undefined) {
        it("keeps a key and keys below it", async () => {
          await created("a/b", "outer");
          await created("a/b/c", "inner");
          expect([await contentOf("a/b"), await contentOf("a/b/c")]).toEqual(["outer", "inner"]);
        });
      } else {
        it(`refuses a key below another one (${gaps.nestedKeys})`, async () => {
          await created("a/b", "outer");
          await expect(store.create("a/b/c", "x")).rejects.toMatchObject(refused("STORE_UNWRITABLE"));
          await expect(store.create("a", "x")).rejects.toMatchObject(refused("STORE_UNWRITABLE"));
          expect(await keys("")).toEqual(["a/b"]);
        });
      }
    });
  });
}
