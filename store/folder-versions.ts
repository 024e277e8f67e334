import { join } from "node:path";
import { isAbsent } from "./folder-errors.ts";
import type { FileFacts, FileSystem } from "./folder-file-system.ts";

/*
 * Compare-and-swap without locks. An object exists if and only if the plain file at its key does. The first content is
 * the plain file's own. The n-th replacement is a file `versions/<key>/<n, 10 digits>@<life>`; the highest number is
 * the current content. `life` tells one plain file from a later one at the same key (modification time and size, which
 * survive a copy of the store that keeps times, as inode numbers do not): versions of a former life count for nothing,
 * wherever a crash left them.
 *
 * - Two writers replace the same version: both link the same name, and link() lets one win.
 * - A writer sleeps while others replace often and old versions are pruned: its number may be free again. Only numbers
 *   at least `keptVersions` below the highest are ever pruned, so after linking n+1 it looks once more: a highest of
 *   n+1+keptVersions or more means that it may have filled such a hole, has lost, and takes its file away. Left behind
 *   by a crash, the file is not the highest and means nothing. (A writer that sleeps right after its link while so many
 *   others go on is told that it lost, though others built on what it wrote: it reads again, as every loser does.)
 * - A remove comes between: it unlinks the plain file, which is the moment of removal, before any version. After
 *   linking, a replacer checks that the plain file still has the same life, and has lost if not. What it linked is of a
 *   former life, so a crash at that point harms nobody.
 * - A reader lists the versions before it looks at the plain file: a life that is seen alive after the listing had all
 *   its versions in it, so a version can be missing from the list only if it came later.
 * - Who sweeps versions away names them from a listing made before the plain file was found to be (or made to be) of
 *   another life: a life that ended never comes back, so a new life's versions cannot be among them.
 */

/** So many of the newest versions stay. */
export const keptVersions = 16;

export interface Version {
  readonly name: string;
  readonly number: number;
  readonly life: string;
}

/** The current content of an object. */
export interface Current {
  readonly path: string;
  readonly number: number;
  readonly life: string;
  readonly facts: FileFacts;
}

const namePattern = /^(\d{10})@(\d+-\d+)$/;

export const versionName = (number: number, life: string): string =>
  `${String(number).padStart(10, "0")}@${life}`;

export const lifeOf = (plain: FileFacts): string => `${plain.modifiedNs}-${plain.sizeBytes}`;

/** What a writer must have seen to replace: with the inode, so that delete and create is not mistaken. */
export const versionToken = (number: number, facts: FileFacts): string =>
  `${number}-${facts.inode}-${facts.modifiedNs}`;

/** The replacements of one key, of all its lives, in no order. */
export async function listVersions(fs: FileSystem, folder: string): Promise<Version[]> {
  try {
    return (await fs.entries(folder)).flatMap((entry) => {
      const [, number, life] = namePattern.exec(entry.name) ?? [];
      if (!entry.isFile || number === undefined || life === undefined) return [];
      return [{ name: entry.name, number: Number(number), life }];
    });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

export const highest = (versions: readonly Version[], life: string): number =>
  versions.reduce((high, version) => (version.life === life ? Math.max(high, version.number) : high), 0);

/** The facts at `path`; `undefined` where there is no regular file. */
export async function fileFacts(fs: FileSystem, path: string): Promise<FileFacts | undefined> {
  try {
    const facts = await fs.factsAt(path);
    return facts.isFile ? facts : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** What is current of the object at `plain`, whose versions are in `folder`; `undefined` where there is none. */
export async function findCurrent(
  fs: FileSystem,
  plain: string,
  folder: string,
): Promise<Current | undefined> {
  for (;;) {
    const versions = await listVersions(fs, folder);
    const facts = await fileFacts(fs, plain);
    if (facts === undefined) return undefined;
    const life = lifeOf(facts);
    const number = highest(versions, life);
    if (number === 0) return { path: plain, number, life, facts };
    const path = join(folder, versionName(number, life));
    const replaced = await fileFacts(fs, path);
    if (replaced !== undefined) return { path, number, life, facts: replaced };
    // It was pruned or removed meanwhile: others got further, so this ends.
  }
}
