import fs from "node:fs";
import { promisify } from "node:util";

export interface FileFacts {
  readonly isFile: boolean;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  readonly inode: bigint;
  readonly modifiedNs: bigint;
}

export interface FolderEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isFolder: boolean;
}

/**
 * What a folder store asks of the system: one call each, so that a test can crash before or after any of them. Open
 * files are numbers; errors are Node's own.
 */
export interface FileSystem {
  /** Opens a new file for writing; EEXIST where there is one. */
  create(path: string): Promise<number>;
  /** Opens a file or a folder for reading; symbolic links are not followed. */
  open(path: string): Promise<number>;
  /** Writes all of `bytes` at the end. */
  write(file: number, bytes: Uint8Array): Promise<void>;
  /** Reads at `position` (bytes) into `buffer`; returns how many bytes. */
  read(file: number, buffer: Uint8Array, position: number): Promise<number>;
  /** Returns when what was written is on the disk. */
  sync(file: number): Promise<void>;
  close(file: number): Promise<void>;
  facts(file: number): Promise<FileFacts>;
  factsAt(path: string): Promise<FileFacts>;
  /** Gives a file a second name; EEXIST where that is taken. Of several at once, one wins. */
  link(path: string, second: string): Promise<void>;
  unlink(path: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  /** Removes an empty folder. */
  removeFolder(path: string): Promise<void>;
  entries(path: string): Promise<FolderEntry[]>;
}

// The callback functions cost less than file handles, and the small writes of the journal are the hot path.
const open = promisify(fs.open);
const write = promisify(fs.write);
const read = promisify(fs.read);
const fstat = promisify(fs.fstat);
const lstat = promisify(fs.lstat);
const readdir = promisify(fs.readdir);

// NONBLOCK: a named pipe that somebody put there must not hang us.
const readFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

const factsOf = (stats: fs.BigIntStats): FileFacts => ({
  isFile: stats.isFile(),
  isFolder: stats.isDirectory(),
  sizeBytes: Number(stats.size),
  inode: stats.ino,
  modifiedNs: stats.mtimeNs,
});

export const nodeFileSystem: FileSystem = {
  create: (path) => open(path, "wx"),
  open: (path) => open(path, readFlags),
  async write(file, bytes) {
    for (let at = 0; at < bytes.byteLength; ) {
      at += (await write(file, bytes, at, bytes.byteLength - at, null)).bytesWritten;
    }
  },
  read: async (file, buffer, position) =>
    (await read(file, buffer, 0, buffer.byteLength, position)).bytesRead,
  sync: promisify(fs.fsync),
  close: promisify(fs.close),
  facts: async (file) => factsOf(await fstat(file, { bigint: true })),
  factsAt: async (path) => factsOf(await lstat(path, { bigint: true })),
  link: promisify(fs.link),
  unlink: promisify(fs.unlink),
  async makeFolder(path) {
    await fs.promises.mkdir(path);
  },
  removeFolder: (path) => fs.promises.rmdir(path),
  async entries(path) {
    const found = await readdir(path, { withFileTypes: true });
    return found.map((entry) => ({
      name: entry.name,
      isFile: entry.isFile(),
      isFolder: entry.isDirectory(),
    }));
  },
};

/** `fs`, in which nothing can be changed: what tries fails as on a file system that is mounted so. */
export function readOnly(fs: FileSystem): FileSystem {
  const refuse = async (): Promise<never> => {
    throw Object.assign(new Error("the store was opened to be read"), { code: "EROFS" });
  };
  return {
    ...fs,
    create: refuse,
    write: refuse,
    link: refuse,
    unlink: refuse,
    makeFolder: refuse,
    removeFolder: refuse,
  };
}
