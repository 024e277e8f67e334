import { type ErrorCode, PawlError } from "../core/errors.ts";

/** The system's code of an error (`ENOENT` …), where it has one. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

/** Nothing is at that path. */
export const isAbsent = (error: unknown): boolean => {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG";
};

/** The error of the body that was to be written: the caller's own, to be given back as it is. */
export class BodyFailed extends Error {
  constructor(cause: unknown) {
    super("the body failed", { cause });
  }
}

interface Meaning {
  readonly code: ErrorCode;
  readonly words: string;
  readonly next: string;
}

const full: Meaning = {
  code: "STORE_FULL",
  words: "there is no space left",
  next: "Free space there (pawl needs it for checkpoints above all), or use a store on a larger disk.",
};

const unwritable = (words: string): Meaning => ({
  code: "STORE_UNWRITABLE",
  words,
  next: "Allow this user to write there, or name another folder as the store.",
});

const meanings: Readonly<Record<string, Meaning>> = {
  ENOSPC: full,
  EDQUOT: { ...full, words: "the disk quota is used up" },
  EFBIG: { ...full, words: "the file would be larger than the file system or a limit allows" },
  EACCES: unwritable("permission is denied"),
  EPERM: unwritable("the operation is not permitted there"),
  EROFS: unwritable("the file system is read-only"),
  ENOTDIR: unwritable("a file is where a folder should be"),
  EEXIST: unwritable("a file is where a folder should be"),
  EISDIR: unwritable("a folder is where a file should be"),
  ENAMETOOLONG: {
    code: "STORE_KEY",
    words: "a part of the name is longer than the file system allows",
    next: "Use shorter names; most file systems allow 255 bytes between two slashes.",
  },
};

const other: Meaning = {
  code: "STORE_FAILED",
  words: "the file system failed",
  next: "See the cause; check the disk and that the folder is still there, then try again.",
};

/** What a person is told where the system failed to do `doing` ("create", "read" …) on `path`. */
export function folderError(
  error: unknown,
  doing: string,
  path: string,
  details: Record<string, unknown>,
): unknown {
  if (error instanceof PawlError) return error;
  if (error instanceof BodyFailed) return error.cause;
  const code = systemCode(error);
  // Node's own errors (`ERR_…`) are mistakes in a program, not of the file system.
  if (code === undefined || code.startsWith("ERR_")) return error;
  const meaning = meanings[code] ?? other;
  return new PawlError(meaning.code, `cannot ${doing} ${path}: ${meaning.words} (${code})`, {
    next: meaning.next,
    details,
    cause: error,
  });
}
