import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PawlError } from "../core/errors.ts";
import type { Manifest, ManifestFile } from "../core/manifest.ts";
import { damaged, readManifest } from "./checkpoints-manifest.ts";
import { inParallel, type ParallelOptions, untilAborted } from "./checkpoints-parallel.ts";
import { folderError } from "./folder-errors.ts";
import { nodeFileSystem as fs } from "./folder-file-system.ts";
import type { ObjectStore, StreamedObject } from "./object-store.ts";

/**
 * Writes a checkpoint's files into `toFolder`, which must be empty or absent, and checks every size and digest. On any
 * failure the folder is left empty. Errors: CHECKPOINT_DAMAGED with `{checkpoint, path}` for whatever is missing, cannot
 * be read or has other bytes; DESTINATION_EXISTS; STORE_FULL, STORE_UNWRITABLE for the folder too; the store's.
 */
export async function restoreCheckpoint(
  store: ObjectStore,
  run: string,
  name: string,
  toFolder: string,
  options: ParallelOptions = {},
): Promise<Manifest> {
  const manifest = await readManifest(store, run, name);
  if (manifest === undefined) throw damaged(name, "manifest.json", "is missing");
  try {
    await emptyFolder(toFolder);
  } catch (error) {
    throw folderError(error, "restore into", toFolder, { folder: toFolder });
  }
  try {
    const folders = new Set(manifest.files.map((file) => dirname(join(toFolder, file.path))));
    for (const folder of folders) await mkdir(folder, { recursive: true });
    await inParallel(manifest.files, options, (file, signal) => restore(store, name, file, toFolder, signal));
  } catch (error) {
    const tops = new Set(manifest.files.map((file) => file.path.split("/")[0] ?? file.path));
    for (const top of tops) await rm(join(toFolder, top), { recursive: true, force: true });
    throw folderError(error, "restore into", toFolder, { folder: toFolder });
  }
  return manifest;
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

async function find(store: ObjectStore, name: string, { path, key }: ManifestFile): Promise<StreamedObject> {
  let object: StreamedObject | undefined;
  try {
    object = await store.open(key);
  } catch (error) {
    if (error instanceof PawlError && error.code === "STORE_KEY")
      throw damaged(name, path, "has no key", error);
    throw error;
  }
  if (object === undefined) throw damaged(name, path, `is missing (${key})`);
  return object;
}

async function restore(
  store: ObjectStore,
  name: string,
  file: ManifestFile,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const object = await find(store, name, file);
  const wrongSize = (bytes: number) => damaged(name, file.path, `has ${bytes} bytes, not ${file.sizeBytes}`);
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
  if (digest.digest("hex") !== file.sha256)
    throw damaged(name, file.path, "has another digest than was saved");
}
