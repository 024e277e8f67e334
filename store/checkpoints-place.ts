import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { PawlError } from "../core/errors.ts";
import { checkpointPrefix } from "../core/keys.ts";
import type { Manifest } from "../core/manifest.ts";
import type { Fill } from "./checkpoints-fill.ts";
import { damaged, parseManifest } from "./checkpoints-manifest.ts";
import { filesBelow, nameProblem } from "./checkpoints-source.ts";
import { isAbsent, systemCode } from "./folder-errors.ts";
import { nodeFileSystem } from "./folder-file-system.ts";
import { readChunks } from "./folder-read.ts";
import { compareKeys } from "./object-key.ts";
import { openStore } from "./open-store.ts";

/** What is at a place that is no checkpoint of a store: a folder of pretrained weights, a copied checkpoint, a prefix in S3. */
export interface Place {
  /** To be written with `fillFolder`, which checks what a manifest says of them. */
  readonly files: readonly Fill[];
  readonly sizeBytes: number;
  /** SHA-256 of the manifest; without one, of the files' paths and sizes: contents are not read to find it. */
  readonly digest: string;
}

const manifestPath = "manifest.json";

/** No other `manifest.json` than ours can be there: a checkpoint made from it could not be saved. */
const pathProblem = (path: string): string | undefined =>
  path === manifestPath ? undefined : nameProblem(path);

const notFound = (message: string, next: string, cause?: unknown): PawlError =>
  new PawlError("CHECKPOINT_NOT_FOUND", message, { next, cause });

const refused =
  (place: string) =>
  (path: string, problem: string, cause?: unknown): PawlError =>
    new PawlError("CHECKPOINT_PATH", `${place} cannot be begun from: ${path} ${problem}`, {
      next: "Copy what training begins from into a folder of its own, links as files (cp -rL).",
      details: { place, path },
      cause,
    });

const changed = (place: string) => (path: string, is: string) =>
  new PawlError("CHECKPOINT_DAMAGED", `${place} changed while it was read: ${path} ${is}`, {
    next: "Leave it as it is until the run's first epoch is committed.",
    details: { place, path },
  });

const isStore = (names: readonly string[]): boolean =>
  names.includes("journal") && names.includes("checkpoints");

const holdsStore = (store: string): PawlError =>
  notFound(
    `${store} is a store of runs, and no checkpoint`,
    `Name a run in it, as {run: …, epoch: best, store: ${store}}, or one of its checkpoints' folders.`,
  );

async function inFolder(folder: string): Promise<Fill[]> {
  const next = "Correct checkpoint.from: a folder is relative to the job file's.";
  const facts = await stat(folder).catch((error: unknown) => {
    if (isAbsent(error)) throw notFound(`there is no folder ${folder}`, next, error);
    throw notFound(`${folder} cannot be looked at (${systemCode(error) ?? "unknown"})`, next, error);
  });
  if (!facts.isDirectory())
    throw notFound(`${folder} is a file, not a folder`, "Name the folder that it is in.");
  const refuse = refused(folder);
  const names = await readdir(folder).catch((error: unknown) => {
    throw refuse("the folder", `cannot be read (${systemCode(error) ?? "unknown"})`, error);
  });
  // Before it is walked: a store is large, changes all the time, and is never what was meant.
  if (names.includes(".pawl")) throw holdsStore(`${folder}/.pawl`);
  if (isStore(names)) throw holdsStore(folder);
  const found = await filesBelow(folder, { problem: pathProblem, refuse });
  return found.map((file) => ({
    path: file.name,
    sizeBytes: file.facts.sizeBytes,
    open: async () => ({
      sizeBytes: file.facts.sizeBytes,
      body: readChunks(nodeFileSystem, file, (error) =>
        refuse(file.name, `cannot be read (${systemCode(error) ?? "unknown"})`, error),
      ),
    }),
    wrong: changed(folder),
  }));
}

async function inStore(address: string): Promise<Fill[]> {
  const store = await openStore(address, "read");
  const files: Fill[] = [];
  for await (const { key, sizeBytes } of store.list("")) {
    const problem = pathProblem(key);
    if (problem !== undefined) throw refused(address)(key, problem);
    files.push({
      path: key,
      sizeBytes,
      open: async () => {
        const object = await store.open(key);
        if (object === undefined) throw changed(address)(key, "is gone");
        return object;
      },
      wrong: changed(address),
    });
  }
  if (isStore(files.map(({ path }) => path.split("/")[0] ?? path))) throw holdsStore(address);
  return files.sort((a, b) => compareKeys(a.path, b.path));
}

/** A manifest is held in memory; one of a million files is smaller. */
const maxManifestBytes = 512 * 1024 * 1024;

async function read(file: Fill, place: string): Promise<Buffer> {
  if (file.sizeBytes > maxManifestBytes) throw damaged(place, manifestPath, "is too large to be one");
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await file.open()).body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The files that a copied checkpoint's manifest lists, and no others. */
function listed(manifest: Manifest, files: readonly Fill[], place: string): Fill[] {
  const there = new Map(files.map((file) => [file.path, file]));
  const own = checkpointPrefix(manifest.run, manifest.name);
  return manifest.files.map((file) => {
    const found = there.get(file.path);
    if (!file.key.startsWith(own))
      throw damaged(
        place,
        file.path,
        `is held by an earlier checkpoint (${file.key}), which is not in this copy`,
      );
    if (found === undefined) throw damaged(place, file.path, "is missing");
    const { path, sizeBytes, sha256 } = file;
    return { path, sizeBytes, sha256, open: found.open, wrong: (...what) => damaged(place, ...what) };
  });
}

function digestOf(files: readonly Fill[]): string {
  const digest = createHash("sha256");
  for (const { path, sizeBytes } of files) digest.update(`${sizeBytes} ${path}\0`);
  return digest.digest("hex");
}

const total = (files: readonly Fill[]): number => files.reduce((sum, file) => sum + file.sizeBytes, 0);

/**
 * Looks at `place`, an absolute folder or an S3 address. Errors: CHECKPOINT_NOT_FOUND where nothing is there;
 * CHECKPOINT_PATH for what cannot be in a checkpoint; CHECKPOINT_DAMAGED for a manifest that does not fit; the store's.
 */
export async function lookAt(place: string): Promise<Place> {
  const files = await (place.startsWith("/") ? inFolder(place) : inStore(place));
  if (files.length === 0) throw notFound(`there is no file in ${place}`, "Name a place that holds files.");
  const manifest = files.find((file) => file.path === manifestPath);
  if (manifest === undefined) return { files, sizeBytes: total(files), digest: digestOf(files) };
  const found = parseManifest(await read(manifest, place), place);
  const own = listed(found.manifest, files, place);
  return { files: own, sizeBytes: total(own), digest: found.digest };
}
