import { isAbsent } from "./folder-errors.ts";
import type { FileFacts, FileSystem } from "./folder-file-system.ts";

/** A file as it was found: what is read later must be that very file, unchanged. */
export interface FoundFile {
  readonly path: string;
  readonly facts: FileFacts;
}

export const chunkBytes = 1024 * 1024;

/** Opens what was found there; `undefined` where it is gone, or another file stands in its place. */
async function openFound(fs: FileSystem, { path, facts }: FoundFile): Promise<number | undefined> {
  let file: number;
  try {
    file = await fs.open(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  try {
    const now = await fs.facts(file);
    if (now.inode === facts.inode && now.modifiedNs === facts.modifiedNs) return file;
  } catch (error) {
    await fs.close(file);
    throw error;
  }
  await fs.close(file);
  return undefined;
}

const cutShort = (path: string): Error =>
  Object.assign(new Error(`${path} is shorter than it was`), { code: "EIO" });

/** The bytes of a small object; `undefined` where it is gone meanwhile. */
export async function readWhole(fs: FileSystem, found: FoundFile): Promise<Uint8Array | undefined> {
  const file = await openFound(fs, found);
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.allocUnsafe(found.facts.sizeBytes);
    for (let at = 0; at < bytes.byteLength; ) {
      const count = await fs.read(file, bytes.subarray(at), at);
      if (count === 0) throw cutShort(found.path);
      at += count;
    }
    return bytes;
  } finally {
    await fs.close(file);
  }
}

/** Reads an object piece by piece, the next one while its consumer is busy with the last. */
export async function* readChunks(
  fs: FileSystem,
  found: FoundFile,
  failed: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  const { path } = found;
  const size = found.facts.sizeBytes;
  // Opened only now, so that an object which nobody reads leaves no file open.
  const file = await openFound(fs, found).catch((error: unknown) => {
    throw failed(error);
  });
  if (file === undefined) {
    throw failed(
      Object.assign(new Error(`${path} was removed or changed before it was read`), { code: "ENOENT" }),
    );
  }
  const readAt = async (at: number): Promise<Uint8Array> => {
    const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, size - at));
    return buffer.subarray(0, await fs.read(file, buffer, at));
  };
  let pending: Promise<Uint8Array> | undefined;
  try {
    for (let at = 0; at < size; ) {
      pending ??= readAt(at);
      const chunk = await pending.catch((error: unknown) => {
        throw failed(error);
      });
      pending = undefined;
      if (chunk.byteLength === 0) throw failed(cutShort(path));
      at += chunk.byteLength;
      if (at < size) {
        pending = readAt(at);
        pending.catch(() => {});
      }
      yield chunk;
    }
  } finally {
    await pending?.catch(() => {});
    await fs.close(file);
  }
}
