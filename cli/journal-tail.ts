import { setTimeout as sleep } from "node:timers/promises";
import type { JournalEntry } from "../core/journal-entry.ts";
import { isUnderWay } from "../core/standing.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { standing, whoDrives } from "./standing.ts";
import type { Summary } from "./summary.ts";

/** Each look costs a bucket's owner a request; a folder is looked at for nothing. */
const lookMilliseconds = { bucket: 2000, folder: 250 };

/** While another driver takes over, nobody drives for a moment: only who is still gone after so long is gone. */
const goneMilliseconds = 1000;

/** The newest end of a run's journal, as it grows. */
export class JournalTail {
  newest: JournalEntry;
  readonly #store: ObjectStore;
  readonly #lookMilliseconds: number;
  #goneSince: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(store: ObjectStore, newest: JournalEntry) {
    this.#store = store;
    this.newest = newest;
    this.#lookMilliseconds = lookMilliseconds[store.address.startsWith("s3:") ? "bucket" : "folder"];
  }

  /** What was journalled since the last call, in order. */
  async more(): Promise<JournalEntry[]> {
    const found: JournalEntry[] = [];
    // A journal of its own each time: what is read here once is never read again.
    const journal = openJournal(this.#store);
    for (;;) {
      const next = await journal.entry(this.newest.run, this.newest.sequence + 1);
      if (next === undefined) return found;
      this.newest = next;
      this.#goneSince = undefined;
      found.push(next);
    }
  }

  /** How it stands, where nothing more is to come: it is over, or nobody trains it; else `undefined`. */
  async settled(): Promise<Summary["status"] | undefined> {
    const { state } = this.newest;
    if (!isUnderWay(state)) return state.status;
    const now = performance.now();
    if (now - this.#lookedAt < goneMilliseconds) return undefined;
    this.#lookedAt = now;
    if ((await whoDrives(this.#store, state)).alive) {
      this.#goneSince = undefined;
      return undefined;
    }
    this.#goneSince ??= now;
    return now - this.#goneSince >= goneMilliseconds ? standing(state, false) : undefined;
  }

  /** Waits until it is time to look again, or until `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    await sleep(this.#lookMilliseconds, undefined, { signal }).catch(() => {});
  }
}
