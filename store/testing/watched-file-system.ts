import { type FileSystem, nodeFileSystem } from "../folder-file-system.ts";

interface Call {
  /** Counted from 1. */
  readonly number: number;
  readonly name: keyof FileSystem;
}

/** Runs around each call; it decides whether the call is made at all. */
export type Around = <Result>(call: Call, make: () => Promise<Result>) => Promise<Result>;

/** The real file system, with every call in the hands of a test. */
export function watchedFileSystem(around: Around): FileSystem {
  let number = 0;
  const watch = <Result>(name: keyof FileSystem, make: () => Promise<Result>): Promise<Result> => {
    number += 1;
    return around({ number, name }, make);
  };
  const fs = nodeFileSystem;
  return {
    create: (path) => watch("create", () => fs.create(path)),
    open: (path) => watch("open", () => fs.open(path)),
    write: (file, bytes) => watch("write", () => fs.write(file, bytes)),
    read: (file, buffer, position) => watch("read", () => fs.read(file, buffer, position)),
    sync: (file) => watch("sync", () => fs.sync(file)),
    close: (file) => watch("close", () => fs.close(file)),
    facts: (file) => watch("facts", () => fs.facts(file)),
    factsAt: (path) => watch("factsAt", () => fs.factsAt(path)),
    link: (path, second) => watch("link", () => fs.link(path, second)),
    unlink: (path) => watch("unlink", () => fs.unlink(path)),
    makeFolder: (path) => watch("makeFolder", () => fs.makeFolder(path)),
    removeFolder: (path) => watch("removeFolder", () => fs.removeFolder(path)),
    entries: (path) => watch("entries", () => fs.entries(path)),
  };
}

export class Crash extends Error {}

/** Ends everything before or after one call: that call and all later ones throw. Call 0 never comes. */
export function crashingFileSystem(
  at: number,
  when: "before" | "after",
): { readonly fs: FileSystem; readonly calls: () => number } {
  let crashed = false;
  let calls = 0;
  const fs = watchedFileSystem(async (call, make) => {
    if (call.name === "close") return await make();
    calls = call.number;
    if (call.number === at && when === "before") crashed = true;
    if (crashed) throw new Crash(`before call ${call.number}, ${call.name}`);
    const result = await make();
    if (call.number !== at) return result;
    crashed = true;
    throw new Crash(`after call ${call.number}, ${call.name}`);
  });
  return { fs, calls: () => calls };
}
