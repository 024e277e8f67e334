import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { codeKey } from "../core/keys.ts";
import { digestOf } from "./checkpoints-source.ts";
import { archiveOf } from "./code-archive.ts";
import { type CodeEntry, codeEntries, refusedCode } from "./code-files.ts";
import type { ObjectStore } from "./object-store.ts";

export { unpackCode } from "./code-unpack.ts";

/** A folder as it is going to be packed: named by its content, and not sent anywhere yet. */
export interface PackedCode {
  /** An absolute path. */
  readonly folder: string;
  /** `code/<digest>.tar.gz` */
  readonly key: string;
  /** SHA-256 of the archive before it is compressed. */
  readonly digest: string;
  readonly entries: readonly CodeEntry[];
  readonly files: number;
  /** Of all files, before compression. */
  readonly sizeBytes: number;
}

/**
 * Looks at all that is packed of `folder`, and names it by its content: the same files have the same name on any machine.
 * Left out is what .pawlignore says, or where there is none, what Git's ignore files say; always .git, .hg, .svn, .pawl, __pycache__,
 * .DS_Store, Python's virtual environments, folders that are stores, and `leaveOut`. Symbolic links
 * that stay inside are kept as links. Errors: CODE_INVALID for a link that leads out, a socket or a device, what is too
 * big, unreadable, or changes meanwhile.
 */
export async function packCode(
  folder: string,
  { leaveOut = [] }: { leaveOut?: readonly string[] } = {},
): Promise<PackedCode> {
  const whole = resolve(folder);
  const entries = await codeEntries(
    whole,
    leaveOut.map((path) => resolve(path)),
  );
  const digest = await digestOf(archiveOf(whole, entries));
  const sizes = entries.flatMap((entry) => (entry.type === "file" ? [entry.found.facts.sizeBytes] : []));
  return {
    folder: whole,
    key: codeKey(digest),
    digest,
    entries,
    files: sizes.length,
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

/** The archive, which must be what it was named for to its last byte. */
async function* asNamed({ folder, entries, digest }: PackedCode): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of archiveOf(folder, entries)) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest("hex") === digest) return;
  throw refusedCode(
    folder,
    "it changed while it was packed",
    "Try again when nobody writes into the folder.",
  );
}

/** Puts packed code into a store; returns whether it was not there already. Errors: CODE_INVALID; the store's. */
export async function uploadCode(store: ObjectStore, packed: PackedCode): Promise<boolean> {
  if (await store.has(packed.key)) return false;
  const gzip = createGzip();
  const packing = pipeline(Readable.from(asNamed(packed)), gzip);
  // It is told by the stream too, which the store reads.
  packing.catch(() => {});
  try {
    return (await store.create(packed.key, gzip)) !== undefined;
  } finally {
    // Where somebody else was first, the store may not have read to the end.
    gzip.destroy();
  }
}
