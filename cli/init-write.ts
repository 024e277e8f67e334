import { lstat, mkdir, open, realpath, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { folderError, systemCode } from "../store/folder-errors.ts";

/** A file to be written, by its name in the folder. */
export interface NewFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Writes all `files` into `folder`, which is made where it is not there, and `.gitignore`; gives the names of what is
 * new or changed. Nothing is overwritten, and whatever goes wrong, nothing is left. Throws DESTINATION_EXISTS,
 * STORE_UNWRITABLE, STORE_FULL.
 */
export async function writeAll(
  folder: string,
  files: readonly NewFile[],
  ignore: { before: string | undefined; after: string } | undefined,
): Promise<string[]> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const { name } of files) if (await isThere(join(folder, name))) throw taken(join(folder, name));
    await makeFolder(folder, undo);
    for (const { name, text } of files) await writeNew(join(folder, name), text, undo);
    if (ignore === undefined) return files.map(({ name }) => name);
    const path = join(folder, ".gitignore");
    if (ignore.before === undefined) await writeNew(path, ignore.after, undo);
    else await replace(path, ignore.after, undo);
    return [...files.map(({ name }) => name), ".gitignore"];
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw folderError(error, "write into", folder, { folder });
  }
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    },
  );

const taken = (path: string): PawlError =>
  new PawlError("DESTINATION_EXISTS", `${path} is there already; nothing was written`, {
    next: "Name another folder, or move the file away.",
    details: { file: path },
  });

/** Makes `folder` and those above it. Node's own recursive mkdir does not return where none can be made, as in /proc. */
async function makeFolder(folder: string, undo: (() => Promise<unknown>)[]): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found !== undefined) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder), undo);
  try {
    await mkdir(folder);
  } catch (error) {
    // Another process makes it too.
    if (systemCode(error) === "EEXIST" && (await stat(folder)).isDirectory()) return;
    if (systemCode(error) !== "ENOENT") throw error;
    throw new PawlError("STORE_UNWRITABLE", `cannot make the folder ${folder}: nothing can be made there`, {
      next: "Name another folder.",
      details: { folder },
      cause: error,
    });
  }
  undo.push(() => rmdir(folder));
}

/** Another process may have written it in between: then it stays, and this is refused. */
async function writeNew(path: string, text: string, undo: (() => Promise<unknown>)[]): Promise<void> {
  const file = await open(path, "wx").catch((error: unknown) => {
    throw systemCode(error) === "EEXIST" ? taken(path) : error;
  });
  undo.push(() => rm(path, { force: true }));
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

/** At once, so that nobody finds half of it; what `path` links to is replaced, and not the link. */
async function replace(path: string, text: string, undo: (() => Promise<unknown>)[]): Promise<void> {
  const target = await realpath(path);
  const fresh = `${target}.${process.pid}`;
  undo.push(() => rm(fresh, { force: true }));
  await writeFile(fresh, text, { flag: "wx", mode: (await stat(target)).mode });
  await rename(fresh, target);
}
