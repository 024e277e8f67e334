import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type ReadEntry, Unpack } from "tar";
import { PawlError } from "../core/errors.ts";
import { codeKey, codeKeyPattern } from "../core/keys.ts";
import { maxCodeBytes, maxCodeEntries } from "./code-files.ts";
import { linkProblem, pathProblem } from "./code-paths.ts";
import { isAbsent, systemCode } from "./folder-errors.ts";
import type { ObjectStore } from "./object-store.ts";

const damaged = (key: string, problem: string, cause?: unknown): PawlError =>
  new PawlError("CODE_DAMAGED", `the packed code ${key} ${problem}`, {
    next: "Start the run again from the folder that it was packed from: that puts it there anew, once the damaged one is removed.",
    details: { key },
    cause,
  });

const invalid = (key: string, problem: string, cause?: unknown): PawlError =>
  new PawlError("CODE_INVALID", `the packed code ${key} is refused: ${problem}`, {
    next: "It was not packed by Pawl. Start the run again from a folder, with pawl start.",
    details: { key },
    cause,
  });

/** Says of each entry in turn what is wrong with it; an archive may hold only what `packCode` packs. */
function entryRules(): (entry: ReadEntry) => string | undefined {
  const taken = new Map<string, string>();
  let total = 0;
  return (entry) => {
    const { type } = entry;
    const path = entry.path.replace(/\/$/, "");
    const shown = JSON.stringify(path);
    const wrong = pathProblem(path);
    if (wrong !== undefined) return `${shown} ${wrong}`;
    if (type !== "File" && type !== "SymbolicLink" && type !== "Directory") return `${shown} is a ${type}`;
    if (taken.has(path)) return `${shown} is in it twice`;
    const parts = path.split("/");
    for (let length = 1; length < parts.length; length += 1) {
      const above = parts.slice(0, length).join("/");
      const as = taken.get(above) ?? "Directory";
      if (as !== "Directory") return `${shown} is below ${JSON.stringify(above)}, which is no folder`;
      taken.set(above, as);
    }
    taken.set(path, type);
    if (taken.size > 2 * maxCodeEntries) return `it holds more than ${maxCodeEntries} files`;
    total += entry.size;
    if (total > maxCodeBytes) return `it has more than ${maxCodeBytes} bytes`;
    const problem = type === "SymbolicLink" ? linkProblem(path, entry.linkpath ?? "") : undefined;
    return problem === undefined ? undefined : `${shown} ${problem}`;
  };
}

/** Unpacks the bytes that it is given into `folder`; from the first problem on it only reads them. */
class Unpacking {
  /** What went wrong first: what an entry is, or the archive. */
  problem: { readonly words: string; readonly cause?: unknown } | undefined;
  readonly #tar: Unpack;
  readonly #ended: Promise<unknown>;

  constructor(folder: string) {
    const wrong = entryRules();
    this.#tar = new Unpack({
      cwd: folder,
      strict: true,
      noMtime: true,
      preserveOwner: false,
      filter: (_path, entry) => {
        if (this.problem !== undefined || !("header" in entry)) return false;
        const words = wrong(entry);
        if (words !== undefined) this.problem = { words };
        else entry.mode = ((entry.mode ?? 0) & 0o100) === 0 ? 0o644 : 0o755;
        return words === undefined;
      },
    });
    this.#ended = once(this.#tar, "end").catch(() => {});
    this.#tar.on("error", (cause: unknown) => {
      this.problem ??= { words: cause instanceof Error ? cause.message : String(cause), cause };
    });
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.#tar.write(chunk)) return;
    await Promise.race([once(this.#tar, "drain").catch(() => {}), this.#ended]);
  }

  async end(): Promise<void> {
    this.#tar.end();
    await this.#ended;
  }
}

/** No archive of ours is longer: an entry has at most five blocks beside its bytes. */
const maxArchiveBytes = maxCodeBytes + maxCodeEntries * 5 * 512 * 4;

/** Unpacks into `folder`, and says whether the bytes were those that the key names. */
async function unpackInto(store: ObjectStore, key: string, folder: string): Promise<void> {
  const object = await store.open(key);
  if (object === undefined) throw damaged(key, `is not in ${store.address}`);
  const gunzip = createGunzip();
  const reading = pipeline(Readable.from(object.body), gunzip);
  reading.catch(() => {});
  const hash = createHash("sha256");
  const unpacking = new Unpacking(folder);
  let total = 0;
  try {
    for await (const chunk of gunzip.iterator({ destroyOnReturn: true })) {
      total += chunk.length;
      if (total > maxArchiveBytes) throw invalid(key, `it has more than ${maxArchiveBytes} bytes`);
      hash.update(chunk);
      await unpacking.write(chunk);
    }
    await reading;
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw damaged(key, `cannot be read (${systemCode(error) ?? String(error)})`, error);
  } finally {
    await unpacking.end();
  }
  const isAsNamed = codeKey(hash.digest("hex")) === key;
  const { problem } = unpacking;
  if (!isAsNamed) throw damaged(key, "holds other bytes than it was named for");
  if (problem !== undefined) throw invalid(key, problem.words, problem.cause);
}

async function checkDestination(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  if (names.length === 0) return;
  throw new PawlError("DESTINATION_EXISTS", `${folder} is not empty: code is unpacked into a new folder`, {
    next: "Name a folder that is absent or empty.",
    details: { folder },
  });
}

/**
 * Unpacks the packed code `key` into `folder`, which is absent or empty, and is there whole or not at all. Nothing is
 * written outside it, whatever the archive holds. Memory stays bounded. Errors: CODE_DAMAGED where the object is missing,
 * cut short or other than it was named for; CODE_INVALID where it holds what `packCode` packs never;
 * DESTINATION_EXISTS; the store's.
 */
export async function unpackCode(store: ObjectStore, key: string, folder: string): Promise<void> {
  if (!codeKeyPattern.test(key)) throw invalid(key, "it has no name of packed code");
  const whole = resolve(folder);
  await checkDestination(whole);
  await mkdir(dirname(whole), { recursive: true });
  const temporary = await mkdtemp(join(dirname(whole), `.${basename(whole)}-`));
  try {
    await unpackInto(store, key, temporary);
    await chmod(temporary, 0o755);
    await rename(temporary, whole);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  }
}
