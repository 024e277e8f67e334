import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { isAbsent } from "./folder-errors.ts";
import type { FileSystem, FolderEntry } from "./folder-file-system.ts";
import type { StorePaths } from "./folder-tree.ts";
import { findCurrent } from "./folder-versions.ts";
import { canBePrefix, compareKeys } from "./object-key.ts";
import type { ListedObject } from "./object-store.ts";

/** So many sizes are asked for at a time. */
const batchSize = 64;

async function entriesOf(fs: FileSystem, folder: string): Promise<FolderEntry[]> {
  try {
    const found = await fs.entries(folder);
    return found.filter((entry) => entry.isFile || entry.isFolder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** The entries of a folder of keys; of the store's own folder without what is internal. */
const visible = async (fs: FileSystem, paths: StorePaths, folder: string): Promise<FolderEntry[]> => {
  const entries = await entriesOf(fs, join(paths.root, folder));
  return folder === "" ? entries.filter((entry) => !entry.name.startsWith(".")) : entries;
};

/** Up to and with the last slash: a folder, in keys. */
const folderPart = (prefix: string): string => prefix.slice(0, prefix.lastIndexOf("/") + 1);

interface Wanted {
  readonly prefix: string;
  readonly after: string | undefined;
}

/** Whether keys that begin with `folder` (which ends in `/`) can be wanted. */
function reaches(folder: string, { prefix, after }: Wanted): boolean {
  if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) return false;
  return after === undefined || after.startsWith(folder) || compareKeys(folder, after) > 0;
}

const isWanted = (key: string, { prefix, after }: Wanted): boolean =>
  key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0);

async function* walk(
  fs: FileSystem,
  paths: StorePaths,
  folder: string,
  wanted: Wanted,
): AsyncGenerator<ListedObject> {
  // A folder stands where its keys do: "a-b" comes before "a/…", so it is compared with its slash.
  const sorted = (await visible(fs, paths, folder))
    .map((entry) => ({ key: `${folder}${entry.name}${entry.isFolder ? "/" : ""}`, isFolder: entry.isFolder }))
    .filter((entry) => (entry.isFolder ? reaches(entry.key, wanted) : isWanted(entry.key, wanted)))
    .sort((a, b) => compareKeys(a.key, b.key));
  for (let first = 0; first < sorted.length; first += batchSize) {
    const batch = sorted.slice(first, first + batchSize);
    const found = await Promise.all(
      batch.map(({ key, isFolder }) =>
        isFolder ? undefined : findCurrent(fs, paths.plain(key), paths.versionsOf(key)),
      ),
    );
    for (const [index, { key, isFolder }] of batch.entries()) {
      const current = found[index];
      if (isFolder) yield* walk(fs, paths, key, wanted);
      else if (current !== undefined) yield { key, sizeBytes: current.facts.sizeBytes };
    }
  }
}

/** See `ObjectStore.list`. Reads one folder at a time, and none that lies outside `prefix` or before `after`. */
export async function* listFolder(
  fs: FileSystem,
  paths: StorePaths,
  prefix: string,
  after: string | undefined,
): AsyncGenerator<ListedObject> {
  if (!canBePrefix(prefix)) return;
  const wanted = { prefix, after };
  const folder = folderPart(prefix);
  if (folder === "" || reaches(folder, wanted)) yield* walk(fs, paths, folder, wanted);
}

/** A folder without any file below it is no part of any key. */
async function holdsKeys(fs: FileSystem, paths: StorePaths, folder: string): Promise<boolean> {
  const entries = await visible(fs, paths, folder);
  if (entries.some((entry) => entry.isFile)) return true;
  for (const entry of entries) if (await holdsKeys(fs, paths, `${folder}${entry.name}/`)) return true;
  return false;
}

/** See `ObjectStore.children`. */
export async function* listChildren(
  fs: FileSystem,
  paths: StorePaths,
  prefix: string,
): AsyncGenerator<string> {
  if (prefix !== "" && !prefix.endsWith("/")) {
    throw new PawlError("STORE_KEY", `children are listed below a prefix that ends in '/', not '${prefix}'`, {
      next: "Add the slash.",
      details: { key: prefix },
    });
  }
  if (!canBePrefix(prefix)) return;
  const folders = (await visible(fs, paths, prefix)).filter((entry) => entry.isFolder);
  const names = folders.map((entry) => entry.name).sort(compareKeys);
  for (const name of names) if (await holdsKeys(fs, paths, `${prefix}${name}/`)) yield name;
}
