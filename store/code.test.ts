import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packCode, unpackCode, uploadCode } from "./code.ts";
import { maxCodeBytes } from "./code-files.ts";
import { openFolderStore } from "./folder.ts";
import { type Files, writeFiles } from "./testing/files.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });

/** Everything in a folder, in words: a tree is the same where this is. */
async function tree(folder: string, below = ""): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(folder, below))).sort()) {
    const path = join(below, name);
    const at = join(folder, path);
    const stats = await lstat(at);
    if (stats.isDirectory()) lines.push(`${path}/`, ...(await tree(folder, path)));
    else if (stats.isSymbolicLink()) lines.push(`${path} -> ${await readlink(at)}`);
    else
      lines.push(
        `${path} ${(stats.mode & 0o111) === 0 ? "" : "x "}${(await readFile(at)).toString("base64")}`,
      );
  }
  return lines;
}

async function freshStore() {
  return await openFolderStore(await freshFolder());
}

/** Packs `folder`, and unpacks it somewhere else. */
async function moved(folder: string): Promise<string> {
  const store = await freshStore();
  const packed = await packCode(folder);
  expect(await uploadCode(store, packed)).toBe(true);
  const to = join(await freshFolder(), "code");
  await unpackCode(store, packed.key, to);
  return to;
}

const pathsIn = async (folder: string): Promise<string[]> =>
  (await packCode(folder)).entries.map(({ path }) => path);

describe("the code of a job", () => {
  it("arrives as it was: contents, links, empty folders, and what can be run", async () => {
    const folder = await writeFiles(await freshFolder(), {
      "train.py": "print(1)\n",
      "lib/empty.txt": "",
      "lib/run.sh": "#!/bin/sh\n",
      [`${"long-folder-name/".repeat(12)}ünïcode 🦀.txt`]: "é".repeat(600),
      "line\nbreak": "x",
    });
    await chmod(join(folder, "lib/run.sh"), 0o700);
    await mkdir(join(folder, "out"));
    await symlink("../train.py", join(folder, "lib/link.py"));
    await symlink("nowhere", join(folder, "dangling"));
    await writeFile(join(folder, "big.bin"), Buffer.alloc(3_000_001, 7));
    const to = await moved(folder);
    expect(await tree(to)).toEqual(await tree(folder));
    expect((await tree(to)).length).toBeGreaterThan(8);
  });

  it("arrives as it was, whatever the names and contents", async () => {
    const name = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
      .map((text) => text.replaceAll(/[/\0]/g, "_"))
      .filter(
        (text) =>
          text.isWellFormed() &&
          !text.includes("\uFFFD") &&
          !/^\.|^__pycache__$/.test(text) &&
          Buffer.byteLength(text) < 200,
      );
    const files = fc.dictionary(
      fc
        .array(name, { minLength: 1, maxLength: 4 })
        .map((parts) => parts.map((p, at) => `${at}${p}`).join("/")),
      fc.uint8Array({ maxLength: 1500 }),
      { minKeys: 1, maxKeys: 6 },
    );
    await fc.assert(
      fc.asyncProperty(files, async (given) => {
        const folder = await freshFolder();
        let made = 0;
        for (const [path, content] of Object.entries(given)) {
          await mkdir(join(folder, path, ".."), { recursive: true }).catch(() => {});
          made += await writeFile(join(folder, path), content).then(
            () => 1,
            () => 0,
          );
        }
        const packed = await packCode(folder);
        expect(packed.files).toBe(made);
        expect(await tree(await moved(folder))).toEqual(await tree(folder));
      }),
      { numRuns: 40 },
    );
  });

  it("has one name on every machine, and another once anything of it is another", async () => {
    const files: Files = { "b.py": "b", "a/c.py": "c", "a.py": "a" };
    const [one, other] = [await writeFiles(await freshFolder(), files), await freshFolder()];
    await writeFiles(other, { "a.py": "a" });
    await writeFiles(other, { "a/c.py": "c", "b.py": "b" });
    await utimes(join(other, "a.py"), 1, 1);
    await chmod(join(other, "b.py"), 0o600);
    const { key } = await packCode(one);
    expect((await packCode(other)).key).toBe(key);
    expect(key).toMatch(/^code\/[0-9a-f]{64}\.tar\.gz$/);
    await chmod(join(other, "b.py"), 0o755);
    const executable = (await packCode(other)).key;
    expect(executable).not.toBe(key);
    await chmod(join(other, "b.py"), 0o644);
    await rename(join(other, "b.py"), join(other, "d.py"));
    expect(new Set([key, executable, (await packCode(other)).key]).size).toBe(3);
  });

  it("is named by the archive before compression, which any tar program reads", async () => {
    const store = await freshStore();
    const folder = await writeFiles(await freshFolder(), { "a/b.txt": "b", "c.txt": "c" });
    const packed = await packCode(folder);
    await uploadCode(store, packed);
    const archive = gunzipSync((await store.read(packed.key))?.bytes ?? "");
    expect(createHash("sha256").update(archive).digest("hex")).toBe(packed.digest);
    const to = await freshFolder();
    execFileSync("tar", ["-xf", "-", "-C", to], { input: archive });
    expect(await tree(to)).toEqual(await tree(folder));
  });

  it("is uploaded once, also by two at the same time", async () => {
    const store = await freshStore();
    const folder = await writeFiles(await freshFolder(), { "a.py": "a" });
    const packed = await packCode(folder);
    const both = await Promise.all([uploadCode(store, packed), uploadCode(store, packed)]);
    expect(both.filter((uploaded) => uploaded)).toHaveLength(1);
    expect(await uploadCode(store, packed)).toBe(false);
    expect(packed).toMatchObject({ files: 1, sizeBytes: 1 });
  });

  it("is not uploaded where it changed since it was looked at", async () => {
    const store = await freshStore();
    const folder = await writeFiles(await freshFolder(), { "a.py": "aaaa", "b.py": "b" });
    const packed = await packCode(folder);
    await writeFile(join(folder, "a.py"), "bbbb");
    await expect(uploadCode(store, packed)).rejects.toMatchObject({
      code: "CODE_INVALID",
      message: expect.stringContaining("a.py"),
    });
    expect(await store.has(packed.key)).toBe(false);
  });
});

describe("what is left out of the code", () => {
  const junk: Files = {
    ".git/HEAD": "x",
    ".pawl/journal/x": "x",
    "lib/__pycache__/a.pyc": "x",
    "venv/pyvenv.cfg": "home = /usr/bin",
    "venv/lib/x.py": "x",
    "a.py": "a",
    "lib/b.py": "b",
  };

  it("is what is never code: histories, caches and Python's environments", async () => {
    const folder = await writeFiles(await freshFolder(), junk);
    await symlink("/usr/bin/python3", join(folder, "venv/python"));
    expect(await pathsIn(folder)).toEqual(["a.py", "lib/b.py"]);
  });

  it("is a store that lies inside, and what else is named", async () => {
    const folder = await writeFiles(await freshFolder(), { "a.py": "a", "other/x": "x", "journal/x": "x" });
    await (await openFolderStore(join(folder, "runs"))).create("journal/x/0000000001.json", "{}");
    const { entries } = await packCode(folder, { leaveOut: [join(folder, "other")] });
    expect(entries.map(({ path }) => path)).toEqual(["a.py", "journal/x"]);
  });

  it("is what Git leaves out, by every .gitignore on the way", async () => {
    const root = await writeFiles(await freshFolder(), {
      ".git/HEAD": "x",
      ".gitignore": "*.log\n/job/data/\n",
      "job/.gitignore": "*.bin\n!keep.bin\nruns/*\n",
      "job/a.py": "a",
      "job/A.LOG": "case matters",
      "job/x.log": "x",
      "job/x.bin": "x",
      "job/keep.bin": "x",
      "job/data/x": "x",
      "job/runs/1/x": "x",
      "job/lib/.gitignore": "!x.log\nb.py\n",
      "job/lib/x.log": "x",
      "job/lib/b.py": "x",
      "job/lib/y.bin": "x",
    });
    expect(await pathsIn(join(root, "job"))).toEqual([
      ".gitignore",
      "A.LOG",
      "a.py",
      "keep.bin",
      "lib/.gitignore",
      "lib/x.log",
    ]);
  });

  it("agrees with Git itself", async () => {
    const root = await freshFolder();
    execFileSync("git", ["init", "-q", root]);
    await writeFiles(root, {
      ".gitignore": "build/\n/top.txt\n**/deep/*.tmp\n\\#odd\nspace \\ \n# comment\nfoo[ab].txt\n",
      "job/top.txt": "x",
      "job/build/x": "x",
      "job/lib/build": "a file",
      "job/a/deep/x.tmp": "x",
      "job/a/deep/x.txt": "x",
      "job/#odd": "x",
      "job/fooa.txt": "x",
      "job/fooc.txt": "x",
      "job/a/.gitignore": "/only-here\n!foob.txt\n",
      "job/a/only-here": "x",
      "job/a/b/only-here": "x",
      "job/a/foob.txt": "x",
    });
    const listed = execFileSync("git", ["ls-files", "-z", "--others", "--exclude-standard"], {
      cwd: join(root, "job"),
      encoding: "utf8",
    });
    const wanted = listed.split("\0").filter((path) => path !== "");
    expect(wanted.length).toBeGreaterThan(5);
    expect(await pathsIn(join(root, "job"))).toEqual(wanted.sort());
  });

  it("is what .pawlignore says and nothing else, where there is one", async () => {
    const folder = await writeFiles(await freshFolder(), {
      ".gitignore": "data/\n",
      ".pawlignore": "*.png\n",
      "lib/.gitignore": "*\n",
      "data/x.csv": "x",
      "lib/b.py": "b",
      "lib/b.png": "b",
    });
    expect(await pathsIn(folder)).toEqual([
      ".gitignore",
      ".pawlignore",
      "data/x.csv",
      "lib/.gitignore",
      "lib/b.py",
    ]);
  });

  it("does not leave out all of a folder that Git leaves out as a whole", async () => {
    const root = await writeFiles(await freshFolder(), {
      ".git/HEAD": "x",
      ".gitignore": "scratch/\n",
      "scratch/job/a.py": "a",
    });
    expect(await pathsIn(join(root, "scratch/job"))).toEqual(["a.py"]);
  });
});

describe("code that cannot be packed is refused, with the path", () => {
  const links = ["/etc/passwd", "../outside", "lib/../../outside", "lib/../a.py", "../../../../etc/passwd"];
  for (const target of links) {
    it(`a link to ${target}`, async () => {
      const folder = await writeFiles(await freshFolder(), { "a.py": "a", "lib/b.py": "b" });
      await symlink(target, join(folder, "link"));
      await expect(packCode(folder)).rejects.toMatchObject({
        code: "CODE_INVALID",
        message: expect.stringMatching(/link is a symbolic link/),
        details: { path: "link" },
        next: expect.stringContaining(".pawlignore"),
      });
    });
  }

  it("a socket", async () => {
    const folder = await writeFiles(await freshFolder(), { "a.py": "a" });
    const server = createServer().listen(join(folder, "lib.socket"));
    try {
      await once(server, "listening");
      await expect(packCode(folder)).rejects.toMatchObject({
        code: "CODE_INVALID",
        details: { path: "lib.socket" },
      });
      await writeFile(join(folder, ".pawlignore"), "*.socket\n");
      expect(await pathsIn(folder)).toEqual([".pawlignore", "a.py"]);
    } finally {
      server.close();
    }
  });

  it("a name that is not UTF-8", async () => {
    const folder = await freshFolder();
    await writeFile(Buffer.concat([Buffer.from(`${folder}/a`), Buffer.from([0xff])]), "x");
    await expect(packCode(folder)).rejects.toMatchObject({ code: "CODE_INVALID" });
  });

  it("nothing at all", async () => {
    const folder = await writeFiles(await freshFolder(), { "a.py": "a" });
    await writeFile(join(folder, ".gitignore"), "*\n");
    await expect(packCode(folder)).rejects.toMatchObject({ code: "CODE_INVALID" });
    await expect(packCode(await freshFolder())).rejects.toMatchObject({ code: "CODE_INVALID" });
  });

  it("more than 500 MiB, with the largest files named", async () => {
    const folder = await writeFiles(await freshFolder(), { "a.py": "a", "data/big.bin": "", "model.pt": "" });
    await truncate(join(folder, "data/big.bin"), maxCodeBytes);
    await truncate(join(folder, "model.pt"), 1024 * 1024);
    await expect(packCode(folder)).rejects.toMatchObject({
      code: "CODE_INVALID",
      message: expect.stringMatching(
        /501\.0 MiB.*may have 500\.0 MiB.*data\/big\.bin \(500\.0 MiB\), model\.pt \(1\.0 MiB\), a\.py/,
      ),
    });
  });
});
