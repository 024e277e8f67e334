import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { journalKey } from "../core/keys.ts";
import { openFolderStore } from "./folder.ts";
import { openJournal } from "./journal.ts";
import type { ObjectStore } from "./object-store.ts";
import { openedEntry } from "./testing/entries.ts";
import { storeVariant } from "./testing/store-variant.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });
const job = { name: "digits", command: ["true"], epochs: 3 };
const entry = (sequence: number, run = "digits-1") => openedEntry(run, sequence, job);

let root: string;
let store: ObjectStore;

beforeEach(async () => {
  root = await freshFolder();
  store = await openFolderStore(root);
});

async function write(count: number): Promise<void> {
  const journal = openJournal(store);
  for (let sequence = 1; sequence <= count; sequence += 1) await journal.append(entry(sequence));
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A store with a journal of `length` entries that only says which keys are there, and counts how often it is asked. */
function countingStore(length: number): { store: ObjectStore; asked: () => number } {
  let asked = 0;
  const sequenceOf = (key: string) => Number(/(\d+)\.json$/.exec(key)?.[1]);
  const exists = (key: string) => {
    asked += 1;
    return sequenceOf(key) >= 1 && sequenceOf(key) <= length;
  };
  return {
    asked: () => asked,
    store: storeVariant(store, {
      has: async (key) => exists(key),
      read: async (key) =>
        exists(key)
          ? { bytes: Buffer.from(JSON.stringify(entry(sequenceOf(key)))), version: "1" }
          : undefined,
    }),
  };
}

describe("the newest entry", () => {
  it("is found whatever the length and the hint, with a number of reads that grows with the logarithm of the way", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2_000_000), fc.nat(2_500_000), async (length, hint) => {
        const counting = countingStore(length);
        const newest = await openJournal(counting.store).newest("digits-1", hint);
        expect(newest?.sequence).toBe(length === 0 ? undefined : length);
        const way = hint <= length ? length - hint : length;
        expect(counting.asked()).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(way + 2)) + 3);
      }),
      { numRuns: 300 },
    );
  });

  it("costs two questions for the writer that has just written it, and reads nothing back", async () => {
    await write(2);
    let [reads, questions] = [0, 0];
    const journal = openJournal(
      storeVariant(store, {
        read: async (key) => {
          reads += 1;
          return await store.read(key);
        },
        has: async (key) => {
          questions += 1;
          return await store.has(key);
        },
        list: () => expect.unreachable("the hot path lists nothing"),
      }),
    );
    await journal.append(entry(3));
    [reads, questions] = [0, 0];
    expect((await journal.newest("digits-1", 3))?.sequence).toBe(3);
    expect([reads, questions]).toEqual([0, 1]);
  });

  it("is another process's as soon as that one has written it", async () => {
    const [here, there] = [openJournal(store), openJournal(await openFolderStore(root))];
    for (let sequence = 1; sequence <= 40; sequence += 1) {
      const [writer, reader] = sequence % 3 === 0 ? [here, there] : [there, here];
      expect(await writer.append(entry(sequence))).toBe(true);
      for (const hint of [0, 1, sequence - 1, sequence]) {
        expect((await reader.newest("digits-1", hint))?.sequence).toBe(sequence);
      }
      expect(await reader.append(entry(sequence))).toBe(false);
    }
  });

  it("is none for a run that there is not, whatever the hint", async () => {
    const journal = openJournal(store);
    expect(await journal.newest("digits-1")).toBeUndefined();
    expect(await journal.newest("digits-1", 7)).toBeUndefined();
    expect(await journal.entry("digits-1", 1)).toBeUndefined();
    expect(await all(journal.entries("digits-1"))).toEqual([]);
  });
});

describe("appending", () => {
  it("has one winner for each number, of eight writers at once", async () => {
    const writers = await Promise.all(
      Array.from({ length: 8 }, async () => openJournal(await openFolderStore(root))),
    );
    const own = writers.map((_, writer) => (sequence: number) => ({
      ...entry(sequence),
      decision: { kind: "opened" as const, reason: `writer ${writer}` },
    }));
    for (let sequence = 1; sequence <= 25; sequence += 1) {
      const won = await Promise.all(
        writers.map((journal, writer) => journal.append(own[writer]?.(sequence) ?? entry(sequence))),
      );
      expect(won.filter((each) => each)).toHaveLength(1);
      const reasons = await Promise.all(
        writers.map(async (journal) => (await journal.entry("digits-1", sequence))?.decision.reason),
      );
      expect(new Set(reasons)).toEqual(new Set([`writer ${won.indexOf(true)}`]));
    }
  });

  it("leaves what is there, also after the entry in the writer's hands was changed", async () => {
    const journal = openJournal(store);
    const first = entry(1);
    expect(await journal.append(first)).toBe(true);
    first.decision.reason = "changed afterwards";
    first.state.turns = 99;
    expect(await journal.append(first)).toBe(false);
    const fresh = await openJournal(store).entry("digits-1", 1);
    expect(fresh).toEqual(entry(1));
    expect(await journal.entry("digits-1", 1)).toEqual(fresh);
  });

  it("refuses what could not be read back, and writes nothing", async () => {
    const journal = openJournal(store);
    const wrong = entry(1);
    wrong.state.progress.trainedSeconds = Number.NaN;
    await expect(journal.append(wrong)).rejects.toThrow("trainedSeconds");
    expect(await store.has(journalKey("digits-1", 1))).toBe(false);
  });

  it("does not take an entry for written where the store failed", async () => {
    const failing = openJournal(
      storeVariant(store, {
        create: async () => {
          throw new Error("no store today");
        },
      }),
    );
    await expect(failing.append(entry(1))).rejects.toThrow("no store today");
    expect(await failing.newest("digits-1", 1)).toBeUndefined();
  });
});

describe("reading a whole journal", () => {
  it.each([0, 1, 15, 16, 17, 33])("gives %i entries in their order, from any number on", async (length) => {
    await write(length);
    const journal = openJournal(store);
    const numbers = async (from?: number) =>
      (await all(journal.entries("digits-1", from))).map(({ sequence }) => sequence);
    const expected = Array.from({ length }, (_, i) => i + 1);
    expect(await numbers()).toEqual(expected);
    expect(await numbers(4)).toEqual(expected.slice(3));
  });

  it("names the runs, and nothing else that is in the store", async () => {
    const journal = openJournal(store);
    for (const run of ["b-1", "a-2", "a-10"]) await journal.append(entry(1, run));
    await store.create("checkpoints/c-1/1-1/manifest.json", "{}");
    expect(await all(journal.runs())).toEqual(["a-10", "a-2", "b-1"]);
  });
});

describe("a damaged entry", () => {
  const damages: Record<string, (text: string) => string> = {
    "is cut short": (text) => text.slice(0, -20),
    "is empty": () => "",
    "is no entry": () => '{"version": 1}',
    "has a field that nobody knows": (text) => text.replace('{"version":1', '{"more":1,"version":1'),
    "is a copy of another entry": () => JSON.stringify(entry(1)),
    "is of another run": () => JSON.stringify(entry(2, "other-1")),
  };

  it.each(Object.entries(damages))("that %s is named with its key", async (_, damage) => {
    await write(3);
    const key = journalKey("digits-1", 2);
    const path = join(root, key);
    const text = damage(JSON.stringify(entry(2)));
    await rm(path);
    await writeFile(path, text);
    const journal = openJournal(await openFolderStore(root));
    const error = { code: "JOURNAL_DAMAGED", details: { key }, message: expect.stringContaining(key) };
    await expect(journal.entry("digits-1", 2)).rejects.toMatchObject(error);
    await expect(all(journal.entries("digits-1"))).rejects.toMatchObject(error);
    // The decisions go on from the newest one, which is whole.
    expect((await journal.newest("digits-1"))?.sequence).toBe(3);
  });
});
