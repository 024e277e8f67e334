import { linesOf } from "../core/diagnosis/plain.ts";
import { logKey, logPart, logPrefix } from "../core/keys.ts";
import type { ListedObject, ObjectStore } from "../store/object-store.ts";

/** So much of a log's end is read; what a trainer says last of its failure is far less. */
const tailBytes = 64 * 1024;

/** A trainer that prints little has a part a second: so many of the last are read. */
const tailParts = 64;

/** So many keys come with one listing. */
const page = 1000;

/**
 * The last lines of the log that one Batch job of an attempt left; none where it left none. A log can have a part for each
 * second of days: its end is searched for rather than listed up to.
 */
export async function readLogTail(
  store: ObjectStore,
  run: string,
  attempt: number,
  batchJobId: string,
): Promise<string[]> {
  const prefix = logPrefix(run, attempt, batchJobId);
  const after = (part: number) => store.list(prefix, { after: logKey(run, attempt, batchJobId, part) });
  const isBeyond = async (part: number): Promise<boolean> => {
    for await (const _ of after(part)) return true;
    return false;
  };
  let before = 0;
  let step = page;
  while (await isBeyond(before + step)) {
    before += step;
    step *= 2;
  }
  for (; step >= page; step /= 2) if (await isBeyond(before + step)) before += step;
  const parts: ListedObject[] = [];
  for await (const listed of after(Math.max(0, before - tailParts))) {
    if (logPart(listed.key) !== undefined) parts.push(listed);
  }
  return linesOf(await readBack(store, parts.slice(-tailParts)));
}

/** The end of the text that `parts` make up, which may begin in the middle of a character. */
async function readBack(store: ObjectStore, parts: readonly ListedObject[]): Promise<string> {
  let bytes: Uint8Array = new Uint8Array();
  for (const { key } of parts.toReversed()) {
    const object = await store.read(key);
    bytes = Buffer.concat([object?.bytes ?? new Uint8Array(), bytes]);
    if (bytes.byteLength >= tailBytes) break;
  }
  return new TextDecoder().decode(bytes.subarray(-tailBytes));
}
