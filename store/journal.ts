import * as z from "zod";
import { PawlError } from "../core/errors.ts";
import { JournalEntry } from "../core/journal-entry.ts";
import { journalKey, journalPrefix } from "../core/keys.ts";
import type { ObjectStore } from "./object-store.ts";

/**
 * A run's history in a store: gapless numbered entries, each created only if absent. One conditional create is one
 * durable decision; of two writers one wins, and the other reads again.
 */
export interface Journal {
  /** The newest entry; `hint` is a sequence known to exist, and spares the search below it. */
  newest(run: string, hint?: number): Promise<JournalEntry | undefined>;
  /** The entry with this number. */
  entry(run: string, sequence: number): Promise<JournalEntry | undefined>;
  /** Writes `entry`; `false` where its number is taken. */
  append(entry: JournalEntry): Promise<boolean>;
  /** All entries from number `from` on, in order. */
  entries(run: string, from?: number): AsyncIterable<JournalEntry>;
  /** The names of all runs, in ascending order. */
  runs(): AsyncIterable<string>;
}

/** How many entries `entries` reads at a time. */
const readAhead = 16;

/** Entries never change, so the latest ones seen are remembered: the hot path then reads nothing back. */
const remembered = 8;

export function openJournal(store: ObjectStore): Journal {
  const memory = new Map<string, JournalEntry>();

  const remember = (key: string, entry: JournalEntry): JournalEntry => {
    memory.delete(key);
    memory.set(key, entry);
    const oldest = memory.keys().next();
    if (memory.size > remembered && !oldest.done) memory.delete(oldest.value);
    return entry;
  };

  const exists = async (run: string, sequence: number) => {
    const key = journalKey(run, sequence);
    return memory.has(key) || (await store.has(key));
  };

  async function entry(run: string, sequence: number): Promise<JournalEntry | undefined> {
    const key = journalKey(run, sequence);
    const known = memory.get(key);
    if (known !== undefined) return remember(key, known);
    const object = await store.read(key);
    return object === undefined ? undefined : remember(key, parseEntry(object.bytes, run, sequence));
  }

  /** The last number that exists, given that `from` does (or is 0): doubling steps, then halving ones. */
  async function lastSequence(run: string, from: number): Promise<number> {
    let known = from;
    let step = 1;
    while (await exists(run, known + step)) {
      known += step;
      step *= 2;
    }
    let missing = known + step;
    while (missing - known > 1) {
      const middle = Math.floor((known + missing) / 2);
      if (await exists(run, middle)) known = middle;
      else missing = middle;
    }
    return known;
  }

  return {
    entry,
    async newest(run, hint = 0) {
      const from = hint > 0 && (await exists(run, hint)) ? hint : 0;
      const last = await lastSequence(run, from);
      return last === 0 ? undefined : await entry(run, last);
    },
    async append(entry) {
      const key = journalKey(entry.run, entry.sequence);
      const text = JSON.stringify(entry);
      // It can never be changed: what nobody could read back must not be written. And what is remembered is what is read.
      const kept = JournalEntry.parse(JSON.parse(text));
      const written = await store.create(key, text);
      if (written !== undefined) remember(key, kept);
      return written !== undefined;
    },
    async *entries(run, from = 1) {
      for (let first = from; ; first += readAhead) {
        const batch = await Promise.all(Array.from({ length: readAhead }, (_, i) => entry(run, first + i)));
        for (const found of batch) {
          if (found === undefined) return;
          yield found;
        }
      }
    },
    runs: () => store.children(journalPrefix),
  };
}

function parseEntry(bytes: Uint8Array, run: string, sequence: number): JournalEntry {
  const key = journalKey(run, sequence);
  let entry: JournalEntry;
  try {
    entry = JournalEntry.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (cause) {
    throw damaged(key, `cannot be read: ${shortReason(cause)}`, cause);
  }
  if (entry.run === run && entry.sequence === sequence && entry.state.sequence === sequence) return entry;
  throw damaged(key, `says that it is entry ${entry.sequence} of run ${entry.run}`);
}

const damaged = (key: string, is: string, cause?: unknown): PawlError =>
  new PawlError("JOURNAL_DAMAGED", `journal entry ${key} ${is}`, {
    next: "Restore the object from a backup or an earlier version of it; Pawl never changes a journal entry.",
    details: { key },
    cause,
  });

function shortReason(cause: unknown): string {
  const [issue] = cause instanceof z.ZodError ? cause.issues : [];
  if (issue !== undefined) return `its ${issue.path.join(".") || "whole"}: ${issue.message}`.slice(0, 300);
  return (cause instanceof Error ? cause.message : String(cause))
    .split("\n")
    .slice(0, 3)
    .join(" ")
    .slice(0, 300);
}
