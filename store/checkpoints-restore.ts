import { PawlError } from "../core/errors.ts";
import type { Manifest, ManifestFile } from "../core/manifest.ts";
import { type Fill, fillFolder } from "./checkpoints-fill.ts";
import { damaged, readManifest } from "./checkpoints-manifest.ts";
import type { ParallelOptions } from "./checkpoints-parallel.ts";
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
  await restoreFiles(store, manifest, toFolder, options);
  return manifest;
}

/** The same, by a manifest that was read already. */
export const restoreFiles = (
  store: ObjectStore,
  { name, files }: Manifest,
  toFolder: string,
  options: ParallelOptions,
): Promise<void> =>
  fillFolder(
    toFolder,
    files.map((file) => fromStore(store, name, file)),
    options,
  );

/** A file of checkpoint `name`, to be read by its key. */
const fromStore = (store: ObjectStore, name: string, file: ManifestFile): Fill => ({
  ...file,
  open: () => find(store, name, file),
  wrong: (path, is) => damaged(name, path, is),
});

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
