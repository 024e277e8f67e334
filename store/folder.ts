import { mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PawlError } from "../core/errors.ts";
import { folderError, isAbsent, systemCode } from "./folder-errors.ts";
import { type FileSystem, nodeFileSystem, readOnly } from "./folder-file-system.ts";
import { listChildren, listFolder } from "./folder-list.ts";
import { readChunks, readWhole } from "./folder-read.ts";
import { proveWritable, removeLeftovers, removeQuietly, writeTemporary } from "./folder-temp.ts";
import { FolderTree, type StorePaths, storePaths } from "./folder-tree.ts";
import {
  fileFacts,
  findCurrent,
  highest,
  keptVersions,
  lifeOf,
  listVersions,
  versionName,
  versionToken,
} from "./folder-versions.ts";
import { checkKey } from "./object-key.ts";
import type {
  Body,
  ListedObject,
  ObjectStore,
  SmallObject,
  StreamedObject,
  WriteOptions,
  Written,
} from "./object-store.ts";

/**
 * A folder as a store: plain files at plain paths, durable when a call returns, safe against a kill at any moment and
 * against any number of processes of this machine. (Over a network, clients that cache folders may read what is old.)
 * Makes the folder where there is none. Errors: STORE_UNWRITABLE where it cannot be written, or has no hard links; see
 * `ObjectStore` for the others.
 */
export async function openFolderStore(folder: string, fs: FileSystem = nodeFileSystem): Promise<ObjectStore> {
  const paths = storePaths(resolve(folder));
  const tree = new FolderTree(fs, paths.root);
  try {
    await makeRoot(paths.root, tree);
    await tree.make(paths.temporary);
    await removeLeftovers(fs, paths.temporary, BigInt(Date.now()) * 1_000_000n);
    await proveWritable(fs, paths.temporary);
  } catch (error) {
    const told = folderError(error, "write to the folder", paths.root, { folder: paths.root });
    // What a full disk holds can still be read, and removed to make room.
    if (!(told instanceof PawlError && told.code === "STORE_FULL")) throw told;
  }
  return new FolderStore(paths, fs);
}

/**
 * Opens a store to read it only: nothing is made, tried or tidied up, so it may be one that cannot be written. What would
 * write to it throws STORE_UNWRITABLE. Errors: STORE_NOT_FOUND where there is no such folder, STORE_UNWRITABLE where it
 * may not be looked at.
 */
export async function openFolderStoreToRead(
  folder: string,
  fs: FileSystem = nodeFileSystem,
): Promise<ObjectStore> {
  const paths = storePaths(resolve(folder));
  // A link to a folder is as good as the folder.
  const facts = await stat(paths.root).catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw folderError(error, "look at the folder", paths.root, { folder: paths.root });
  });
  if (facts?.isDirectory() !== true) {
    const what = facts === undefined ? "there is nothing" : "a file is there";
    throw new PawlError("STORE_NOT_FOUND", `there is no store at ${paths.root}: ${what}`, {
      next: "Give the --store that the runs are in, or go to the folder that they were started from.",
      details: { folder: paths.root },
    });
  }
  return new FolderStore(paths, readOnly(fs));
}

const exists = (folder: string): Promise<boolean> =>
  stat(folder).then(
    () => true,
    () => false,
  );

/**
 * Makes the store's folder, and those above it, durably. One by one: Node's own recursive call never ends where a file
 * system says that nothing can be made in a folder by saying that it is not there, as /proc does.
 */
async function makeRoot(root: string, tree: FolderTree): Promise<void> {
  const missing: string[] = [];
  for (let folder = root; folder !== dirname(folder) && !(await exists(folder)); folder = dirname(folder)) {
    missing.unshift(folder);
  }
  for (const folder of missing) {
    try {
      await mkdir(folder);
    } catch (error) {
      if (systemCode(error) === "EEXIST") continue;
      if (systemCode(error) !== "ENOENT") throw error;
      throw new PawlError("STORE_UNWRITABLE", `cannot make the folder ${folder}: nothing can be made there`, {
        next: "Name another folder as the store.",
        details: { folder },
        cause: error,
      });
    }
  }
  try {
    for (const folder of missing) await tree.sync(dirname(folder));
  } catch {
    // A folder that may be written to and not read; what is above the store is not ours to refuse.
  }
}

class FolderStore implements ObjectStore {
  readonly address: string;
  readonly #paths: StorePaths;
  readonly #fs: FileSystem;
  readonly #tree: FolderTree;

  constructor(paths: StorePaths, fs: FileSystem) {
    this.address = paths.root;
    this.#paths = paths;
    this.#fs = fs;
    this.#tree = new FolderTree(fs, paths.root);
  }

  create(key: string, body: Body, options?: WriteOptions): Promise<Written | undefined> {
    return this.#do("create", key, async () => {
      const plain = this.#paths.plain(key);
      if (typeof body !== "string" && !(body instanceof Uint8Array)) {
        // What is there already is not streamed to the disk for nothing.
        if ((await fileFacts(this.#fs, plain)) !== undefined) {
          await body[Symbol.asyncIterator]().return?.();
          return undefined;
        }
      }
      return await this.#writing(key, body, options, async (file) => {
        return (await this.#tree.link(file, plain)) ? 0 : undefined;
      });
    });
  }

  replace(key: string, version: string, body: Body, options?: WriteOptions): Promise<Written | undefined> {
    return this.#do("replace", key, async () => {
      const current = await this.#current(key);
      if (current === undefined || versionToken(current.number, current.facts) !== version) return undefined;
      const number = current.number + 1;
      const { life } = current;
      const path = join(this.#paths.versionsOf(key), versionName(number, life));
      return await this.#writing(key, body, options, async (file) => {
        if (!(await this.#tree.link(file, path))) return undefined;
        if (await this.#settle(key, number, life)) return number;
        await removeQuietly(this.#fs, path);
        return undefined;
      });
    });
  }

  read(key: string): Promise<SmallObject | undefined> {
    return this.#do("read", key, async () => {
      for (;;) {
        const current = await this.#current(key);
        if (current === undefined) return undefined;
        const bytes = await readWhole(this.#fs, current);
        if (bytes !== undefined) return { bytes, version: versionToken(current.number, current.facts) };
      }
    });
  }

  open(key: string): Promise<StreamedObject | undefined> {
    return this.#do("open", key, async () => {
      const current = await this.#current(key);
      if (current === undefined) return undefined;
      const failed = (error: unknown) => this.#error(error, "read", key);
      return {
        body: readChunks(this.#fs, current, failed),
        sizeBytes: current.facts.sizeBytes,
        version: versionToken(current.number, current.facts),
      };
    });
  }

  has(key: string): Promise<boolean> {
    return this.#do("look for", key, async () => {
      return (await fileFacts(this.#fs, this.#paths.plain(key))) !== undefined;
    });
  }

  remove(key: string): Promise<void> {
    return this.#do("remove", key, async () => {
      const plain = this.#paths.plain(key);
      const versions = await listVersions(this.#fs, this.#paths.versionsOf(key));
      if ((await fileFacts(this.#fs, plain)) !== undefined) {
        try {
          await this.#fs.unlink(plain);
        } catch (error) {
          if (!isAbsent(error)) throw error;
        }
        // Before the versions go: after a power cut the plain file's old content must not stand there alone.
        await this.#tree.sync(dirname(plain));
        await this.#tree.prune(dirname(plain), this.#paths.root);
      }
      await this.#sweep(key, versions);
    });
  }

  async *list(prefix: string, { after }: { after?: string } = {}): AsyncGenerator<ListedObject> {
    try {
      yield* listFolder(this.#fs, this.#paths, prefix, after);
    } catch (error) {
      throw this.#error(error, "list", prefix);
    }
  }

  async *children(prefix: string): AsyncGenerator<string> {
    try {
      yield* listChildren(this.#fs, this.#paths, prefix);
    } catch (error) {
      throw this.#error(error, "list", prefix);
    }
  }

  #current(key: string) {
    return findCurrent(this.#fs, this.#paths.plain(key), this.#paths.versionsOf(key));
  }

  /** Writes a temporary file; `place` links it to where it belongs and returns its number, or not. */
  async #writing(
    key: string,
    body: Body,
    options: WriteOptions | undefined,
    place: (file: string) => Promise<number | undefined>,
  ): Promise<Written | undefined> {
    const { path, facts, sha256 } = await writeTemporary(this.#fs, this.#paths.temporary, key, body, options);
    let number: number | undefined;
    try {
      number = await place(path);
    } finally {
      await removeQuietly(this.#fs, path);
    }
    if (number === undefined) return undefined;
    return { version: versionToken(number, facts), sizeBytes: facts.sizeBytes, sha256 };
  }

  /** Whether the version that was just linked holds; if so, what it made superfluous is removed. */
  async #settle(key: string, number: number, life: string): Promise<boolean> {
    const versions = await listVersions(this.#fs, this.#paths.versionsOf(key));
    const plain = await fileFacts(this.#fs, this.#paths.plain(key));
    const newest = highest(versions, life);
    if (plain === undefined || lifeOf(plain) !== life || newest >= number + keptVersions) return false;
    const superfluous = versions.filter(
      (version) => version.life !== life || version.number <= newest - keptVersions,
    );
    const folder = this.#paths.versionsOf(key);
    for (const version of superfluous) await removeQuietly(this.#fs, join(folder, version.name));
    return true;
  }

  async #sweep(key: string, versions: readonly { readonly name: string }[]): Promise<void> {
    if (versions.length === 0) return;
    const folder = this.#paths.versionsOf(key);
    for (const { name } of versions) await removeQuietly(this.#fs, join(folder, name));
    await this.#tree.prune(folder, this.#paths.versions);
  }

  async #do<Result>(doing: string, key: string, work: () => Promise<Result>): Promise<Result> {
    checkKey(key);
    try {
      return await work();
    } catch (error) {
      throw this.#error(error, doing, key);
    }
  }

  #error(error: unknown, doing: string, key: string): unknown {
    return folderError(error, doing, `${key} in the store ${this.#paths.root}`, {
      folder: this.#paths.root,
      key,
    });
  }
}
