import { cp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Origin } from "../core/checkpoint-source.ts";
import { checkpointPrefix } from "../core/keys.ts";
import type { Manifest } from "../core/manifest.ts";
import { removeCheckpoint, saveCheckpoint } from "./checkpoints.ts";
import { type Fill, fillFolder } from "./checkpoints-fill.ts";
import { findManifest } from "./checkpoints-manifest.ts";
import { restoreOrigin } from "./checkpoints-origin.ts";
import { lookAt } from "./checkpoints-place.ts";
import { openFolderStore } from "./folder.ts";
import type { ObjectStore } from "./object-store.ts";
import { type Files, filesIn, writeFiles } from "./testing/files.ts";
import { MemoryWatch, mebibyte } from "./testing/memory.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });
let root: string;
let store: ObjectStore;

beforeEach(async () => {
  root = await freshFolder();
  store = await openFolderStore(root);
});

const folderWith = async (files: Files): Promise<string> => await writeFiles(await freshFolder(), files);

const save = async (files: Files, epoch: number, previous?: Manifest): Promise<Manifest> =>
  await saveCheckpoint(store, {
    run: "base-1",
    attempt: 1,
    epoch,
    folder: await folderWith(files),
    jobDigest: "a".repeat(64),
    at: "2026-11-21T10:00:00.000Z",
    reports: [{ epoch, metrics: {}, seconds: 1 }],
    ...(previous === undefined ? {} : { previous }),
  });

async function originAt(place: string): Promise<Origin> {
  const { files, sizeBytes, digest } = await lookAt(place);
  return { place, files: files.length, sizeBytes, digest };
}

async function originOf(manifest: Manifest, at?: string): Promise<Origin> {
  const digest = (await findManifest(store, manifest.run, manifest.name))?.digest ?? "";
  const other = at === undefined ? {} : { store: at };
  return { ...other, run: manifest.run, checkpoint: manifest.name, digest };
}

/** What a fresh folder holds after the origin is restored into it; it has to be empty after a failure. */
async function restored(origin: Origin, folder?: string): Promise<Files> {
  const to = join(await freshFolder(), "checkpoint");
  try {
    await restoreOrigin(origin, { store, folder }, to);
  } finally {
    const left = await filesIn(to).catch(() => ({}));
    lastLeft = left;
  }
  return await filesIn(to);
}
let lastLeft: Files = {};

async function refused(work: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code });
  for (const word of words) expect(String(error)).toContain(word);
}

type Opened = Awaited<ReturnType<Fill["open"]>>;

const watching = ({ body, sizeBytes }: Opened, watch: MemoryWatch): Opened => ({
  sizeBytes,
  body: (async function* () {
    for await (const chunk of body) {
      watch.look();
      yield chunk;
    }
  })(),
});

const files: Files = { "model.bin": "weights", "tokenizer/vocabulary.json": "{}", empty: "", ".hidden": "h" };

describe("beginning from a folder", () => {
  it("copies its files as they are, and writes nothing into it", async () => {
    const folder = await folderWith(files);
    const before = await filesIn(folder);
    expect(await restored(await originAt(folder))).toEqual(files);
    expect(await filesIn(folder)).toEqual(before);
  });

  it("finds a relative one below the job file's folder, where that is now", async () => {
    const job = await folderWith({ "pretrained/model.bin": "weights" });
    const origin: Origin = { ...(await originAt(join(job, "pretrained"))), place: "./pretrained" };
    const moved = join(await freshFolder(), "moved");
    await cp(job, moved, { recursive: true });
    await rm(job, { recursive: true });
    expect(await restored(origin, moved)).toEqual({ "model.bin": "weights" });
    await refused(restored(origin), "CHECKPOINT_NOT_FOUND", "relative to the job file's folder");
  });

  it("follows a link to the folder, and none in it", async () => {
    const folder = await folderWith(files);
    const link = join(await freshFolder(), "link");
    await symlink(folder, link);
    expect(await restored(await originAt(link))).toEqual(files);
    const secret = await folderWith({ secret: "not to be copied" });
    await symlink(join(secret, "secret"), join(folder, "innocent"));
    await refused(lookAt(folder), "CHECKPOINT_PATH", "innocent", "symbolic link");
    await rm(join(folder, "innocent"));
    await symlink(secret, join(folder, "innocent"));
    await refused(lookAt(folder), "CHECKPOINT_PATH", "innocent", "symbolic link");
  });

  it("refuses a socket, and a name that no checkpoint can have", async () => {
    const folder = await folderWith(files);
    const server = createServer();
    await new Promise<void>((listening) => server.listen(join(folder, "socket"), listening));
    await refused(lookAt(folder), "CHECKPOINT_PATH", "socket");
    await new Promise((closed) => server.close(closed));
    await writeFile(join(folder, "back\\slash"), "");
    await refused(lookAt(folder), "CHECKPOINT_PATH", "back\\slash");
  });

  it("says what is there instead: nothing, a file, an empty folder", async () => {
    const folder = await folderWith(files);
    await refused(lookAt(join(folder, "absent")), "CHECKPOINT_NOT_FOUND", "there is no folder");
    await refused(lookAt(join(folder, "model.bin")), "CHECKPOINT_NOT_FOUND", "is a file, not a folder");
    await refused(lookAt(await freshFolder()), "CHECKPOINT_NOT_FOUND", "there is no file in");
    const beside = await folderWith({ ...files, ".pawl/journal/digits-1/0000000001.json": "{}" });
    await refused(lookAt(beside), "CHECKPOINT_NOT_FOUND", "/.pawl is a store of runs");
    const runs = await folderWith({ "journal/a/1.json": "{}", "checkpoints/a/1-1/model": "" });
    await refused(lookAt(runs), "CHECKPOINT_NOT_FOUND", "is a store of runs");
  });

  it("fails where it is gone, or has other files than when the run began, and leaves nothing", async () => {
    const folder = await folderWith(files);
    const origin = await originAt(folder);
    await writeFile(join(folder, "more.bin"), "1");
    await refused(restored(origin), "CHECKPOINT_DAMAGED", "has changed since the run began", "4 files of 10");
    expect(lastLeft).toEqual({});
    await rm(join(folder, "more.bin"));
    expect(await restored(origin)).toEqual(files);
    await rm(folder, { recursive: true });
    await refused(restored(origin), "CHECKPOINT_NOT_FOUND", folder);
  });

  it("names a file that changes while it is read, and leaves nothing", async () => {
    const folder = await folderWith(files);
    const { files: found } = await lookAt(folder);
    await writeFile(join(folder, "model.bin"), "Weights");
    const to = join(await freshFolder(), "checkpoint");
    await refused(fillFolder(to, found, {}), "CHECKPOINT_PATH", "model.bin cannot be read");
    expect(await readdir(to)).toEqual([]);
  });

  it("holds far less in memory than its files' size", async () => {
    const folder = await folderWith({});
    for (const name of ["a", "b", "c", "d"]) {
      await writeFile(join(folder, name), "");
      await truncate(join(folder, name), 48 * mebibyte);
    }
    const watch = new MemoryWatch();
    const { files: found } = await lookAt(folder);
    const watched = found.map((file) => ({ ...file, open: async () => watching(await file.open(), watch) }));
    await fillFolder(join(await freshFolder(), "checkpoint"), watched, {});
    expect(watch.peakBytes).toBeLessThan(32 * mebibyte);
  });
});

describe("beginning from a copied checkpoint", () => {
  const copy = async ({ run, name }: Manifest): Promise<string> => {
    const to = join(await freshFolder(), "copy");
    await cp(join(root, checkpointPrefix(run, name)), to, { recursive: true });
    return to;
  };

  it("takes the files that its manifest lists, and no others", async () => {
    const folder = await copy(await save(files, 3));
    await writeFile(join(folder, "notes.txt"), "mine");
    expect(await restored(await originAt(folder))).toEqual(files);
  });

  it("checks each digest, and leaves nothing where one is wrong", async () => {
    const folder = await copy(await save(files, 3));
    const origin = await originAt(folder);
    await writeFile(join(folder, "model.bin"), "Weights");
    await refused(restored(origin), "CHECKPOINT_DAMAGED", "model.bin", "another digest");
    expect(lastLeft).toEqual({});
    await writeFile(join(folder, "model.bin"), "weight");
    await refused(restored(origin), "CHECKPOINT_DAMAGED", "model.bin", "6 bytes, not 7");
    await rm(join(folder, "model.bin"));
    await refused(restored(origin), "CHECKPOINT_DAMAGED", "model.bin is missing");
  });

  it("says so where an earlier checkpoint holds some of its files", async () => {
    const first = await save(files, 1);
    const folder = await copy(await save({ ...files, "model.bin": "new" }, 2, first));
    await refused(lookAt(folder), "CHECKPOINT_DAMAGED", "held by an earlier checkpoint", "1-1");
  });

  it("refuses a manifest.json that is none of ours", async () => {
    const folder = await folderWith({ ...files, "manifest.json": '{"name": "my model"}' });
    await refused(lookAt(folder), "CHECKPOINT_DAMAGED", "manifest.json cannot be read");
  });
});

describe("beginning from a run's checkpoint", () => {
  it("restores it, with the files that earlier checkpoints hold, and verifies them", async () => {
    const first = await save(files, 1);
    const second = await save({ ...files, "model.bin": "new" }, 2, first);
    expect(await restored(await originOf(second))).toEqual({ ...files, "model.bin": "new" });
    await writeFile(join(root, checkpointPrefix("base-1", "1-1"), "tokenizer/vocabulary.json"), "[]");
    await refused(restored(await originOf(second)), "CHECKPOINT_DAMAGED", "vocabulary.json");
    expect(lastLeft).toEqual({});
  });

  it("finds it in another store, which it neither makes nor writes to", async () => {
    const manifest = await save(files, 1);
    const origin = await originOf(manifest, "../other");
    const before = await readdir(root, { recursive: true });
    const away = { store: await openFolderStore(await freshFolder()), folder: join(root, "..", "job") };
    const to = join(await freshFolder(), "checkpoint");
    const elsewhere: Origin = { ...origin, store: root };
    await restoreOrigin(elsewhere, away, to);
    expect(await filesIn(to)).toEqual(files);
    expect(await readdir(root, { recursive: true })).toEqual(before);
    const absent: Origin = { ...origin, store: join(root, "absent") };
    await refused(restoreOrigin(absent, away, join(to, "again")), "STORE_NOT_FOUND", "absent");
    expect(await readdir(root)).not.toContain("absent");
  });

  it("fails where it was removed, or is another than when the run began", async () => {
    const manifest = await save(files, 1);
    const origin = await originOf(manifest);
    await removeCheckpoint(store, "base-1", "1-1");
    await refused(restored(origin), "CHECKPOINT_NOT_FOUND", "1-1 of run base-1 is not in", "any more");
    await save({ ...files, "model.bin": "others" }, 1);
    await refused(restored(origin), "CHECKPOINT_DAMAGED", "another than when the run began");
  });

  it("stops at once where it is told to", async () => {
    const origin = await originOf(await save(files, 1));
    const to = join(await freshFolder(), "checkpoint");
    const signal = AbortSignal.abort(new Error("asked to leave"));
    await expect(restoreOrigin(origin, { store, folder: undefined }, to, { signal })).rejects.toThrow(
      "asked to leave",
    );
    expect(await readdir(to)).toEqual([]);
  });
});
