import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  appendFile,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { checkpointPrefix, manifestKey } from "../core/keys.ts";
import { Manifest, referredCheckpoints } from "../core/manifest.ts";
import {
  findCheckpoints,
  readManifest,
  removeCheckpoint,
  restoreCheckpoint,
  type SaveInput,
  saveCheckpoint,
} from "./checkpoints.ts";
import { openFolderStore } from "./folder.ts";
import type { ObjectStore } from "./object-store.ts";
import { type Files, filesIn, writeFiles } from "./testing/files.ts";
import { MemoryWatch, mebibyte, pieces } from "./testing/memory.ts";
import { storeVariant } from "./testing/store-variant.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders();
let root: string;
let store: ObjectStore;

beforeEach(async () => {
  root = await freshFolder();
  store = await openFolderStore(root);
});

const folderWith = async (files: Files): Promise<string> => await writeFiles(await freshFolder(), files);

const input = (folder: string, epoch: number, more: Partial<SaveInput> = {}): SaveInput => ({
  run: "digits-1",
  attempt: 7,
  epoch,
  folder,
  jobDigest: "a".repeat(64),
  at: "2026-11-21T10:00:00.000Z",
  reports: [{ epoch, metrics: { loss: 0.5 }, seconds: 1 }],
  ...more,
});

const save = async (files: Files, epoch: number, more: Partial<SaveInput> = {}): Promise<Manifest> =>
  await saveCheckpoint(store, input(await folderWith(files), epoch, more));

const restored = async (name: string): Promise<Files> => {
  const folder = join(await freshFolder(), "into", "this");
  await restoreCheckpoint(store, "digits-1", name, folder);
  return await filesIn(folder);
};

async function keys(prefix = ""): Promise<string[]> {
  const all: string[] = [];
  for await (const { key } of store.list(prefix)) all.push(key);
  return all;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const files: Files = {
  "model.bin": "weights",
  "optimizer/state.bin": "momenta",
  empty: "",
  "a b/ü.json": "{}",
};

describe("saving", () => {
  it("keeps a folder's files at plain paths, with a manifest, and gives them back", async () => {
    const manifest = await save(files, 3, { framework: "none 1" });
    expect(await keys()).toEqual(
      ["a b/ü.json", "empty", "manifest.json", "model.bin", "optimizer/state.bin"].map(
        (path) => `checkpoints/digits-1/3-7/${path}`,
      ),
    );
    expect(manifest).toMatchObject({ name: "3-7", epoch: 3, attempt: 7, framework: "none 1" });
    expect(manifest.files.map((file) => file.path)).toEqual([
      "a b/ü.json",
      "empty",
      "model.bin",
      "optimizer/state.bin",
    ]);
    expect(manifest.files[2]).toEqual({
      path: "model.bin",
      key: "checkpoints/digits-1/3-7/model.bin",
      sizeBytes: 7,
      sha256: sha256("weights"),
    });
    expect(await readManifest(store, "digits-1", "3-7")).toEqual(manifest);
    expect(await readFile(join(root, "checkpoints/digits-1/3-7/model.bin"), "utf8")).toBe("weights");
    expect(await restored("3-7")).toEqual(files);
  });

  it("ignores empty folders, and refuses a folder without any file", async () => {
    const folder = await folderWith({ "model.bin": "x" });
    await mkdir(join(folder, "nothing/in/here"), { recursive: true });
    expect((await saveCheckpoint(store, input(folder, 1))).files).toHaveLength(1);
    await rm(join(folder, "model.bin"));
    await expect(saveCheckpoint(store, input(folder, 2))).rejects.toMatchObject({
      code: "CHECKPOINT_PATH",
      message: expect.stringContaining("wrote no file"),
    });
    await expect(saveCheckpoint(store, input(join(folder, "absent"), 2))).rejects.toMatchObject({
      code: "CHECKPOINT_PATH",
    });
  });

  it("refuses what is no regular file or has a name that cannot be kept, naming it", async () => {
    const makers: Record<string, (path: string) => Promise<unknown>> = {
      "sub/link": (path) => symlink("/etc/hostname", path),
      "sub/folder-link": (path) => symlink("/etc", path),
      "sub/dangling": (path) => symlink("nowhere", path),
      "sub/socket": (path) =>
        new Promise((done) =>
          createServer()
            .unref()
            .listen(path, () => done(undefined)),
        ),
      "sub/back\\slash": (path) => writeFile(path, "x"),
      "manifest.json": (path) => writeFile(path, "{}"),
    };
    for (const [path, make] of Object.entries(makers)) {
      const folder = await folderWith({ "sub/model.bin": "x" });
      await make(join(folder, path));
      await expect(saveCheckpoint(store, input(folder, 1)), path).rejects.toMatchObject({
        code: "CHECKPOINT_PATH",
        message: expect.stringContaining(path),
        details: { path },
      });
    }
    expect(await keys()).toEqual([]);
  });

  it("may be repeated after it was cut short anywhere", async () => {
    const folder = await folderWith(files);
    for (let fails = 0; fails < 20; fails += 1) {
      await removeCheckpoint(store, "digits-1", "3-7");
      let creates = 0;
      const breaking = storeVariant(store, {
        create: async (...all) => {
          creates += 1;
          if (creates > fails) throw new Error("cut short");
          return await store.create(...all);
        },
      });
      const first = await saveCheckpoint(breaking, input(folder, 3), { concurrency: 1 }).catch(
        () => undefined,
      );
      expect(await readManifest(store, "digits-1", "3-7")).toEqual(first);
      const second = await saveCheckpoint(store, input(folder, 3, { at: "2026-11-21T11:00:00.000Z" }));
      expect(await readManifest(store, "digits-1", "3-7")).toEqual(second);
      expect(await restored("3-7")).toEqual(files);
      if (first === undefined) continue;
      // Complete already: the first one's manifest stands.
      expect(second).toEqual(first);
      expect(fails).toBe(5);
      return;
    }
    throw new Error("it was never let through");
  });

  it("refuses to mix with other bytes of the same name", async () => {
    await store.create("checkpoints/digits-1/3-7/model.bin", "others'");
    await expect(save(files, 3)).rejects.toMatchObject({
      code: "CHECKPOINT_DAMAGED",
      details: { checkpoint: "3-7", path: "model.bin" },
    });
    expect(await readManifest(store, "digits-1", "3-7")).toBeUndefined();

    await save({ "model.bin": "one" }, 4);
    await expect(save({ "model.bin": "one", more: "" }, 4)).rejects.toMatchObject({
      code: "CHECKPOINT_DAMAGED",
      details: { checkpoint: "4-7", path: "manifest.json" },
    });
    expect(await restored("4-7")).toEqual({ "model.bin": "one" });
  });

  it("ends when it is told to, and leaves no manifest", async () => {
    const folder = await folderWith(files);
    const reason = new Error("the instance goes away");
    await expect(saveCheckpoint(store, input(folder, 1), { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const controller = new AbortController();
    await writeLarge(join(folder, "large.bin"), 8);
    const stopping = storeVariant(store, {
      create: (key, body) => {
        if (key.endsWith("large.bin")) controller.abort(reason);
        return store.create(key, body);
      },
    });
    await expect(saveCheckpoint(stopping, input(folder, 1), controller)).rejects.toBe(reason);
    expect(await keys()).not.toContain(manifestKey("digits-1", "1-7"));
    expect(await keys()).not.toContain("checkpoints/digits-1/1-7/large.bin");
  });

  it("takes 1,000 small files", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`part-${i % 10}/${i}.bin`, `content ${i}`]),
    );
    const manifest = await save(many, 1);
    expect(manifest.files).toHaveLength(1000);
    expect(await restored("1-7")).toEqual(many);
    const next = await save({ ...many, "part-3/3.bin": "changed" }, 2, { previous: manifest });
    expect(await keys(checkpointPrefix("digits-1", "2-7"))).toEqual([
      "checkpoints/digits-1/2-7/manifest.json",
      "checkpoints/digits-1/2-7/part-3/3.bin",
    ]);
    expect(next.files).toHaveLength(1000);
    expect(await restored("2-7")).toEqual({ ...many, "part-3/3.bin": "changed" });
    await removeCheckpoint(store, "digits-1", "1-7");
    expect(await keys(checkpointPrefix("digits-1", "1-7"))).toEqual([]);
  });
});

async function writeLarge(path: string, mebibytes: number): Promise<void> {
  const file = await open(path, "wx");
  for await (const piece of pieces(mebibytes)) await file.write(piece);
  await file.close();
}

const digestOfFile = async (path: string): Promise<string> => {
  const digest = createHash("sha256");
  for await (const chunk of createReadStream(path)) digest.update(chunk);
  return digest.digest("hex");
};

describe("large files", () => {
  it("are saved, compared and restored with bounded memory", async () => {
    const folder = await freshFolder();
    for (const name of ["a.bin", "b.bin"]) await writeLarge(join(folder, name), 96);
    const watch = new MemoryWatch();
    const watching = storeVariant(store, {
      create: (key, body, options) =>
        store.create(
          key,
          typeof body === "string" || body instanceof Uint8Array ? body : watched(body),
          options,
        ),
      open: async (key) => {
        const object = await store.open(key);
        return object === undefined ? undefined : { ...object, body: watched(object.body) };
      },
    });
    async function* watched(chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        watch.look();
        yield chunk;
      }
    }
    const first = await saveCheckpoint(watching, input(folder, 1));
    await appendFile(join(folder, "b.bin"), "more");
    const second = await saveCheckpoint(watching, input(folder, 2, { previous: first }));
    expect(second.files.map((file) => file.key)).toEqual([
      "checkpoints/digits-1/1-7/a.bin",
      "checkpoints/digits-1/2-7/b.bin",
    ]);
    const into = await freshFolder();
    await restoreCheckpoint(watching, "digits-1", "2-7", into);
    for (const name of ["a.bin", "b.bin"]) {
      expect(await digestOfFile(join(into, name))).toBe(await digestOfFile(join(folder, name)));
    }
    expect(watch.peakBytes).toBeLessThan(48 * mebibyte);
  });
});

describe("files that have not changed", () => {
  it("are referred to where their bytes are, never by a chain", async () => {
    const one = await save({ frozen: "same", head: "1" }, 1);
    const two = await save({ frozen: "same", head: "2" }, 2, { previous: one });
    const three = await save({ frozen: "same", head: "3" }, 3, { previous: two });
    expect(three.files).toMatchObject([
      { path: "frozen", key: "checkpoints/digits-1/1-7/frozen" },
      { path: "head", key: "checkpoints/digits-1/3-7/head" },
    ]);
    expect(referredCheckpoints(three)).toEqual(["1-7"]);
    expect(await restored("3-7")).toEqual({ frozen: "same", head: "3" });
    await removeCheckpoint(store, "digits-1", "2-7");
    expect(await restored("3-7")).toEqual({ frozen: "same", head: "3" });
  });

  it("are written again where only the path or only the size is the same", async () => {
    const one = await save({ a: "same", b: "1234" }, 1);
    const two = await save({ moved: "same", b: "5678" }, 2, { previous: one });
    expect(referredCheckpoints(two)).toEqual([]);
    expect(await restored("2-7")).toEqual({ moved: "same", b: "5678" });
  });

  it("are referred to in at most 4 other checkpoints, those that save most bytes", async () => {
    const content = (i: number) => `${i}`.repeat(100 * i);
    const all: Record<string, string> = {};
    let previous: Manifest | undefined;
    for (let i = 1; i <= 6; i += 1) {
      all[`file-${i}`] = content(i);
      previous = await save({ ...all, head: `${i}` }, i, previous === undefined ? {} : { previous });
    }
    // file-1 and file-2 save least: they were written again, each into the checkpoint that needed it.
    const last = await save({ ...all, head: "7" }, 7, previous === undefined ? {} : { previous });
    expect(referredCheckpoints(last).length).toBeLessThanOrEqual(4);
    const holders = Object.fromEntries(last.files.map((file) => [file.path, file.key.split("/")[2]]));
    for (const i of [4, 5, 6]) expect(holders[`file-${i}`]).toBe(`${i}-7`);
    expect(await restored("7-7")).toEqual({ ...all, head: "7" });
  });

  it("are not referred to in another run", async () => {
    const one = await save(files, 1, { run: "other" });
    const two = await save(files, 2, { previous: one });
    expect(referredCheckpoints(two)).toEqual([]);
    await removeCheckpoint(store, "other", "1-7");
    expect(await restored("2-7")).toEqual(files);
  });
});

describe("restoring", () => {
  const modelKey = "checkpoints/digits-1/3-7/model.bin";

  const damaged = async (path: string) => {
    const folder = await freshFolder();
    await expect(restoreCheckpoint(store, "digits-1", "3-7", folder)).rejects.toMatchObject({
      name: "PawlError",
      code: "CHECKPOINT_DAMAGED",
      message: expect.stringContaining("3-7"),
      details: { checkpoint: "3-7", path },
    });
    expect(await readdir(folder)).toEqual([]);
  };

  beforeEach(async () => {
    await save(files, 3);
  });

  it("notices every flipped bit, a lost byte, an added one, and a file that is gone", async () => {
    const path = join(root, modelKey);
    const good = await readFile(path);
    for (let bit = 0; bit < good.byteLength * 8; bit += 1) {
      const bad = Buffer.from(good);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(path, bad);
      await damaged("model.bin");
    }
    await writeFile(path, good);
    await truncate(path, good.byteLength - 1);
    await damaged("model.bin");
    await writeFile(path, `${good}+`);
    await damaged("model.bin");
    await rm(path);
    await damaged("model.bin");
    await writeFile(path, good);
    expect(await restored("3-7")).toEqual(files);
  });

  it("notices a manifest that is missing, cut off, of another checkpoint, or leads out of the folder", async () => {
    const path = join(root, manifestKey("digits-1", "3-7"));
    const good = Manifest.parse(JSON.parse(await readFile(path, "utf8")));
    const bad: unknown[] = [
      { ...good, name: "4-7" },
      { ...good, run: "digits-2" },
      { ...good, epoch: 4 },
      { ...good, files: [...good.files, good.files[0]] },
      { ...good, files: [...good.files, { ...good.files[0], path: "model.bin/inner" }] },
      { ...good, version: 2 },
      ...["../out", "/tmp/out", "a/../../out", "a//b", ".", "a\0b", "manifest.json"].map((wrong) => ({
        ...good,
        files: [{ ...good.files[0], path: wrong }],
      })),
    ];
    for (const manifest of bad) {
      await writeFile(path, JSON.stringify(manifest));
      await damaged("manifest.json");
      await expect(readManifest(store, "digits-1", "3-7")).rejects.toMatchObject({
        code: "CHECKPOINT_DAMAGED",
      });
    }
    await writeFile(path, JSON.stringify(good).slice(0, -10));
    await damaged("manifest.json");
    await rm(path);
    await damaged("manifest.json");
    expect(await readManifest(store, "digits-1", "3-7")).toBeUndefined();
  });

  it("notices a manifest with a key that cannot be", async () => {
    const path = join(root, manifestKey("digits-1", "3-7"));
    const good = Manifest.parse(JSON.parse(await readFile(path, "utf8")));
    for (const key of ["../../etc/passwd", "/etc/passwd", ".internal/tmp/x"]) {
      await writeFile(path, JSON.stringify({ ...good, files: [{ ...good.files[0], key }] }));
      await damaged("a b/ü.json");
    }
  });

  it("writes into an empty or absent folder only", async () => {
    const folder = await folderWith({ mine: "keep" });
    const into = (target: string) => restoreCheckpoint(store, "digits-1", "3-7", target);
    await expect(into(folder)).rejects.toMatchObject({ code: "DESTINATION_EXISTS" });
    expect(await filesIn(folder)).toEqual({ mine: "keep" });
    const trap = await freshFolder();
    const outside = await freshFolder();
    await symlink(outside, join(trap, "optimizer"));
    await expect(into(trap)).rejects.toMatchObject({ code: "DESTINATION_EXISTS" });
    expect(await readdir(outside)).toEqual([]);
    await expect(into(join(folder, "mine"))).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
  });

  it("passes on a store's failure as what it is", async () => {
    const failure = new Error("the network is gone");
    const broken = storeVariant(store, {
      open: async () => {
        throw failure;
      },
    });
    const folder = await freshFolder();
    await expect(restoreCheckpoint(broken, "digits-1", "3-7", folder)).rejects.toBe(failure);
    const reason = new Error("enough");
    const options = { signal: AbortSignal.abort(reason) };
    await expect(restoreCheckpoint(store, "digits-1", "3-7", folder, options)).rejects.toBe(reason);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("removing", () => {
  it("takes the manifest first, so that no incomplete checkpoint looks complete, and finishes when called again", async () => {
    for (let fails = 0; fails < 20; fails += 1) {
      await save(files, 3);
      const neighbour = await save({ "model.bin": "other" }, 31);
      let removes = 0;
      const breaking = storeVariant(store, {
        remove: async (key) => {
          removes += 1;
          if (removes > fails) throw new Error("cut short");
          await store.remove(key);
        },
      });
      const done = await removeCheckpoint(breaking, "digits-1", "3-7").then(
        () => true,
        () => false,
      );
      if ((await readManifest(store, "digits-1", "3-7")) !== undefined)
        expect(await restored("3-7")).toEqual(files);
      await removeCheckpoint(store, "digits-1", "3-7");
      await removeCheckpoint(store, "digits-1", "3-7");
      expect(await keys(checkpointPrefix("digits-1", "3-7"))).toEqual([]);
      expect(await readManifest(store, "digits-1", "31-7")).toEqual(neighbour);
      if (!done) continue;
      expect(fails).toBe(5);
      return;
    }
    throw new Error("it was never let through");
  });
});

describe("finding", () => {
  it("gives an attempt's complete checkpoints of a range of epochs, in order, without listing their files", async () => {
    for (const epoch of [2, 3, 5, 6, 12]) await save({ "model.bin": `${epoch}` }, epoch);
    await save({ "model.bin": "another attempt's" }, 4, { attempt: 8 });
    await store.create("checkpoints/digits-1/7-7/model.bin", "without a manifest");
    await writeFile(join(root, manifestKey("digits-1", "5-7")), "{damaged");
    const blind = storeVariant(store, {
      list: () => {
        throw new Error("listed");
      },
    });
    const names = async (from: number, through?: number) =>
      (await findCheckpoints(blind, "digits-1", 7, from, through)).complete.map((each) => each.name);
    expect(await names(3, 20)).toEqual(["3-7", "6-7", "12-7"]);
    expect(await names(1, 2)).toEqual(["2-7"]);
    expect(await names(2)).toEqual(["2-7"]);
    expect(await names(4)).toEqual([]);
    expect(await names(9, 8)).toEqual([]);
    expect((await findCheckpoints(blind, "digits-1", 7, 1, 20)).unfinished.toSorted()).toEqual([
      "5-7",
      "7-7",
    ]);
    expect((await findCheckpoints(store, "digits-1", 7, 6)).complete[0]).toMatchObject({
      files: 1,
      sizeBytes: 1,
      refersTo: [],
    });
  });

  it("gives those taken in the middle of an epoch as well, each after all that it goes on from", async () => {
    const at = (step: number) => ({
      partial: { step, position: { taken: step }, seconds: step / 10 },
      reports: [],
    });
    for (const step of [1000, 90, 2]) await save({ "model.bin": `${step}` }, 4, at(step));
    await save({ "model.bin": "the end of 3" }, 3);
    await save({ "model.bin": "the end of 4" }, 4);
    await save({ "model.bin": "another attempt's" }, 4, { attempt: 77, ...at(5) });
    await save({ "model.bin": "later" }, 41, at(7));
    await store.create("checkpoints/digits-1/4-7-95/model.bin", "without a manifest");
    const { complete: found, unfinished } = await findCheckpoints(store, "digits-1", 7, 3, 5);
    expect(unfinished).toEqual(["4-7-95"]);
    expect(found.map(({ name }) => name)).toEqual(["3-7", "4-7-2", "4-7-90", "4-7-1000", "4-7"]);
    expect(found[2]).toMatchObject({ epoch: 4, step: 90, seconds: 9, reports: [] });
    expect((await findCheckpoints(store, "digits-1", 7, 41)).complete).toMatchObject([{ name: "41-7-7" }]);
  });
});

describe("a checkpoint in the middle of an epoch", () => {
  const partial = { step: 120, position: { taken: 3840, of: ["a", null] }, seconds: 12.5 };

  it("says how far it is, and where in the data training goes on, besides the reports of whole epochs", async () => {
    const reports = [{ epoch: 2, metrics: { loss: 0.5 }, seconds: 1 }];
    const manifest = await save(files, 3, { partial, reports });
    expect(manifest).toMatchObject({ name: "3-7-120", epoch: 3, ...partial, reports });
    const into = join(await freshFolder(), "into");
    expect(await restoreCheckpoint(store, "digits-1", "3-7-120", into)).toEqual(manifest);
    expect(await filesIn(into)).toEqual(files);
  });

  it("is another than that of the epoch's end, and unchanged files are referred to from there", async () => {
    const half = await save(files, 3, { partial, reports: [] });
    const whole = await save({ ...files, "model.bin": "trained" }, 3, { previous: half });
    expect(whole.name).toBe("3-7");
    expect(referredCheckpoints(whole)).toEqual(["3-7-120"]);
    expect(await restored("3-7-120")).toEqual(files);
  });

  it.each([
    ["the report of its own epoch", { reports: [{ epoch: 3, metrics: {}, seconds: 1 }] }],
    ["a later report missing", { reports: [{ epoch: 1, metrics: {}, seconds: 1 }] }],
  ])("is refused with %s", async (_, more) => {
    await expect(save(files, 3, { partial, ...more })).rejects.toThrow("does not go together");
    expect(await readManifest(store, "digits-1", "3-7-120")).toBeUndefined();
  });

  it("is damaged where its manifest says another step than its name", async () => {
    const manifest = await save(files, 3, { partial, reports: [] });
    await store.create(manifestKey("digits-1", "3-7-121"), JSON.stringify(manifest));
    const says = { ...manifest, name: "3-7-122" };
    await store.create(manifestKey("digits-1", "3-7-122"), JSON.stringify(says));
    for (const name of ["3-7-121", "3-7-122"])
      await expect(readManifest(store, "digits-1", name)).rejects.toMatchObject({
        code: "CHECKPOINT_DAMAGED",
      });
  });
});
