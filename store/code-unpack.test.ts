import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { Header } from "tar";
import { describe, expect, it } from "vitest";
import { codeKey } from "../core/keys.ts";
import { packCode, unpackCode, uploadCode } from "./code.ts";
import { maxCodeBytes } from "./code-files.ts";
import { openFolderStore } from "./folder.ts";
import { filesIn, writeFiles } from "./testing/files.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });

const freshStore = async () => await openFolderStore(await freshFolder());

interface Entry {
  readonly path: string;
  readonly type?: "File" | "Link" | "SymbolicLink" | "Directory" | "CharacterDevice" | "FIFO";
  readonly linkpath?: string;
  readonly content?: string;
  readonly size?: number;
}

function archive(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = "File", linkpath, content = "", size }) => {
    const body = Buffer.from(content);
    const header = new Header({
      path,
      type,
      size: size ?? body.length,
      mode: 0o644,
      ...(linkpath === undefined ? {} : { linkpath }),
    });
    header.encode();
    return [header.block ?? Buffer.alloc(0), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** Unpacks such an archive under its right name, in a folder of which everything else is looked at. */
async function unpacking(tar: Buffer) {
  const [store, around] = [await freshStore(), await freshFolder()];
  await writeFiles(around, { "outside/secret": "secret" });
  const key = codeKey(createHash("sha256").update(tar).digest("hex"));
  await store.create(key, gzipSync(tar));
  const result = await unpackCode(store, key, join(around, "in/code")).catch((error: unknown) => error);
  return { result, left: await filesIn(around) };
}

const untouched = { "outside/secret": "secret" };

describe("a hostile archive is refused, and nothing is written outside the folder nor left in it", () => {
  const bad: Record<string, readonly Entry[]> = {
    "a path out of the folder": [{ path: "../outside/secret", content: "bad" }],
    "a path out of it further in": [{ path: "a/../../outside/secret", content: "bad" }],
    "an absolute path": [{ path: "/tmp/pawl-hostile", content: "bad" }],
    "a link out of it": [{ path: "a", type: "SymbolicLink", linkpath: "../../outside" }],
    "a link to an absolute path": [{ path: "a", type: "SymbolicLink", linkpath: "/etc" }],
    "a link out through another link": [
      { path: "d/e/top", type: "SymbolicLink", linkpath: "../../x" },
      { path: "d/e/out", type: "SymbolicLink", linkpath: "top/../../outside" },
    ],
    "a file below a link": [
      { path: "x", type: "Directory" },
      { path: "a", type: "SymbolicLink", linkpath: "x" },
      { path: "a/b", content: "bad" },
    ],
    "a file in the place of a link": [
      { path: "a", type: "SymbolicLink", linkpath: "x" },
      { path: "a", content: "bad" },
    ],
    "a link in the place of a folder": [
      { path: "a/b", content: "fine" },
      { path: "a", type: "SymbolicLink", linkpath: "x" },
    ],
    "a hard link": [{ path: "a", type: "Link", linkpath: "../../outside/secret" }],
    "a device": [{ path: "a", type: "CharacterDevice" }],
    "a pipe": [{ path: "a", type: "FIFO" }],
    "more bytes than there may be": [{ path: "a", size: maxCodeBytes + 1 }],
  };
  for (const [what, entries] of Object.entries(bad)) {
    it(what, async () => {
      const { result, left } = await unpacking(archive([{ path: "first", content: "x" }, ...entries]));
      expect(result).toMatchObject({ code: "CODE_INVALID", next: expect.any(String) });
      expect(left).toEqual(untouched);
    });
  }

  it("what is no archive at all", async () => {
    for (const tar of [Buffer.from("hello"), Buffer.alloc(5000, 1), archive([]).subarray(0, 300)]) {
      const { result, left } = await unpacking(tar);
      expect(result).toMatchObject({ code: "CODE_INVALID" });
      expect(left).toEqual(untouched);
    }
  });

  it("and what is as it should be is not", async () => {
    const { result, left } = await unpacking(
      archive([
        { path: "a/b", content: "fine" },
        { path: "l", type: "SymbolicLink", linkpath: "./a/b" },
      ]),
    );
    expect(result).toBeUndefined();
    expect(left).toEqual({ ...untouched, "in/code/a/b": "fine", "in/code/l": "fine" });
  });
});

describe("packed code that is damaged is refused", () => {
  async function packed() {
    const folder = await writeFiles(await freshFolder(), { "a.py": "print(1)\n".repeat(300), "b/c.py": "c" });
    const store = await freshStore();
    const { key } = await packCode(folder);
    await uploadCode(store, await packCode(folder));
    return { key, bytes: Buffer.from((await store.read(key))?.bytes ?? "") };
  }

  async function refused(key: string, bytes: Uint8Array): Promise<void> {
    const [store, around] = [await freshStore(), await freshFolder()];
    await store.create(key, bytes);
    await expect(unpackCode(store, key, join(around, "code"))).rejects.toMatchObject({
      code: "CODE_DAMAGED",
    });
    expect(await readdir(around)).toEqual([]);
  }

  const stillMeans = (bytes: Uint8Array, tar: Uint8Array): boolean => {
    try {
      return gunzipSync(bytes).equals(tar);
    } catch {
      return false;
    }
  };

  it("wherever it is cut short", async () => {
    const { key, bytes } = await packed();
    for (let length = 0; length < bytes.length; length += 11) await refused(key, bytes.subarray(0, length));
  });

  it("whichever bit is another, before compression or after", async () => {
    const { key, bytes } = await packed();
    const tar = gunzipSync(bytes);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(7), fc.boolean(), async (where, bit, before) => {
        const turned = Buffer.from(before ? tar : bytes);
        // What gzip says of its own header (name, time, system) is not the code's.
        const at = before ? where % turned.length : 10 + (where % (turned.length - 10));
        turned[at] = (turned[at] ?? 0) ^ (1 << bit);
        // A few bits of the compressed form mean nothing.
        fc.pre(before || !stillMeans(turned, tar));
        await refused(key, before ? gzipSync(turned) : turned);
      }),
      { numRuns: 60 },
    );
  });

  it("where it is not there, or another is in its place", async () => {
    const { key } = await packed();
    const [store, around] = [await freshStore(), await freshFolder()];
    await expect(unpackCode(store, key, join(around, "code"))).rejects.toMatchObject({
      code: "CODE_DAMAGED",
      message: expect.stringContaining(key),
    });
    await refused(key, gzipSync(archive([{ path: "a.py", content: "another" }])));
  });

  it("and code is never unpacked over what is there", async () => {
    const { key, bytes } = await packed();
    const [store, folder] = [await freshStore(), await writeFiles(await freshFolder(), { mine: "mine" })];
    await store.create(key, bytes);
    await expect(unpackCode(store, key, folder)).rejects.toMatchObject({ code: "DESTINATION_EXISTS" });
    expect(await filesIn(folder)).toEqual({ mine: "mine" });
  });
});
