import { attemptJobsPrefix, logKey, logPart, logPrefix, outcomeKey } from "../core/keys.ts";
import { Outcome } from "../core/outcome.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** So many parts are read at a time; each is a quarter of a mebibyte or little more. */
const readAhead = 8;

/** Something new of a log: bytes, or that parts of it are not there. */
export type LogNews =
  | { readonly batchJobId: string; readonly bytes: Uint8Array }
  | { readonly batchJobId: string; readonly missing: number };

/** The logs that the Batch jobs of one attempt left in the store, read on and on as they grow. */
export class AttemptLogs {
  readonly attempt: number;
  readonly #store: ObjectStore;
  readonly #run: string;
  /** The last part that was read, by Batch job. */
  readonly #read = new Map<string, number>();

  constructor(store: ObjectStore, run: string, attempt: number) {
    this.#store = store;
    this.#run = run;
    this.attempt = attempt;
  }

  /** What is there since the last call; of two Batch jobs first the log of the one that has claimed the attempt. */
  async *more(claimedBy: string | undefined): AsyncGenerator<LogNews> {
    const ids: string[] = [];
    for await (const id of this.#store.children(attemptJobsPrefix(this.#run, this.attempt))) ids.push(id);
    for (const id of await this.#inOrder(ids, claimedBy)) yield* this.#parts(id);
  }

  async *#parts(batchJobId: string): AsyncGenerator<LogNews> {
    const read = this.#read.get(batchJobId) ?? 0;
    const after = logKey(this.#run, this.attempt, batchJobId, read);
    let batch: number[] = [];
    for await (const { key } of this.#store.list(logPrefix(this.#run, this.attempt, batchJobId), { after })) {
      const part = logPart(key);
      if (part !== undefined) batch.push(part);
      if (batch.length < readAhead) continue;
      yield* this.#bytes(batchJobId, batch);
      batch = [];
    }
    yield* this.#bytes(batchJobId, batch);
  }

  /** Parts are written one after the other, so one that is not there when a later one is never comes. */
  async *#bytes(batchJobId: string, parts: readonly number[]): AsyncGenerator<LogNews> {
    const objects = await Promise.all(
      parts.map((part) => this.#store.read(logKey(this.#run, this.attempt, batchJobId, part))),
    );
    for (const [at, part] of parts.entries()) {
      const bytes = objects[at]?.bytes;
      const last = this.#read.get(batchJobId) ?? 0;
      const missing = part - last - (bytes === undefined ? 0 : 1);
      if (missing > 0) yield { batchJobId, missing };
      this.#read.set(batchJobId, part);
      if (bytes !== undefined) yield { batchJobId, bytes };
    }
  }

  async #inOrder(ids: readonly string[], claimedBy: string | undefined): Promise<readonly string[]> {
    if (ids.length < 2) return ids;
    const ranks = new Map<string, number>();
    for (const id of ids) ranks.set(id, id === claimedBy ? 0 : (await this.#isDuplicate(id)) ? 2 : 1);
    return ids.toSorted((a, b) => (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0));
  }

  async #isDuplicate(batchJobId: string): Promise<boolean> {
    const object = await this.#store.read(outcomeKey(this.#run, this.attempt, batchJobId));
    try {
      const outcome = Outcome.safeParse(JSON.parse(Buffer.from(object?.bytes ?? []).toString("utf8")));
      return outcome.data?.result === "duplicate";
    } catch {
      return false;
    }
  }
}
