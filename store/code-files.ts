import type { BigIntStats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { type LeftOut, whatIsLeftOut } from "./code-ignore.ts";
import { linkProblem, pathProblem } from "./code-paths.ts";
import { isAbsent, systemCode } from "./folder-errors.ts";
import type { FoundFile } from "./folder-read.ts";
import { compareKeys } from "./object-key.ts";

/** More than this is no code: it would be packed and sent at every start. In bytes, before compression. */
export const maxCodeBytes = 500 * 1024 * 1024;

/** So many files, links and folders at most. */
export const maxCodeEntries = 100_000;

/** A file, symbolic link or empty folder that is packed; `path` is relative to the folder, with `/`. */
export type CodeEntry = { readonly path: string } & (
  | { readonly type: "file"; readonly isExecutable: boolean; readonly found: FoundFile }
  | { readonly type: "link"; readonly target: string }
  | { readonly type: "folder" }
);

export const refusedCode = (folder: string, problem: string, next: string, path?: string): PawlError =>
  new PawlError("CODE_INVALID", `the code in ${folder} cannot be packed: ${problem}`, {
    next,
    details: { folder, ...(path === undefined ? {} : { path }) },
  });

const leaveOutNext =
  "Leave it out with a line in .pawlignore (in the same words as .gitignore), or remove it.";

function fileOf(path: string, at: string, stats: BigIntStats): CodeEntry {
  const facts = {
    isFile: true,
    isFolder: false,
    sizeBytes: Number(stats.size),
    inode: stats.ino,
    modifiedNs: stats.mtimeNs,
  };
  return { type: "file", path, isExecutable: (stats.mode & 0o100n) !== 0n, found: { path: at, facts } };
}

/** What grows while the folder is walked through, so that a folder that is far too big is not walked to its end. */
interface Walk {
  readonly folder: string;
  readonly entries: CodeEntry[];
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/**
 * What is no code by what it holds: a Python environment, made for one machine and full of links out of the folder; and a
 * folder that runs are kept in.
 */
const isOther = async (at: string): Promise<boolean> =>
  (await isThere(join(at, "pyvenv.cfg"))) ||
  ((await isThere(join(at, ".internal"))) && (await isThere(join(at, "journal"))));

async function visit(walk: Walk, path: string, rules: LeftOut): Promise<void> {
  const at = join(walk.folder, path);
  let stats: BigIntStats;
  try {
    stats = await lstat(at, { bigint: true });
  } catch (error) {
    // It went while we looked: as if it had gone before. By a name that is not UTF-8 nothing is found either.
    if (isAbsent(error) && (pathProblem(path) === undefined || rules.isLeftOut(at, false))) return;
    if (isAbsent(error)) throw refusedCode(walk.folder, `${path} ${pathProblem(path)}`, leaveOutNext, path);
    throw error;
  }
  if (rules.isLeftOut(at, stats.isDirectory())) return;
  if (stats.isDirectory() && (await isOther(at))) return;
  const wrong = pathProblem(path);
  if (wrong !== undefined) throw refusedCode(walk.folder, `${path} ${wrong}`, leaveOutNext, path);
  if (stats.isDirectory()) return await below(walk, path, await rules.within(at));
  if (stats.isFile()) walk.entries.push(fileOf(path, at, stats));
  else if (stats.isSymbolicLink()) {
    const target = await readlink(at);
    const problem = linkProblem(path, target);
    if (problem !== undefined) throw refusedCode(walk.folder, `${path} ${problem}`, leaveOutNext, path);
    walk.entries.push({ type: "link", path, target });
  } else {
    const problem = `${path} is no file, folder or link, but a socket, a pipe or a device`;
    throw refusedCode(walk.folder, problem, leaveOutNext, path);
  }
  if (walk.entries.length > maxCodeEntries) {
    throw refusedCode(walk.folder, `it holds more than ${maxCodeEntries} files`, leaveOutNext);
  }
}

async function below(walk: Walk, path: string, rules: LeftOut): Promise<void> {
  const names = await readdir(join(walk.folder, path));
  // One that holds only what is left out is as good as absent; one that is empty may be wanted by the trainer.
  if (names.length === 0 && path !== "") walk.entries.push({ type: "folder", path });
  for (const name of names.sort(compareKeys))
    await visit(walk, path === "" ? name : `${path}/${name}`, rules);
}

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

function checkSize(folder: string, entries: readonly CodeEntry[]): void {
  const files = entries.flatMap((entry) =>
    entry.type === "file" ? [{ path: entry.path, sizeBytes: entry.found.facts.sizeBytes }] : [],
  );
  const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (total <= maxCodeBytes) return;
  const largest = files.sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, 5);
  const named = largest.map(({ path, sizeBytes }) => `${path} (${mebibytes(sizeBytes)})`).join(", ");
  throw refusedCode(
    folder,
    `it has ${mebibytes(total)}, and may have ${mebibytes(maxCodeBytes)}; the largest files are ${named}`,
    "Leave out what is no code with a .pawlignore file (in the same words as .gitignore).",
  );
}

/**
 * What is packed of `folder` (absolute), in the order of the paths' bytes; without what `whatIsLeftOut` says, without
 * Python's virtual environments and folders that are stores. Errors: CODE_INVALID.
 */
export async function codeEntries(folder: string, leaveOut: readonly string[] = []): Promise<CodeEntry[]> {
  const walk: Walk = { folder, entries: [] };
  try {
    await below(walk, "", await whatIsLeftOut(folder, leaveOut));
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw refusedCode(
      folder,
      `something in it cannot be read (${systemCode(error) ?? String(error)})`,
      leaveOutNext,
    );
  }
  if (walk.entries.length === 0) {
    throw refusedCode(
      folder,
      "nothing is in it, or all of it is left out",
      "Look into .pawlignore and .gitignore.",
    );
  }
  checkSize(folder, walk.entries);
  return walk.entries.sort((a, b) => compareKeys(a.path, b.path));
}
