import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join, relative } from "node:path";

/** Everything below `folder`: what it is, who may do what with it, and what is in it. */
export async function tree(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = [folder, ...entries.map((entry) => join(entry.parentPath, entry.name))];
  const found = new Map<string, string>();
  for (const path of paths) {
    const { mode, uid } = await lstat(path);
    const entry = entries.find((candidate) => join(candidate.parentPath, candidate.name) === path);
    const content = entry?.isFile() === true ? await readFile(path) : "";
    const target = entry?.isSymbolicLink() === true ? await readlink(path) : "";
    const digest = createHash("sha256").update(content).update(target).digest("hex");
    found.set(relative(folder, path) || ".", `${mode} ${uid} ${digest}`);
  }
  return found;
}

/** What is new, gone or changed, in words. */
export function difference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  const made = [...after.keys()].filter((path) => !before.has(path)).map((path) => `${path} is new`);
  const gone = [...before.keys()].filter((path) => !after.has(path)).map((path) => `${path} is gone`);
  const changed = [...before].filter(([path, is]) => after.has(path) && after.get(path) !== is);
  return [...made, ...gone, ...changed.map(([path]) => `${path} has changed`)];
}
