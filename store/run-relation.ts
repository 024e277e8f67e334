import { isDeepStrictEqual } from "node:util";
import { PawlError } from "../core/errors.ts";
import { journalKey } from "../core/keys.ts";
import type { ObjectStore } from "./object-store.ts";

/** How a run's history in one store stands to that in another. */
export type RunRelation =
  /** The first `common` entries are all that the destination has, and the source has more. */
  | { readonly relation: "behind"; readonly common: number }
  | { readonly relation: "same"; readonly common: number }
  /** The destination has all entries of the source, and more. */
  | { readonly relation: "ahead"; readonly common: number }
  /** Entry `sequence` is not the same in both. */
  | { readonly relation: "diverged"; readonly sequence: number };

/** So many entries are compared at a time. */
const atATime = 16;

/** The bytes of a journal entry that is known to be there. Errors: JOURNAL_DAMAGED where it is not. */
export async function readEntryBytes(store: ObjectStore, run: string, sequence: number): Promise<Uint8Array> {
  const key = journalKey(run, sequence);
  const object = await store.read(key);
  if (object !== undefined) return object.bytes;
  throw new PawlError("JOURNAL_DAMAGED", `journal entry ${key} is missing in ${store.address}`, {
    next: "Restore the object from a backup; Pawl never removes an entry from the middle of a journal.",
    details: { key, store: store.address },
  });
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Whether two objects hold the same entry: the same bytes, or the same JSON in other words. */
export function sameEntry(one: Uint8Array, other: Uint8Array): boolean {
  if (Buffer.compare(one, other) === 0) return true;
  const value = parsed(one);
  return value !== undefined && isDeepStrictEqual(value, parsed(other));
}

/**
 * Compares the journals of `run` entry by entry; `have` of them are in the source, `there` in the destination.
 * Errors: the stores'; JOURNAL_DAMAGED where one has a gap.
 */
export async function relateRuns(
  { from, to, signal }: { from: ObjectStore; to: ObjectStore; signal: AbortSignal },
  run: string,
  have: number,
  there: number,
): Promise<RunRelation> {
  const common = Math.min(have, there);
  for (let first = 1; first <= common; first += atATime) {
    signal.throwIfAborted();
    const sequences = Array.from({ length: Math.min(atATime, common - first + 1) }, (_, i) => first + i);
    const same = await Promise.all(
      sequences.map(async (sequence) => {
        const [ours, theirs] = await Promise.all([
          readEntryBytes(from, run, sequence),
          readEntryBytes(to, run, sequence),
        ]);
        return sameEntry(ours, theirs);
      }),
    );
    const different = same.indexOf(false);
    if (different >= 0) return { relation: "diverged", sequence: first + different };
  }
  if (have === there) return { relation: "same", common };
  return { relation: have > there ? "behind" : "ahead", common };
}
