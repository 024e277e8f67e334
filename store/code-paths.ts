import { posix } from "node:path";

/** So long may a path in an archive be, in bytes. */
const maxPathBytes = 4096;

/** What is wrong with an entry's path, if anything: it must stay inside the folder, whatever it is unpacked into. */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "has no name";
  // What Node shows of a name that is not UTF-8, which another machine could not write again.
  if (path.includes("\uFFFD") || !path.isWellFormed()) return "has a name that is not UTF-8";
  if (path.includes("\0")) return "has a NUL in its name";
  if (Buffer.byteLength(path) > maxPathBytes) return `has a path longer than ${maxPathBytes} bytes`;
  if (path.startsWith("/")) return "is an absolute path";
  const bad = path.split("/").find((part) => part === "" || part === "." || part === "..");
  return bad === undefined ? undefined : `has a part '${bad}' in its path`;
}

/**
 * What is wrong with a symbolic link's target, if anything. `..` may stand at the beginning only: behind another link it
 * would lead somewhere else than the words say. So no chain of links can lead out of the folder either.
 */
export function linkProblem(path: string, target: string): string | undefined {
  if (target === "" || target.includes("\0")) return "is a symbolic link to nothing";
  if (target.includes("\uFFFD")) return "is a symbolic link to a name that is not UTF-8";
  if (target.startsWith("/")) return `is a symbolic link to an absolute path, ${target}`;
  const there = posix.normalize(posix.join(posix.dirname(path), target));
  if (there === ".." || there.startsWith("../")) return `is a symbolic link out of the folder, to ${target}`;
  const parts = target.split("/");
  const named = parts.findIndex((part) => part !== ".." && part !== "." && part !== "");
  if (named >= 0 && parts.slice(named).includes(".."))
    return `is a symbolic link with '..' behind a name, ${target}`;
  return undefined;
}
