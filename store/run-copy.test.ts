import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { PawlError } from "../core/errors.ts";
import { journalKey, manifestKey } from "../core/keys.ts";
import { planPrune } from "../core/prune.ts";
import { FakeWorld, job, run } from "../lambdas/testing/fake-world.ts";
import { restoreCheckpoint, saveCheckpoint } from "./checkpoints.ts";
import { openFolderStore } from "./folder.ts";
import { openJournal } from "./journal.ts";
import type { ObjectStore } from "./object-store.ts";
import { runsWithObjects, surveyRun, wantedByOthers } from "./prune.ts";
import { type CopyProgress, copyRun } from "./run-copy.ts";
import { MemoryWatch, mebibyte, pieces } from "./testing/memory.ts";
import { storeVariant } from "./testing/store-variant.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });

interface Worlds {
  readonly here: FakeWorld;
  readonly there: ObjectStore;
}

/** A run of which four epochs are trained, and the fifth saved and not committed. */
async function worlds(): Promise<Worlds> {
  const here = await FakeWorld.make(await freshFolder());
  await here.open("a", { job: { ...job, epochs: 9, checkpoint: { keep: 2 } } });
  await here.train(4);
  await here.save(5);
  await here.report(5);
  await here.leaveOutcome({});
  return { here, there: await openFolderStore(join(await freshFolder(), "there")) };
}

const noSignal = new AbortController().signal;

const copying = (from: ObjectStore, to: ObjectStore, more: { signal?: AbortSignal } = {}) =>
  copyRun({ run, from, to, signal: noSignal, onProgress: () => {}, ...more });

async function contents(store: ObjectStore): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key } of store.list("")) {
    const object = await store.read(key);
    found.set(key, Buffer.from(object?.bytes ?? []).toString());
  }
  return found;
}

const code = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => "done",
    (error: unknown) => (error instanceof PawlError ? error.code : error),
  );

/** The journal is a beginning of the source's, with what it names, and every checkpoint that has its manifest is whole. */
async function expectPrefix({ here, there }: Worlds): Promise<void> {
  const entries = [];
  for await (const entry of openJournal(there).entries(run)) entries.push(entry);
  expect(entries).toEqual((await here.journal()).slice(0, entries.length));
  // The journal comes last: what it names is there.
  for (const { name } of entries.length === 0 ? [] : ((await here.state())?.kept ?? []))
    expect(await there.has(manifestKey(run, name))).toBe(true);
  for await (const name of there.children(`checkpoints/${run}/`)) {
    if (await there.has(manifestKey(run, name)))
      await restoreCheckpoint(there, run, name, join(await freshFolder(), "restored"));
  }
}

describe("a run that is copied", () => {
  it("has in the destination what it keeps, what it can adopt, its records and its journal, byte for byte", async () => {
    const { here, there } = await worlds();
    // A checkpoint that retention dropped and that nobody has removed yet.
    expect(await here.store.has(manifestKey(run, "1-1"))).toBe(true);
    const progress: CopyProgress[] = [];
    const result = await copyRun({
      run,
      from: here.store,
      to: there,
      signal: noSignal,
      onProgress: (each) => progress.push(each),
    });
    const expected = new Map(
      [...(await contents(here.store))].filter(([key]) => !/checkpoints\/[^/]+\/[12]-1\//.test(key)),
    );
    expect(await contents(there)).toEqual(expected);
    expect(result).toEqual({
      status: "training",
      epoch: 4,
      checkpoints: 3,
      objects: expected.size,
      sizeBytes: [...expected.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      already: false,
      leftOut: [],
    });
    expect(progress.at(-1)).toEqual({
      objects: expected.size,
      totalObjects: expected.size,
      bytes: result.sizeBytes,
      totalBytes: result.sizeBytes,
    });
  });

  it("is copied again without a byte, and by what is new once there is something", async () => {
    const { here, there } = await worlds();
    await copying(here.store, there);
    const before = await contents(there);
    expect(await copying(here.store, there)).toMatchObject({ already: true, objects: 0, sizeBytes: 0 });
    expect(await contents(there)).toEqual(before);
    await here.commit(5);
    const more = await copying(here.store, there);
    // 5-1 was there already, for whoever would have adopted it.
    expect(more).toMatchObject({ epoch: 5, objects: 1, already: false });
  });

  it("goes on after a crash at any call to either store, and leaves a beginning of the history at each", async () => {
    let crashes = 0;
    for (let nth = 1; ; nth += 1) {
      const both = await worlds();
      const { here, there } = both;
      let calls = 0;
      let written = 0;
      const dying = (store: ObjectStore): ObjectStore => {
        const at = async <Result>(call: () => Promise<Result>): Promise<Result> => {
          calls += 1;
          if (calls >= nth) throw new Error("killed");
          return await call();
        };
        return storeVariant(store, {
          create: (...all) =>
            at(async () => {
              const done = await store.create(...all);
              if (done !== undefined) written += done.sizeBytes;
              return done;
            }),
          read: (key) => at(() => store.read(key)),
          open: (key) => at(() => store.open(key)),
          has: (key) => at(() => store.has(key)),
        });
      };
      const outcome = await code(copying(dying(here.store), dying(there)));
      if (outcome === "done") break;
      crashes += 1;
      await expectPrefix(both);
      const again = await copying(here.store, there);
      expect(again.sizeBytes + written).toBe(
        [...(await contents(there)).values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      );
      expect((await openJournal(there).newest(run))?.state).toEqual(await here.state());
      await expectPrefix(both);
    }
    expect(crashes).toBeGreaterThan(30);
  });

  it("stops where it is told to, between two pieces of a file", async () => {
    const { here, there } = await worlds();
    const stop = new AbortController();
    const counted = copyRun({
      run,
      from: here.store,
      to: there,
      signal: stop.signal,
      onProgress: ({ objects }) => {
        if (objects === 3) stop.abort(new PawlError("INTERRUPTED", "stopped"));
      },
    });
    expect(await code(counted)).toBe("INTERRUPTED");
    expect(await openJournal(there).newest(run)).toBeUndefined();
    expect(await copying(here.store, there)).toMatchObject({ epoch: 4 });
  });

  it("is refused where a driver went on meanwhile, and its journal stays as it was there", async () => {
    const { here, there } = await worlds();
    let opened = false;
    const from = storeVariant(here.store, {
      open: async (key) => {
        if (!opened) await here.commit(5);
        opened = true;
        return await here.store.open(key);
      },
    });
    expect(await code(copying(from, there))).toBe("RUN_HELD");
    expect(await openJournal(there).newest(run)).toBeUndefined();
  });
});

describe("what cannot go over", () => {
  it("is a journal with an entry that nobody could read: nothing is written then", async () => {
    for (const spoil of [
      async (store: ObjectStore) => await store.create(journalKey(run, 4), "{"),
      async () => {},
    ]) {
      const { here, there } = await worlds();
      await here.store.remove(journalKey(run, 4));
      await spoil(here.store);
      expect(await code(copying(here.store, there))).toBe("JOURNAL_DAMAGED");
      expect(await contents(there)).toEqual(new Map());
    }
  });

  it("is a record that is another one there", async () => {
    const { here, there } = await worlds();
    await there.create(`attempts/${run}/1/job-a/outcome.json`, "another");
    expect(await code(copying(here.store, there))).toBe("RUN_DIVERGED");
    expect((await contents(there)).size).toBe(1);
  });
});

describe("where the destination has the run", () => {
  it("takes its entries for the same if they say the same in other bytes", async () => {
    const { here, there } = await worlds();
    const entry = JSON.parse((await contents(here.store)).get(journalKey(run, 1)) ?? "");
    await there.create(journalKey(run, 1), JSON.stringify(entry, undefined, 2));
    expect(await copying(here.store, there)).toMatchObject({ epoch: 4, already: false });
  });

  it("names the first entry that is another, and writes nothing", async () => {
    const { here, there } = await worlds();
    for (const [key, text] of await contents(here.store)) {
      if (!key.startsWith("journal/")) continue;
      const entry = JSON.parse(text);
      const changed =
        entry.sequence >= 3 ? { ...entry, decision: { ...entry.decision, reason: "other" } } : entry;
      await there.create(key, JSON.stringify(changed));
    }
    const before = await contents(there);
    await expect(copying(here.store, there)).rejects.toMatchObject({
      code: "RUN_DIVERGED",
      details: { sequence: 3 },
    });
    expect(await contents(there)).toEqual(before);
  });

  it("is refused where the destination is further, and is told to copy the other way", async () => {
    const { here, there } = await worlds();
    await copying(here.store, there);
    await here.store.remove(journalKey(run, (await here.journal()).length));
    const before = await contents(there);
    await expect(copying(here.store, there)).rejects.toMatchObject({
      code: "RUN_DIVERGED",
      next: expect.stringContaining(`pawl copy ${run} --from ${there.address} --to ${here.store.address}`),
    });
    expect(await contents(there)).toEqual(before);
  });

  it.each(["model.txt", "manifest.json"])("refuses another %s under the same key", async (file) => {
    const { here, there } = await worlds();
    await there.create(`checkpoints/${run}/4-1/${file}`, "epoch 4 of attempt 9");
    expect(await code(copying(here.store, there))).toBe("RUN_DIVERGED");
    expect(await openJournal(there).newest(run)).toBeUndefined();
  });
});

const damage = {
  "a file of other bytes": (path: string) => writeFile(join(path, "model.txt"), "epoch X of attempt 1"),
  "a file that is shorter": (path: string) => writeFile(join(path, "model.txt"), "epo"),
  "a file that is gone": (path: string) => rm(join(path, "model.txt")),
  "a manifest that is gone": (path: string) => rm(join(path, "manifest.json")),
  "a manifest cut short": (path: string) => writeFile(join(path, "manifest.json"), '{"version": 1'),
  "a manifest that names an object of another kind": async (path: string) => {
    const text = await readFile(join(path, "manifest.json"), "utf8");
    await writeFile(
      join(path, "manifest.json"),
      text.replace(/checkpoints\/[^"]*model.txt/, journalKey("x", 1)),
    );
  },
};

describe.each(Object.entries(damage))("%s", (_, spoil) => {
  const folderOf = (world: FakeWorld, name: string) => join(world.store.address, "checkpoints", run, name);

  it("leaves an older checkpoint behind, without a manifest, and says so", async () => {
    const { here, there } = await worlds();
    await spoil(folderOf(here, "3-1"));
    const result = await copying(here.store, there);
    expect(result).toMatchObject({ epoch: 4, checkpoints: 2, leftOut: [{ checkpoint: "3-1" }] });
    expect(await there.has(manifestKey(run, "3-1"))).toBe(false);
    expect(await there.has(journalKey("x", 1))).toBe(false);
    await restoreCheckpoint(there, run, "4-1", join(await freshFolder(), "restored"));
  });

  it("is refused in the newest one, and the run is not in the destination", async () => {
    const { here, there } = await worlds();
    await spoil(folderOf(here, "4-1"));
    await expect(copying(here.store, there)).rejects.toMatchObject({
      code: "CHECKPOINT_DAMAGED",
      details: { checkpoint: "4-1" },
    });
    expect(await openJournal(there).newest(run)).toBeUndefined();
  });
});

describe("files that an earlier checkpoint holds", () => {
  it("are copied with it, once", async () => {
    const here = await FakeWorld.make(await freshFolder());
    await here.open("a", { job: { ...job, epochs: 9, checkpoint: { keep: 1 } } });
    await here.claim();
    const folder = join(here.root, "shared");
    await mkdir(folder);
    await writeFile(join(folder, "frozen.bin"), "never changes");
    let previous: Awaited<ReturnType<typeof saveCheckpoint>> | undefined;
    for (const epoch of [1, 2, 3]) {
      await writeFile(join(folder, "model.txt"), `epoch ${epoch}`);
      const at = "2026-11-21T10:00:00.000Z";
      const reports = [{ epoch, metrics: {}, seconds: 1 }];
      const saved = { run, attempt: 1, epoch, folder, jobDigest: "d".repeat(64), at, reports };
      previous = await saveCheckpoint(here.store, previous === undefined ? saved : { ...saved, previous });
      await here.report(epoch);
      await here.commit(epoch);
    }
    expect((await here.state())?.kept.map(({ name }) => name)).toEqual(["1-1", "3-1"]);
    const there = await openFolderStore(join(await freshFolder(), "there"));
    expect(await copying(here.store, there)).toMatchObject({ checkpoints: 2, leftOut: [] });
    const restored = join(await freshFolder(), "restored");
    await restoreCheckpoint(there, run, "3-1", restored);
    expect(await readFile(join(restored, "frozen.bin"), "utf8")).toBe("never changes");
  });
});

describe("a run that begins from another one's checkpoint", () => {
  it("takes that along, as long as it has committed nothing of its own", async () => {
    const { here, there } = await worlds();
    const tuned = { ...job, name: "tuned", checkpoint: { from: run } };
    expect(await here.open("b", { job: tuned })).toMatchObject({ action: "train", run: "tuned-1" });
    const result = await copyRun({
      run: "tuned-1",
      from: here.store,
      to: there,
      signal: noSignal,
      onProgress: () => {},
    });
    expect(result).toMatchObject({ epoch: 0, checkpoints: 1, already: false });
    await restoreCheckpoint(there, run, "4-1", join(await freshFolder(), "restored"));
    const survey = await surveyRun(there, run, new Date());
    const wanted = await wantedByOthers(there, await runsWithObjects(there));
    expect(planPrune(survey, wanted.get(run))).toEqual([]);
    expect(planPrune(survey)).toMatchObject([{ kind: "checkpoint", name: "4-1" }]);
  });
});

describe("a run that begins from another one's checkpoint, where the destination has a run of that other name", () => {
  const tuned = { ...job, name: "tuned", checkpoint: { from: run } };
  const copyTuned = (from: ObjectStore, to: ObjectStore) =>
    copyRun({ run: "tuned-1", from, to, signal: noSignal, onProgress: () => {} });

  it("is refused where that is not the same run: it could take the checkpoint for one of its own", async () => {
    const { here } = await worlds();
    await here.open("b", { job: tuned });
    const other = await FakeWorld.make(await freshFolder());
    await other.open("a", { job: { ...job, epochs: 8 } });
    await other.train(3);
    const before = await contents(other.store);
    await expect(copyTuned(here.store, other.store)).rejects.toMatchObject({
      code: "RUN_DIVERGED",
      message: expect.stringContaining(`another run ${run}`),
    });
    expect(await contents(other.store)).toEqual(before);
    await other.leaveOutcome({});
    await other.recover({ Error: "States.TaskFailed" });
    expect((await other.state())?.progress.epoch).toBe(3);
  });

  it("is refused where that run is the same, and has not come to the attempt that saved it", async () => {
    const { here, there } = await worlds();
    await copying(here.store, there);
    await here.recover({ Error: "States.TaskFailed" });
    await here.train(6, 2, "job-b");
    await here.open("b", { job: tuned });
    expect(await code(copyTuned(here.store, there))).toBe("RUN_DIVERGED");
    await copying(here.store, there);
    expect(await copyTuned(here.store, there)).toMatchObject({ epoch: 0, checkpoints: 1, leftOut: [] });
  });
});

describe("memory", () => {
  it("stays bounded, however large a file is", async () => {
    const here = await FakeWorld.make(await freshFolder());
    await here.open("a");
    await here.claim();
    const folder = join(here.root, "large");
    await mkdir(dirname(join(folder, "x")), { recursive: true });
    await writeFile(join(folder, "model.bin"), pieces(96));
    const at = "2026-11-21T10:00:00.000Z";
    const reports = [{ epoch: 1, metrics: {}, seconds: 1 }];
    await saveCheckpoint(here.store, {
      run,
      attempt: 1,
      epoch: 1,
      folder,
      jobDigest: "d".repeat(64),
      at,
      reports,
    });
    await here.report(1);
    await here.commit(1);
    const there = await openFolderStore(join(await freshFolder(), "there"));
    const watch = new MemoryWatch();
    const result = await copyRun({
      run,
      from: here.store,
      to: there,
      signal: noSignal,
      onProgress: () => watch.look(),
    });
    expect(result.sizeBytes).toBeGreaterThan(96 * mebibyte);
    expect(watch.peakBytes).toBeLessThan(24 * mebibyte);
  });
});
