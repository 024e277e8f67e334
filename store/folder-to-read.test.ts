import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFolderStore, openFolderStoreToRead } from "./folder.ts";
import { openStore } from "./open-store.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";
import { watchedFileSystem } from "./testing/watched-file-system.ts";

const freshFolder = temporaryFolders();

/** A file system that does nothing but show. */
const onlyShowing = watchedFileSystem(async ({ name }, make) => {
  if (["create", "write", "sync", "link", "unlink", "makeFolder", "removeFolder"].includes(name))
    throw new Error(`${name} was called`);
  return await make();
});

it("a store opened to be read gives all that is in it, and changes nothing on its file system", async () => {
  const folder = await freshFolder();
  const writing = await openFolderStore(folder);
  await writing.create("a/one", "1");
  const written = await writing.create("a/two", "2");
  await writing.replace("a/two", written?.version ?? "", "zwei");

  const store = await openFolderStoreToRead(folder, onlyShowing);
  const keys: string[] = [];
  for await (const { key } of store.list("")) keys.push(key);
  expect(keys).toEqual(["a/one", "a/two"]);
  expect(Buffer.from((await store.read("a/two"))?.bytes ?? []).toString()).toBe("zwei");
  expect(await store.has("a/one")).toBe(true);
  expect(await store.read("a/three")).toBeUndefined();
});

it("a store opened to be read refuses what would write to it, and keeps what it has", async () => {
  const folder = await freshFolder();
  const written = await (await openFolderStore(folder)).create("a/one", "1");
  const store = await openFolderStoreToRead(folder);
  const refused = { code: "STORE_UNWRITABLE" };
  await expect(store.create("a/two", "2")).rejects.toMatchObject(refused);
  await expect(store.replace("a/one", written?.version ?? "", "2")).rejects.toMatchObject(refused);
  await expect(store.remove("a/one")).rejects.toMatchObject(refused);
  expect(Buffer.from((await store.read("a/one"))?.bytes ?? []).toString()).toBe("1");
  expect(await store.has("a/two")).toBe(false);
});

it("a folder is not made to be read, nor is a file taken for one", async () => {
  const folder = await freshFolder();
  await writeFile(join(folder, "file"), "");
  for (const name of ["absent", "file", "file/below"]) {
    await expect(openStore(join(folder, name), "read")).rejects.toMatchObject({
      code: "STORE_NOT_FOUND",
      message: expect.stringContaining(join(folder, name)),
    });
  }
  expect(await readdir(folder)).toEqual(["file"]);
});

it("a folder that no store was ever in, and a link to one, can be read", async () => {
  const folder = await freshFolder();
  await mkdir(join(folder, "empty"));
  await symlink("empty", join(folder, "link"));
  for (const name of ["empty", "link"]) {
    const store = await openStore(join(folder, name), "read");
    for await (const { key } of store.list("")) expect(key).toBeUndefined();
    expect(await readdir(join(folder, name))).toEqual([]);
  }
});
