import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { systemCode } from "../store/folder-errors.ts";

const maxBytes = 1_048_576;

/** The text of the job file at `path`; `shown` is how the person named it. Throws JOB_NOT_FOUND, or JOB_INVALID. */
export async function readJobText(path: string, shown: string): Promise<string> {
  if (shown === "" || shown.includes("\0")) throw noName(shown);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw isFolder(shown);
    // A pipe or a device has no end that could be counted on.
    if (!found.isFile()) {
      throw new PawlError("JOB_NOT_FOUND", `the job file ${shown} is no regular file`, {
        next: "Write the job into a file, and name that.",
        details: { file: shown },
      });
    }
    if (found.size > maxBytes) {
      throw refused(shown, `has ${found.size} bytes; a job file has at most ${maxBytes}`);
    }
    return decoded(await readFile(path), shown);
  } catch (cause) {
    if (cause instanceof PawlError) throw cause;
    const code = systemCode(cause) ?? "unknown";
    throw new PawlError(
      "JOB_NOT_FOUND",
      `the job file ${shown} cannot be read: ${readProblems[code] ?? code}`,
      { next: nextFor(code), details: { file: shown }, cause },
    );
  }
}

const noName = (shown: string): PawlError =>
  new PawlError("JOB_NOT_FOUND", `${JSON.stringify(shown)} cannot be the job file's name`, {
    next: "Name the job file.",
    details: { file: shown },
  });

const refused = (shown: string, what: string): PawlError =>
  new PawlError("JOB_INVALID", `${shown} ${what}`, {
    next: "Give the job file; data belongs beside it.",
    details: { file: shown },
  });

function isFolder(shown: string): PawlError {
  const inside = join(shown, "pawl.yaml");
  return new PawlError("JOB_NOT_FOUND", `the job file ${shown} is a folder`, {
    next: `Name the file in it: ${inside}.`,
    details: { file: shown },
  });
}

function decoded(bytes: Uint8Array, shown: string): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refused(shown, "is not a text: it holds bytes that are not UTF-8");
  }
  if (text.includes("\0")) throw refused(shown, "is not a text: it holds a NUL");
  return text;
}

const readProblems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is not a folder",
  EACCES: "permission is denied",
  ELOOP: "its symbolic links go round in circles",
};

const nextFor = (code: string): string =>
  code === "ENOENT"
    ? "Name the job file, or go to its folder. 'pawl init' writes one to begin with."
    : "Name another job file, or see to it that this one can be read.";
