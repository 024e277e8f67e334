import { createHash, hash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { BodyFailed } from "./folder-errors.ts";
import type { FileFacts, FileSystem } from "./folder-file-system.ts";
import type { Body, WriteOptions } from "./object-store.ts";
import { isAlive, ProcessIdentity, thisProcess } from "./process-identity.ts";

/** After so many bytes of a large body the disk is set to work already, while more is still coming. */
const flushEveryBytes = 64 * 1024 * 1024;

/** Leftovers whose process cannot be asked about (another host's) are removed when nobody wrote to them for so long. */
const abandonedAfterNs = 7n * 86_400n * 1_000_000_000n;

const tag = randomBytes(6).toString("hex");
let counter = 0;

function temporaryName(): string {
  const { host, bootId, pid, startTime } = thisProcess();
  counter += 1;
  return [pid, startTime, bootId, host, tag, counter].map((part) => encodeURIComponent(part)).join("@");
}

function writerOf(name: string): ProcessIdentity | undefined {
  try {
    const [pid, startTime, bootId, host] = name.split("@").map(decodeURIComponent);
    return ProcessIdentity.safeParse({ pid: Number(pid), startTime, bootId, host }).data;
  } catch {
    return undefined;
  }
}

export interface TemporaryFile {
  readonly path: string;
  readonly facts: FileFacts;
  readonly sha256: string;
}

/** Removes what dead processes left in `folder`; what a living one still writes stays. */
export async function removeLeftovers(fs: FileSystem, folder: string, nowNs: bigint): Promise<void> {
  for (const { name } of await fs.entries(folder)) {
    const path = join(folder, name);
    const writer = writerOf(name);
    const alive = writer === undefined ? undefined : isAlive(writer);
    if (alive === true) continue;
    try {
      if (alive === false || nowNs - (await fs.factsAt(path)).modifiedNs > abandonedAfterNs)
        await fs.unlink(path);
    } catch {
      // Somebody else opened the store at the same moment and removed it.
    }
  }
}

/** Shows that files can be made and linked in `folder`, which a create needs. */
export async function proveWritable(fs: FileSystem, folder: string): Promise<void> {
  const [path, second] = [join(folder, temporaryName()), join(folder, temporaryName())];
  await fs.close(await fs.create(path));
  try {
    await fs.link(path, second);
    await fs.unlink(second);
  } finally {
    await removeQuietly(fs, path);
  }
}

/** What cannot be removed now is removed when the store is opened after this process. */
export async function removeQuietly(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch {}
}

/** Writes `body` to a new file in `folder`, down to the disk; on any failure nothing stays. */
export async function writeTemporary(
  fs: FileSystem,
  folder: string,
  key: string,
  body: Body,
  options: WriteOptions = {},
): Promise<TemporaryFile> {
  const path = join(folder, temporaryName());
  const file = await fs.create(path);
  try {
    try {
      const sha256 = await writeBody(fs, file, body);
      checkDigest(key, sha256, options);
      await fs.sync(file);
      return { path, sha256, facts: await fs.facts(file) };
    } finally {
      await fs.close(file);
    }
  } catch (error) {
    await removeQuietly(fs, path);
    throw error;
  }
}

/** Writes and hashes at the same time; returns the digest. */
async function writeBody(fs: FileSystem, file: number, body: Body): Promise<string> {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (!(bytes instanceof Uint8Array)) return await writeStream(fs, file, bytes);
  const writing = fs.write(file, bytes);
  const sha256 = hash("sha256", bytes, "hex");
  await writing;
  return sha256;
}

async function writeStream(fs: FileSystem, file: number, body: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash("sha256");
  let sinceFlush = 0;
  let flushing: Promise<void> | undefined;
  try {
    for await (const chunk of failuresMarked(body)) {
      const writing = fs.write(file, chunk);
      digest.update(chunk);
      await writing;
      sinceFlush += chunk.byteLength;
      if (sinceFlush >= flushEveryBytes) {
        await flushing;
        sinceFlush = 0;
        flushing = fs.sync(file);
        flushing.catch(() => {});
      }
    }
  } finally {
    // The file is not closed under a running flush, and its error counts: the system reports it only once.
    await flushing;
  }
  return digest.digest("hex");
}

async function* failuresMarked(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await iterator.next().catch((cause: unknown) => {
        ended = true;
        throw new BodyFailed(cause);
      });
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

function checkDigest(key: string, actual: string, { sha256: expected }: WriteOptions): void {
  if (expected === undefined || expected === actual) return;
  throw new PawlError("STORE_DIGEST", `the bytes for ${key} have the SHA-256 ${actual}, not ${expected}`, {
    next: "The bytes changed on their way, or the digest is of something else: read them again.",
    details: { key, expected, actual },
  });
}
