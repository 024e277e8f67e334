import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { inParallel, type ParallelOptions, untilAborted } from "./checkpoints-parallel.ts";
import { folderError } from "./folder-errors.ts";
import { nodeFileSystem as fs } from "./folder-file-system.ts";

/** A file to be written. */
export interface Fill {
  /** Below the folder; known to stay in it. */
  readonly path: string;
  readonly sizeBytes: number;
  /** What the bytes must have, where that is known. */
  readonly sha256?: string;
  readonly open: () => Promise<{ readonly body: AsyncIterable<Uint8Array>; readonly sizeBytes: number }>;
  /** The error for what `is` wrong with the bytes at `path`. */
  readonly wrong: (path: string, is: string) => PawlError;
}

/**
 * Writes `files` into `toFolder`, which must be empty or absent, some at a time, and checks every size and digest. On
 * any failure the folder is left empty. Errors: DESTINATION_EXISTS; STORE_FULL, STORE_UNWRITABLE; those of the files.
 */
export async function fillFolder(
  toFolder: string,
  files: readonly Fill[],
  options: ParallelOptions,
): Promise<void> {
  try {
    await emptyFolder(toFolder);
  } catch (error) {
    throw folderError(error, "restore into", toFolder, { folder: toFolder });
  }
  try {
    const folders = new Set(files.map((file) => dirname(join(toFolder, file.path))));
    for (const folder of folders) await mkdir(folder, { recursive: true });
    await inParallel(files, options, (file, signal) => write(file, toFolder, signal));
  } catch (error) {
    const tops = new Set(files.map((file) => file.path.split("/")[0] ?? file.path));
    for (const top of tops) await rm(join(toFolder, top), { recursive: true, force: true });
    throw folderError(error, "restore into", toFolder, { folder: toFolder });
  }
}

/** With nothing in it, nothing in it can lead out of it. */
async function emptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length === 0) return;
  throw new PawlError(
    "DESTINATION_EXISTS",
    `${folder} is not empty, and a checkpoint is restored into nothing else`,
    {
      next: "Name a new or an empty folder.",
      details: { folder },
    },
  );
}

async function write(file: Fill, folder: string, signal: AbortSignal): Promise<void> {
  const object = await file.open();
  const wrongSize = (bytes: number) => file.wrong(file.path, `has ${bytes} bytes, not ${file.sizeBytes}`);
  if (object.sizeBytes !== file.sizeBytes) throw wrongSize(object.sizeBytes);
  const digest = createHash("sha256");
  let bytes = 0;
  const target = await fs.create(join(folder, file.path));
  try {
    for await (const chunk of untilAborted(object.body, signal)) {
      const writing = fs.write(target, chunk);
      digest.update(chunk);
      await writing;
      bytes += chunk.byteLength;
    }
  } finally {
    await fs.close(target);
  }
  if (bytes !== file.sizeBytes) throw wrongSize(bytes);
  if (file.sha256 !== undefined && digest.digest("hex") !== file.sha256)
    throw file.wrong(file.path, "has another digest than was saved");
}
