import { fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isJsonLines } from "../core/diagnosis/read-text.ts";
import { PawlError } from "../core/errors.ts";
import { systemCode } from "../store/folder-errors.ts";

/** So much of a text is looked at as a whole: the largest cause has a quarter of it. */
const wholeBytes = 1_048_576;

/** Of a longer one, which is a log then, the end: more than the lines that are looked at. */
const tailBytes = 262_144;

/**
 * The text of `name`, of which only the end where it is longer than a mebibyte; of standard input for `-` and where no name is
 * given. Memory stays bounded. Throws INPUT_UNREADABLE, or USAGE where nothing is given.
 */
export async function readInput(name: string | undefined): Promise<string> {
  if (name === undefined && process.stdin.isTTY === true) {
    throw new PawlError(
      "USAGE",
      "there is nothing to diagnose: no file is named, and standard input is a terminal",
      {
        next: "Name a file, or pipe one in: 'pawl diagnose cause.json', 'pawl diagnose < train.log'.",
      },
    );
  }
  const shown = name === undefined || name === "-" ? "standard input" : name;
  try {
    const bytes = name === undefined || name === "-" ? await ofStandardInput() : await ofFile(name);
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    if (cause instanceof PawlError) throw cause;
    throw unreadable(shown, problems[systemCode(cause) ?? ""] ?? systemCode(cause) ?? String(cause), cause);
  }
}

const problems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is not a folder",
  EACCES: "permission is denied",
  EISDIR: "it is a folder",
  ELOOP: "its symbolic links go round in circles",
  ENXIO: "nothing can be read from it",
  ERR_INVALID_ARG_VALUE: "that cannot be a file's name",
};

const unreadable = (name: string, why: string, cause?: unknown): PawlError =>
  new PawlError("INPUT_UNREADABLE", `${name === "" ? '""' : name} cannot be read: ${why}`, {
    next: "Name a file that holds a cause, a Batch job or a log.",
    details: { file: name },
    cause,
  });

/** A folder gives nothing, where it should be refused. */
async function ofStandardInput(): Promise<Uint8Array> {
  if (fstatSync(0).isDirectory()) throw unreadable("standard input", "it is a folder");
  return await streamed(process.stdin);
}

async function ofFile(name: string): Promise<Uint8Array> {
  await using file = await open(name, "r");
  const found = await file.stat();
  if (found.isDirectory()) throw unreadable(name, "it is a folder");
  // A device has no end that could be counted on.
  if (found.isCharacterDevice() || found.isBlockDevice()) throw unreadable(name, "it is a device");
  if (found.isFile() && found.size > wholeBytes) return await partOf(file, found.size);
  return await streamed(file.createReadStream({ autoClose: false }));
}

/** Of what is long the end, where a log tells of its failure; of a long object the beginning: its end is anybody's text. */
const isLongObject = (head: Uint8Array): boolean => {
  const text = new TextDecoder().decode(head);
  return /^\s*[[{]\s*["{]/.test(text) && !isJsonLines(text);
};

async function partOf(file: FileHandle, size: number): Promise<Uint8Array> {
  const head = await readAt(file, 0, wholeBytes);
  return isLongObject(head) ? head : await readAt(file, Math.max(0, size - tailBytes), tailBytes);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** All of a stream that ends soon; of a longer one a part. */
async function streamed(stream: AsyncIterable<unknown>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let held = 0;
  let head: Uint8Array | undefined;
  let longObject: boolean | undefined;
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) continue;
    chunks.push(chunk);
    held += chunk.byteLength;
    if (held > wholeBytes) head ??= Buffer.concat(chunks).subarray(0, wholeBytes);
    if (head === undefined) continue;
    longObject ??= isLongObject(head);
    if (longObject) return head;
    while (held - (chunks[0]?.byteLength ?? 0) >= tailBytes) held -= chunks.shift()?.byteLength ?? 0;
  }
  const bytes = Buffer.concat(chunks);
  return head === undefined ? bytes : bytes.subarray(-tailBytes);
}
