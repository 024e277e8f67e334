import { hash } from "node:crypto";
import { PawlError } from "../core/errors.ts";
import { checkpointName, manifestKey } from "../core/keys.ts";
import { Manifest } from "../core/manifest.ts";
import type { ObjectStore } from "./object-store.ts";

/** CHECKPOINT_DAMAGED: of checkpoint `checkpoint`, what is at `path` in it `is` so. */
export const damaged = (checkpoint: string, path: string, is: string, cause?: unknown): PawlError =>
  new PawlError("CHECKPOINT_DAMAGED", `checkpoint ${checkpoint} is damaged: ${path} ${is}`, {
    next: "Go on from an earlier checkpoint; pawl does so itself where the run still keeps one.",
    details: { checkpoint, path },
    cause,
  });

/** What is wrong beyond the schema: what the manifest says of itself, and paths that cannot exist together. */
function contradiction(manifest: Manifest, run: string, name: string): string | undefined {
  const says = checkpointName(manifest.epoch, manifest.attempt, manifest.step);
  if (manifest.run !== run || manifest.name !== name || name !== says) {
    return `says that it is of checkpoint ${manifest.name} of run ${manifest.run}`;
  }
  const paths = new Set(manifest.files.map((file) => file.path));
  if (paths.size < manifest.files.length) return "names a path twice";
  for (const path of paths) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      if (paths.has(path.slice(0, slash))) return `names ${path.slice(0, slash)} as a file and as a folder`;
    }
  }
  return undefined;
}

function parse(bytes: Uint8Array, name: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (cause) {
    throw damaged(name, "manifest.json", "cannot be read", cause);
  }
}

/** A manifest as it was found, and the SHA-256 of its bytes, which stands for the whole checkpoint. */
export interface FoundManifest {
  readonly manifest: Manifest;
  readonly digest: string;
}

/** The manifest that `bytes` are, wherever they were found; `place` names that. Errors: CHECKPOINT_DAMAGED. */
export function parseManifest(bytes: Uint8Array, place: string): FoundManifest {
  const manifest = parse(bytes, place);
  const problem = contradiction(manifest, manifest.run, manifest.name);
  if (problem !== undefined) throw damaged(place, "manifest.json", problem);
  return { manifest, digest: hash("sha256", bytes, "hex") };
}

/** The manifest of a complete checkpoint; `undefined` where there is none. Errors: CHECKPOINT_DAMAGED. */
export const readManifest = async (
  store: ObjectStore,
  run: string,
  name: string,
): Promise<Manifest | undefined> => (await findManifest(store, run, name))?.manifest;

/** The same, with its digest. */
export async function findManifest(
  store: ObjectStore,
  run: string,
  name: string,
): Promise<FoundManifest | undefined> {
  const object = await store.read(manifestKey(run, name));
  if (object === undefined) return undefined;
  const manifest = parse(object.bytes, name);
  const problem = contradiction(manifest, run, name);
  if (problem !== undefined) throw damaged(name, "manifest.json", problem);
  return { manifest, digest: hash("sha256", object.bytes, "hex") };
}
