import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openFolderStore } from "./folder.ts";
import type { FileSystem } from "./folder-file-system.ts";
import { identify, thisProcess } from "./process-identity.ts";
import { pieces } from "./testing/memory.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";
import { watchedFileSystem } from "./testing/watched-file-system.ts";

const freshFolder = temporaryFolders();
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const systemError = (code: string) => Object.assign(new Error(code), { code });

/** The real file system, where every call in `calls` fails. */
const failing = (code: string, calls: readonly (keyof FileSystem)[]): FileSystem =>
  watchedFileSystem(async (call, make) => {
    if (calls.includes(call.name)) throw systemError(code);
    return await make();
  });

async function keys(store: { list(prefix: string): AsyncIterable<{ key: string }> }): Promise<string[]> {
  const all: string[] = [];
  for await (const { key } of store.list("")) all.push(key);
  return all;
}

describe("opening a folder as a store", () => {
  it("makes the folder, and says where it is", async () => {
    const folder = join(await freshFolder(), "new", "store");
    const store = await openFolderStore(folder);
    expect(store.address).toBe(folder);
    expect((await stat(folder)).isDirectory()).toBe(true);
    expect(await keys(store)).toEqual([]);
  });

  it("says so where a file is in the way", async () => {
    const file = join(await freshFolder(), "file");
    await writeFile(file, "");
    for (const folder of [file, join(file, "below")]) {
      await expect(openFolderStore(folder)).rejects.toMatchObject({
        code: "STORE_UNWRITABLE",
        message: expect.stringContaining(folder),
        next: expect.any(String),
      });
    }
  });

  it.runIf(process.platform === "linux")(
    "says so where nothing can be made, and does not try for ever",
    async () => {
      await expect(openFolderStore("/proc/pawl/store")).rejects.toMatchObject({
        code: "STORE_UNWRITABLE",
        message: expect.stringContaining("/proc/pawl"),
      });
    },
  );

  it("says so where nobody may write", async () => {
    const folder = await freshFolder();
    for (const code of ["EACCES", "EROFS", "EPERM"]) {
      for (const call of ["makeFolder", "create", "link"] as const) {
        const opened = openFolderStore(join(folder, code), failing(code, [call]));
        await expect(opened, `${code} at ${call}`).rejects.toMatchObject({
          code: "STORE_UNWRITABLE",
          message: expect.stringContaining(code),
          cause: { code },
        });
      }
    }
  });

  it("removes what dead processes left half written, and leaves the living theirs", async () => {
    const folder = await freshFolder();
    const temporary = join(folder, ".internal", "tmp");
    let name = "";
    const store = await openFolderStore(folder);
    async function* looking() {
      name = (await readdir(temporary))[0] ?? "";
      yield Buffer.from("x");
      // Another one opens the store while this is being written.
      await openFolderStore(folder);
    }
    expect(await store.create("k", looking())).toBeDefined();
    expect(name).toContain(`${process.pid}@`);

    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    const dead = identify(child.pid ?? 0);
    child.kill("SIGKILL");
    await once(child, "exit");
    const { startTime, bootId, host } = thisProcess();
    const of = (fields: { pid?: number; startTime?: string; bootId?: string; host?: string }) => {
      const all = { pid: process.pid, startTime, bootId, host, ...fields };
      return [all.pid, all.startTime, all.bootId, all.host, "tag", "1"]
        .map((v) => encodeURIComponent(v))
        .join("@");
    };
    expect(dead?.pid).toBe(child.pid);
    const alive = of({});
    const foreign = of({ host: "elsewhere", bootId: "another" });
    const foreignOld = of({ host: "elsewhere", bootId: "another", pid: 1 });
    const left = [alive, foreign, "not ours"];
    const removed = [of(dead ?? {}), of({ startTime: "0" }), foreignOld];
    for (const each of [...left, ...removed]) await writeFile(join(temporary, each), "half");
    const longAgo = new Date(Date.now() - 8 * 86_400_000);
    for (const old of [alive, foreignOld]) await utimes(join(temporary, old), longAgo, longAgo);
    await openFolderStore(folder);
    expect((await readdir(temporary)).sort()).toEqual(left.sort());
  });

  it("neither lists nor touches what others keep in it", async () => {
    const folder = await freshFolder();
    const scratch = join(folder, ".internal", "scratch");
    await mkdir(scratch, { recursive: true });
    await writeFile(join(scratch, "x"), "x");
    await mkdir(join(folder, "empty", "folders"), { recursive: true });
    await mkdir(join(folder, "runs"));
    await symlink("/etc/hostname", join(folder, "runs", "link"));
    await writeFile(join(folder, ".hidden"), "");
    const store = await openFolderStore(folder);
    await store.create("runs/a", "a");
    expect(await keys(store)).toEqual(["runs/a"]);
    const children: string[] = [];
    for await (const child of store.children("")) children.push(child);
    expect(children).toEqual(["runs"]);
    expect(await store.read("runs/link")).toBeUndefined();
    await store.remove("runs/a");
    expect(await readdir(scratch)).toEqual(["x"]);
    expect(await store.create("empty/folders", "a key may take an empty folder's place")).toBeDefined();
  });

  it("removes folders that became empty, and no others", async () => {
    const folder = await freshFolder();
    const store = await openFolderStore(folder);
    await store.create("a/b/c/k", "x");
    await store.create("a/other", "x");
    await store.remove("a/b/c/k");
    expect(await readdir(join(folder, "a"))).toEqual(["other"]);
    await store.remove("a/other");
    expect((await readdir(folder)).map((name) => basename(name))).toEqual([".internal"]);
  });
});

/** A real file system of 1 MiB where that can be had; else one whose writes fail when 1 MiB is written. */
async function smallDisk(): Promise<{ folder: string; fs: FileSystem | undefined }> {
  const folder = await freshFolder();
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "pawl-test", folder], { stdio: "ignore" });
    cleanups.push(() => execFileSync("/bin/umount", ["-l", folder]));
    return { folder, fs: undefined };
  } catch {
    let written = 0;
    const fs = watchedFileSystem(async (call, make) => {
      if (call.name === "write") written += 1;
      if (call.name === "write" && written > 1) throw systemError("ENOSPC");
      if (call.name === "unlink") written = 0;
      return await make();
    });
    return { folder, fs };
  }
}

describe("a full disk", () => {
  it("refuses with STORE_FULL, keeps what is there, and works again when there is room", async () => {
    const { folder, fs } = await smallDisk();
    const store = await openFolderStore(folder, fs);
    await store.create("runs/small", "kept");
    await expect(store.create("runs/large", pieces(2))).rejects.toMatchObject({
      code: "STORE_FULL",
      message: expect.stringMatching(`runs/large.*${folder}.*ENOSPC`),
      next: expect.stringContaining("Free space"),
      details: { key: "runs/large", folder },
      cause: { code: "ENOSPC" },
    });
    expect(await keys(store)).toEqual(["runs/small"]);
    expect(await readdir(join(folder, ".internal", "tmp"))).toEqual([]);
    await store.create("runs/next", "there is room for this one");
    expect(await keys(store)).toEqual(["runs/next", "runs/small"]);
  });

  it("can be opened, read and made room on", async () => {
    const folder = await freshFolder();
    const before = await openFolderStore(folder);
    await before.create("k", "old");
    const store = await openFolderStore(folder, failing("ENOSPC", ["create", "write", "link", "makeFolder"]));
    expect(Buffer.from((await store.read("k"))?.bytes ?? []).toString()).toBe("old");
    await expect(store.create("l", "x")).rejects.toMatchObject({ code: "STORE_FULL" });
    await store.remove("k");
    expect(await keys(store)).toEqual([]);
  });

  it.each([
    ["EDQUOT", "STORE_FULL"],
    ["EFBIG", "STORE_FULL"],
    ["EROFS", "STORE_UNWRITABLE"],
    ["EACCES", "STORE_UNWRITABLE"],
    ["EIO", "STORE_FAILED"],
  ])("is told from other failures: %s is %s", async (code, expected) => {
    const folder = await freshFolder();
    let armed = false;
    const fs = watchedFileSystem(async (call, make) => {
      if (armed && (call.name === "sync" || call.name === "read")) throw systemError(code);
      return await make();
    });
    const store = await openFolderStore(folder, fs);
    const first = await store.create("there", "x");
    armed = true;
    const failure = { name: "PawlError", code: expected, cause: { code } };
    await expect(store.create("k", "x")).rejects.toMatchObject(failure);
    await expect(store.create("k", pieces(1))).rejects.toMatchObject(failure);
    await expect(store.replace("there", first?.version ?? "", "y")).rejects.toMatchObject(failure);
    await expect(store.read("there")).rejects.toMatchObject(failure);
    const opened = await store.open("there");
    await expect(opened?.body[Symbol.asyncIterator]().next()).rejects.toMatchObject(failure);
    expect(await readdir(join(folder, ".internal", "tmp"))).toEqual([]);
  });
});
