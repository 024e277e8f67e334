import fs from "node:fs";
import type { FileSystem } from "../../store/folder-file-system.ts";

const readFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

const factsOf = (stats: fs.BigIntStats) => ({
  isFile: stats.isFile(),
  isFolder: stats.isDirectory(),
  sizeBytes: Number(stats.size),
  inode: stats.ino,
  modifiedNs: stats.mtimeNs,
});

/**
 * The file system of this machine, each call done when it returns: several times faster in memory than by threads, and
 * always in the same order. What is flushed is flushed nowhere: a world has no power cuts (`store/folder-crash.test.ts` has).
 */
export const synchronousFileSystem: FileSystem = {
  create: async (path) => fs.openSync(path, "wx"),
  open: async (path) => fs.openSync(path, readFlags),
  async write(file, bytes) {
    for (let at = 0; at < bytes.byteLength; ) at += fs.writeSync(file, bytes, at);
  },
  read: async (file, buffer, position) => fs.readSync(file, buffer, 0, buffer.byteLength, position),
  sync: async () => {},
  close: async (file) => fs.closeSync(file),
  facts: async (file) => factsOf(fs.fstatSync(file, { bigint: true })),
  factsAt: async (path) => factsOf(fs.lstatSync(path, { bigint: true })),
  link: async (path, second) => fs.linkSync(path, second),
  unlink: async (path) => fs.unlinkSync(path),
  makeFolder: async (path) => fs.mkdirSync(path),
  removeFolder: async (path) => fs.rmdirSync(path),
  entries: async (path) =>
    fs.readdirSync(path, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isFile: entry.isFile(),
      isFolder: entry.isDirectory(),
    })),
};
