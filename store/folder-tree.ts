import { dirname, join } from "node:path";
import { isAbsent, systemCode } from "./folder-errors.ts";
import type { FileSystem } from "./folder-file-system.ts";

/** Others may remove an empty folder again and again just before it is used; more often than this it is no accident. */
const tries = 100;

/** Folders come and go with the keys below them: these calls keep that from being seen. */
export class FolderTree {
  readonly #fs: FileSystem;
  /** Never made nor removed: with the store's folder gone, writing fails. */
  readonly #root: string;

  constructor(fs: FileSystem, root: string) {
    this.#fs = fs;
    this.#root = root;
  }

  /** Makes `path` a second name of `file`, with the folders above it; `false` where it is taken. Durable when it returns. */
  async link(file: string, path: string): Promise<boolean> {
    const folder = dirname(path);
    for (let left = tries; ; left -= 1) {
      try {
        await this.#fs.link(file, path);
        break;
      } catch (error) {
        if (left === 0) throw error;
        if (systemCode(error) === "ENOENT") await this.make(folder);
        else if (systemCode(error) !== "EEXIST") throw error;
        else if (!(await this.#removeIfFolder(path))) return false;
      }
    }
    await this.sync(folder);
    return true;
  }

  /** Makes a folder and those above it, up to the root; no error where it is there. */
  async make(folder: string): Promise<void> {
    if (folder === this.#root) return;
    for (let left = tries; ; left -= 1) {
      try {
        await this.#fs.makeFolder(folder);
        break;
      } catch (error) {
        if (systemCode(error) === "EEXIST") return;
        if (systemCode(error) !== "ENOENT" || left === 0) throw error;
        await this.make(dirname(folder));
      }
    }
    await this.sync(dirname(folder));
  }

  /** Puts a folder's entries on the disk; a folder that is gone meanwhile has none. */
  async sync(folder: string): Promise<void> {
    let file: number;
    try {
      file = await this.#fs.open(folder);
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
    try {
      await this.#fs.sync(file);
    } catch (error) {
      // Some file systems cannot sync a folder, and need not.
      if (systemCode(error) !== "EINVAL" && systemCode(error) !== "ENOTSUP") throw error;
    } finally {
      await this.#fs.close(file);
    }
  }

  /** Removes `folder` and those above it while they are empty, below `top`. */
  async prune(folder: string, top: string): Promise<void> {
    try {
      for (let each = folder; each !== top; each = dirname(each)) await this.#fs.removeFolder(each);
    } catch {
      // Not empty, or gone; and an empty folder left behind is harmless.
    }
  }

  /** An empty folder can stand where a key is to be: a remove that was cut short left it. */
  async #removeIfFolder(path: string): Promise<boolean> {
    try {
      await this.#fs.removeFolder(path);
      return true;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return true;
      if (systemCode(error) === "ENOTDIR") return false;
      if (systemCode(error) !== "ENOTEMPTY" && systemCode(error) !== "EEXIST") throw error;
      const taken = new Error(`keys below ${path}/ exist, and a folder cannot hold both`, { cause: error });
      throw Object.assign(taken, { code: "EISDIR" });
    }
  }
}

const internalName = ".internal";

export interface StorePaths {
  readonly root: string;
  readonly temporary: string;
  readonly versions: string;
  plain(key: string): string;
  versionsOf(key: string): string;
}

/** Where things are in a store's folder. Others keep folders beside these under `.internal`. */
export function storePaths(root: string): StorePaths {
  const versions = join(root, internalName, "versions");
  return {
    root,
    temporary: join(root, internalName, "tmp"),
    versions,
    plain: (key) => join(root, key),
    versionsOf: (key) => join(versions, key),
  };
}
