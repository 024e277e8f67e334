import { once } from "node:events";
import { mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { prepareWorkspace, socketPath } from "./workspace.ts";

const freshFolder = temporaryFolders();

afterEach(() => void vi.unstubAllEnvs());

describe("the socket of an attempt", () => {
  it.each([
    ["in a plain folder", 0],
    ["in a deep folder", 90],
    ["in a deep folder with letters of several bytes", 45],
  ])("%s has a path that a system takes, and two attempts have two", async (_, length) => {
    const letter = length === 45 ? "é" : "d";
    const folders = ["1", "2"].map((name) => join("/tmp/pawl-socket", letter.repeat(length), name));
    const [first = "", second = ""] = folders.map(socketPath);
    expect(first).not.toBe(second);
    expect(Buffer.byteLength(first)).toBeLessThanOrEqual(100);
    expect(socketPath(folders[0] ?? "")).toBe(first);
    expect(first.startsWith(folders[0] ?? "")).toBe(length === 0);
  });

  it("can be listened on, also where the temporary folder is deep, too", async () => {
    const root = await freshFolder();
    const deep = join(root, "t".repeat(120));
    await mkdir(deep);
    vi.stubEnv("TMPDIR", deep);
    const path = socketPath(join(deep, "attempt"));
    const server = createServer((socket) => socket.end()).listen(path);
    await once(server, "listening");
    await once(connect(path).resume(), "close");
    server.close();
  });
});

describe("an attempt's folder", () => {
  it("shows the job's folder by links, without what is Pawl's own, and begins empty", async () => {
    const [folder, source] = [await freshFolder(), await freshFolder()];
    for (const name of ["train.py", ".hidden"]) await writeFile(join(source, name), "");
    for (const name of [".pawl", ".git", "data"]) await mkdir(join(source, name));
    for (const name of ["work", "checkpoint", "saves"]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "left"), "from an earlier try");
    }
    await writeFile(join(folder, "metrics.json"), "{}");
    const workspace = await prepareWorkspace(folder, source);
    expect((await readdir(workspace.work)).sort()).toEqual([".hidden", "data", "train.py"]);
    expect(await readlink(join(workspace.work, "train.py"))).toBe(join(source, "train.py"));
    expect((await readdir(folder)).sort()).toEqual(["saves", "work"]);
    expect(await readdir(join(folder, "saves"))).toEqual([]);
  });

  it("gives a fresh folder for each checkpoint, and copies that later changes do not reach", async () => {
    const workspace = await prepareWorkspace(await freshFolder(), undefined);
    await mkdir(join(workspace.checkpoint, "inner"), { recursive: true });
    await writeFile(join(workspace.checkpoint, "inner", "model"), "one");
    const copy = await workspace.snapshot("1");
    await writeFile(join(workspace.checkpoint, "inner", "model"), "two");
    await writeFile(join(await workspace.freshSave("2"), "model"), "left half written");
    expect(await readdir(await workspace.freshSave("2"))).toEqual([]);
    expect(await readdir(join(copy, "inner"))).toEqual(["model"]);
    expect(await readFile(join(copy, "inner", "model"), "utf8")).toBe("one");
  });
});
