import { resolve } from "node:path";
import type { Origin } from "../core/checkpoint-source.ts";
import { PawlError } from "../core/errors.ts";
import { fillFolder } from "./checkpoints-fill.ts";
import { damaged, findManifest } from "./checkpoints-manifest.ts";
import type { ParallelOptions } from "./checkpoints-parallel.ts";
import { lookAt } from "./checkpoints-place.ts";
import { restoreFiles } from "./checkpoints-restore.ts";
import type { ObjectStore } from "./object-store.ts";
import { openStore } from "./open-store.ts";

/** From where an origin is taken: the run's own store, and the job file's folder. */
export interface OriginBase {
  readonly store: ObjectStore;
  readonly folder: string | undefined;
}

/** The same before the run: its store may not be there yet. */
export type OriginSearch = Omit<OriginBase, "store"> & { readonly store: ObjectStore | undefined };

/** `place` as an absolute path, or an S3 address as it is. Errors: CHECKPOINT_NOT_FOUND without a folder to begin at. */
export function absolutePlace(place: string, folder: string | undefined): string {
  if (place.startsWith("s3://")) return place;
  if (folder !== undefined) return resolve(folder, place);
  if (place.startsWith("/")) return place;
  throw new PawlError(
    "CHECKPOINT_NOT_FOUND",
    `${place} is relative to the job file's folder, and that is not known`,
    { next: "Name a whole path, or an S3 address." },
  );
}

/** The store that an origin's checkpoint is in, opened to be read. Errors: STORE_NOT_FOUND. */
export async function originStore(store: string | undefined, base: OriginSearch): Promise<ObjectStore> {
  if (store !== undefined) return await openStore(absolutePlace(store, base.folder), "read");
  if (base.store !== undefined) return base.store;
  throw new PawlError(
    "STORE_NOT_FOUND",
    "the store that this run will be in is not there yet, and holds no run",
    {
      next: "Name the store that the run is in, as in {run: …, store: …}; for a folder, write ./ before its name.",
    },
  );
}

/**
 * Writes what training begins from into `toFolder`, which must be empty or absent, as it was when the run began. On any
 * failure the folder is left empty. Errors: CHECKPOINT_NOT_FOUND where it is gone; CHECKPOINT_DAMAGED where it is
 * another, or its bytes are; those of `fillFolder` and the store's.
 */
export async function restoreOrigin(
  origin: Origin,
  base: OriginBase,
  toFolder: string,
  options: ParallelOptions = {},
): Promise<void> {
  if ("place" in origin) {
    const place = absolutePlace(origin.place, base.folder);
    const { files, sizeBytes, digest } = await lookAt(place);
    if (digest !== origin.digest) {
      throw new PawlError(
        "CHECKPOINT_DAMAGED",
        `${place} has changed since the run began: it had ${origin.files} files of ${origin.sizeBytes} bytes, and has ${files.length} of ${sizeBytes}, or other names`,
        { next: "Put it back as it was, or begin another run with --new.", details: { place } },
      );
    }
    return await fillFolder(toFolder, files, options);
  }
  const store = await originStore(origin.store, base);
  const found = await findManifest(store, origin.run, origin.checkpoint);
  if (found === undefined) {
    throw new PawlError(
      "CHECKPOINT_NOT_FOUND",
      `checkpoint ${origin.checkpoint} of run ${origin.run} is not in ${store.address} any more`,
      { next: "Begin another run with --new, from one that is kept.", details: { ...origin } },
    );
  }
  if (found.digest !== origin.digest)
    throw damaged(origin.checkpoint, "manifest.json", "is another than when the run began");
  await restoreFiles(store, found.manifest, toFolder, options);
}
