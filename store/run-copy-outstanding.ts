import { attemptsPrefix, checkpointsPrefix, journalKey, journalPrefix, manifestKey } from "../core/keys.ts";
import type { ManifestFile } from "../core/manifest.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import { openJournal } from "./journal.ts";
import type { ObjectStore } from "./object-store.ts";
import { otherObject } from "./run-copy-objects.ts";
import type { CheckpointCopy } from "./run-copy-plan.ts";
import { readEntryBytes } from "./run-relation.ts";

interface Both {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly signal: AbortSignal;
}

/** What the destination does not have yet, and how much that is. */
export interface Outstanding {
  /** Those whose manifest it does not have. */
  readonly checkpoints: readonly CheckpointCopy[];
  /** Of all these, each once; those that are most needed first. */
  readonly files: readonly ManifestFile[];
  /** Keys of files that an earlier copy, which did not end, has left. */
  readonly there: ReadonlyMap<string, number>;
  /** What attempts left, beside their checkpoints, and the packed code: keys and sizes. */
  readonly records: ReadonlyMap<string, number>;
  readonly entries: { readonly first: number; readonly last: number };
  readonly objects: number;
  readonly sizeBytes: number;
}

const atATime = 8;

/** All keys with `prefix`, and their sizes in bytes. */
async function sizes(store: ObjectStore, prefix: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const { key, sizeBytes } of store.list(prefix)) found.set(key, sizeBytes);
  return found;
}

/** A manifest is written last and nothing changes, so one that is there stands for all of its files. */
async function missingCheckpoints(
  { to, signal }: Both,
  checkpoints: readonly CheckpointCopy[],
): Promise<CheckpointCopy[]> {
  const missing = await inParallel(checkpoints, { concurrency: atATime, signal }, async (checkpoint) => {
    const key = manifestKey(checkpoint.run, checkpoint.name);
    const found = await to.read(key);
    if (found === undefined) return [checkpoint];
    if (Buffer.compare(found.bytes, checkpoint.manifest) !== 0) throw otherObject(to, key);
    return [];
  });
  return missing.flat();
}

/** A record's key holds the id of the one Batch job that wrote it, once: of the same size is the same. */
async function missingRecords({ from, to }: Both, run: string): Promise<Map<string, number>> {
  const [ours, theirs] = await Promise.all([
    sizes(from, attemptsPrefix(run)),
    sizes(to, attemptsPrefix(run)),
  ]);
  for (const [key, sizeBytes] of theirs) {
    if ((ours.get(key) ?? sizeBytes) !== sizeBytes) throw otherObject(to, key);
    ours.delete(key);
  }
  return ours;
}

/** Packed code is named by what it holds: what is there is the same, though it may be compressed in another way. */
async function missingCode({ from, to }: Both, key: string | undefined): Promise<Map<string, number>> {
  if (key === undefined || (await to.has(key))) return new Map();
  return await sizes(from, key);
}

/** The bytes of the entries `first` to `last`, which must be readable: what nobody could read must not go over. */
async function entryBytes({ from, signal }: Both, run: string, first: number, last: number): Promise<number> {
  if (first > last) return 0;
  let next = first;
  for await (const { sequence } of openJournal(from).entries(run, first)) {
    signal.throwIfAborted();
    next = sequence + 1;
    if (sequence === last) break;
  }
  // Says which one is missing.
  if (next <= last) await readEntryBytes(from, run, next);
  let sum = 0;
  const after = journalKey(run, first - 1);
  for await (const { key, sizeBytes } of from.list(`${journalPrefix}${run}/`, { after })) {
    if (key <= journalKey(run, last)) sum += sizeBytes;
  }
  return sum;
}

/**
 * Compares what is to go over with what the destination has; writes nothing. The journals have the first `common` entries
 * in common; `code` is the packed code that the run needs, where it has such. Errors: RUN_DIVERGED where it has something else under a key; JOURNAL_DAMAGED.
 */
export async function findOutstanding(
  both: Both,
  run: string,
  checkpoints: readonly CheckpointCopy[],
  { common, last, code }: { common: number; last: number; code: string | undefined },
): Promise<Outstanding> {
  const left = await missingCheckpoints(both, checkpoints);
  const records = new Map([...(await missingRecords(both, run)), ...(await missingCode(both, code))]);
  const there = new Map<string, number>();
  for (const each of new Set(left.map((checkpoint) => checkpoint.run))) {
    for (const [key, sizeBytes] of await sizes(both.to, checkpointsPrefix(each))) there.set(key, sizeBytes);
  }
  const files = new Map<string, ManifestFile>();
  for (const { files: own } of left.toSorted((a, b) => Number(b.required) - Number(a.required))) {
    for (const file of own) if (!files.has(file.key)) files.set(file.key, file);
  }
  for (const { key, sizeBytes } of files.values()) {
    if ((there.get(key) ?? sizeBytes) !== sizeBytes) throw otherObject(both.to, key);
  }
  const entries = { first: common + 1, last };
  const bytes = [
    await entryBytes(both, run, entries.first, last),
    ...records.values(),
    ...left.map(({ manifest }) => manifest.byteLength),
    ...[...files.values()].map(({ key, sizeBytes }) => (there.has(key) ? 0 : sizeBytes)),
  ];
  return {
    checkpoints: left,
    files: [...files.values()],
    there,
    records,
    entries,
    objects: files.size + left.length + records.size + last - common,
    sizeBytes: bytes.reduce((sum, each) => sum + each, 0),
  };
}
