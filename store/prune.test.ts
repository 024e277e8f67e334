import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PawlError } from "../core/errors.ts";
import { journalKey, manifestKey } from "../core/keys.ts";
import { type PruneItem, planPrune, type WholeRuns } from "../core/prune.ts";
import { FakeWorld, job, run } from "../lambdas/testing/fake-world.ts";
import { restoreCheckpoint, saveCheckpoint } from "./checkpoints.ts";
import { openJournal } from "./journal.ts";
import type { ObjectStore } from "./object-store.ts";
import { removeItem, runsWithObjects, surveyRun, wantedByOthers } from "./prune.ts";
import { storeVariant } from "./testing/store-variant.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });
const noSignal = new AbortController().signal;

const later = new Date("2027-01-01T00:00:00.000Z");

async function plan(store: ObjectStore, name = run, whole?: WholeRuns): Promise<PruneItem[]> {
  const survey = await surveyRun(store, name, later);
  const wanted = await wantedByOthers(store, await runsWithObjects(store));
  return planPrune(survey, wanted.get(name), whole);
}

const named = (items: readonly PruneItem[]): string[] =>
  items.map((item) => (item.kind === "checkpoint" ? `${item.name} ${item.why}` : item.kind));

async function keys(store: ObjectStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list("")) found.push(key);
  return found;
}

const bytes = async (store: ObjectStore): Promise<number> => {
  let sum = 0;
  for await (const { sizeBytes } of store.list("")) sum += sizeBytes;
  return sum;
};

/**
 * Attempt 1 trained three epochs, saved two more, began another and is dead; attempt 2 lives: it has committed nothing,
 * saved an epoch and begun another. Retention keeps two.
 */
async function littered(): Promise<FakeWorld> {
  const world = await FakeWorld.make(await freshFolder());
  await world.open("a", { job: { ...job, epochs: 9, checkpoint: { keep: 2 } } });
  await world.train(3);
  await world.leaveOutcome({});
  await world.recover({ Error: "States.TaskFailed" });
  // What it saved after it was believed dead.
  await world.save(4, 1);
  await world.save(6, 1);
  await world.store.create(`checkpoints/${run}/5-1/model.txt`, "half of it");
  await world.claim({ attempt: 2, batchJobId: "job-b" });
  await world.save(4, 2);
  await world.store.create(`checkpoints/${run}/5-2/model.txt`, "half of it");
  return world;
}

const untilDead = (store: ObjectStore, nth: number): ObjectStore => {
  let calls = 0;
  return storeVariant(store, {
    remove: async (key) => {
      calls += 1;
      if (calls >= nth) throw new Error("killed");
      await store.remove(key);
    },
  });
};

async function removeAll(store: ObjectStore, items: readonly PruneItem[]): Promise<void> {
  for (const item of items) await removeItem(store, item, noSignal);
}

describe("pruning a run", () => {
  it("removes what retention dropped and what ended attempts left, and nothing else", async () => {
    const { store } = await littered();
    const items = await plan(store);
    expect(named(items)).toEqual(["6-1 uncommitted", "5-1 incomplete", "4-1 dropped", "1-1 dropped"]);
    const before = { keys: await keys(store), bytes: await bytes(store) };
    await removeAll(store, items);
    const gone = before.keys.filter((key) => /\/(1-1|4-1|5-1|6-1)\//.test(key));
    expect(gone).toHaveLength(7);
    expect(await keys(store)).toEqual(before.keys.filter((key) => !gone.includes(key)));
    expect(items.reduce((sum, { objects }) => sum + objects, 0)).toBe(gone.length);
    expect(items.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(
      before.bytes - (await bytes(store)),
    );
    expect(await plan(store)).toEqual([]);
  });

  it("can die at any removal, and is finished by the next", async () => {
    let crashes = 0;
    for (let nth = 1; ; nth += 1) {
      const { store } = await littered();
      const outcome = await removeAll(untilDead(store, nth), await plan(store)).then(
        () => "done",
        () => "killed",
      );
      for (const kept of ["2-1", "3-1", "4-2"])
        await restoreCheckpoint(store, run, kept, join(await freshFolder(), "restored"));
      if (outcome === "done") break;
      crashes += 1;
      await removeAll(store, await plan(store));
      expect(await plan(store)).toEqual([]);
      expect((await keys(store)).filter((key) => /\/(1-1|4-1|5-1|6-1)\//.test(key))).toEqual([]);
    }
    // Of each a manifest is removed, there or not.
    expect(crashes).toBe(8);
  });

  it("knows each attempt whose files it has listed, though the run goes on meanwhile", async () => {
    const world = await littered();
    let listed = 0;
    const store = storeVariant(world.store, {
      async *list(...all) {
        listed += 1;
        if (listed === 1) {
          await world.recover({ Error: "States.TaskFailed" }, { attempt: 2 });
          await world.claim({ attempt: 3, batchJobId: "job-c" });
          await world.save(5, 3);
        }
        yield* world.store.list(...all);
      },
    });
    const items = await plan(store);
    expect(named(items)).not.toContain("5-3 unknown");
    await removeAll(world.store, items);
    await world.report(5, { attempt: 3, batchJobId: "job-c" });
    expect(await world.commit(5, { attempt: 3, batchJobId: "job-c", checkpoint: "5-3" })).toMatchObject({
      answer: { action: "committed" },
    });
  });

  it("removes what a copy left that was cut short, but nothing that has not a checkpoint's name", async () => {
    const { store } = await littered();
    await store.create(`checkpoints/${run}/7-9/model.txt`, "of an attempt to come");
    await store.create(`checkpoints/${run}/notes/mine.txt`, "mine");
    await store.create("checkpoints/ghost-1/1-1/model.txt", "x");
    await store.create("attempts/ghost-1/1/job/outcome.json", "x");
    expect(named(await plan(store))).toContain("7-9 unknown");
    expect(named(await plan(store)).join()).not.toContain("notes");
    expect(await runsWithObjects(store)).toEqual([run, "ghost-1"]);
    expect(named(await plan(store, "ghost-1"))).toEqual(["1-1 unknown", "records"]);
    await removeAll(store, await plan(store, "ghost-1"));
    expect(await runsWithObjects(store)).toEqual([run]);
  });

  it("keeps what another run begins from, as long as that has committed nothing", async () => {
    const { store } = await littered();
    const journal = openJournal(store);
    const newest = await journal.newest(run);
    if (newest === undefined) return expect.unreachable();
    const origin = { run, checkpoint: "1-1", digest: "0".repeat(64) };
    const progress = { epoch: 0, examples: 0, trainedSeconds: 0 };
    const other = { ...newest.state, run: "tuned-1", sequence: 1, progress, origin };
    const entry = {
      ...newest,
      run: "tuned-1",
      sequence: 1,
      state: other,
      event: { ...newest.event, run: "tuned-1" },
    };
    await store.create(journalKey("tuned-1", 1), JSON.stringify(entry));
    expect(named(await plan(store))).toEqual(["6-1 uncommitted", "5-1 incomplete", "4-1 dropped"]);
  });

  it("keeps it too where the other run's job names this store by its address", async () => {
    const world = await littered();
    const addresses = [world.store.address, `${world.store.address}/../store`, "./store"];
    for (const [index, store] of addresses.entries()) {
      const tuned = { ...job, name: `tuned${index}`, checkpoint: { from: { run, epoch: 2, store } } };
      expect(await world.open("b", { job: tuned, source: { folder: world.root } })).toMatchObject({
        action: "train",
      });
    }
    const placed = { ...job, name: "placed", checkpoint: { from: `./store/checkpoints/${run}/2-1` } };
    await world.open("b", { job: placed, source: { folder: world.root } });
    const elsewhere = { ...job, name: "elsewhere", checkpoint: { from: { run, epoch: 3, store: "./copy" } } };
    await cp(world.store.address, join(world.root, "copy"), { recursive: true });
    await world.open("b", { job: elsewhere, source: { folder: world.root } });
    for (const each of ["tuned0-1", "tuned1-1", "tuned2-1", "placed-1"]) {
      const wanted = await wantedByOthers(world.store, [each]);
      expect(wanted.get(run), each).toEqual(new Set(["2-1"]));
    }
    expect(await wantedByOthers(world.store, ["elsewhere-1"])).toEqual(new Map());
  });

  it("can die at any removal, and leaves no checkpoint complete whose files are gone", async () => {
    const folder = join(await freshFolder(), "files");
    await mkdir(folder);
    await writeFile(join(folder, "frozen.bin"), "never changes");
    let crashes = 0;
    for (let nth = 1; ; nth += 1) {
      const { store } = await FakeWorld.make(await freshFolder());
      let previous: Awaited<ReturnType<typeof saveCheckpoint>> | undefined;
      // As a copy leaves them that was cut short: there is no journal.
      for (const epoch of [8, 9, 10]) {
        const at = "2026-11-21T10:00:00.000Z";
        const reports = [{ epoch, metrics: {}, seconds: 1 }];
        const saved = { run, attempt: 1, epoch, folder, jobDigest: "d".repeat(64), at, reports };
        previous = await saveCheckpoint(store, previous === undefined ? saved : { ...saved, previous });
      }
      const outcome = await removeAll(untilDead(store, nth), await plan(store)).then(
        () => "done",
        () => "killed",
      );
      for (const name of ["8-1", "9-1", "10-1"]) {
        if (await store.has(manifestKey(run, name)))
          await restoreCheckpoint(store, run, name, join(await freshFolder(), "restored"));
      }
      if (outcome === "done") break;
      crashes += 1;
    }
    expect(crashes).toBe(4);
  });

  it("leaves a run alone whose journal does not begin", async () => {
    const { store } = await littered();
    await store.remove(journalKey(run, 1));
    await expect(plan(store)).rejects.toMatchObject({ code: "JOURNAL_DAMAGED" });
  });
});

describe("removing a whole run", () => {
  const whole: WholeRuns = { states: ["finished"], olderThanSeconds: 60 };

  async function finished(): Promise<FakeWorld> {
    const world = await FakeWorld.make(await freshFolder());
    await world.open("a");
    await world.train(3);
    await world.leaveOutcome({});
    await world.trained();
    return world;
  }

  it("leaves nothing of it, and all of the others", async () => {
    const { store } = await finished();
    await store.create("journal/digests-1/0000000001.json", "of another");
    const items = await plan(store, run, whole);
    expect(items).toMatchObject([{ kind: "run", run, status: "finished" }]);
    expect(items[0]?.objects).toBe((await keys(store)).length - 1);
    await removeAll(store, items);
    expect(await keys(store)).toEqual(["journal/digests-1/0000000001.json"]);
  });

  it("is refused before anything is gone where journals may not be removed", async () => {
    const { store } = await finished();
    const before = await keys(store);
    const guarded = storeVariant(store, {
      remove: async (key) => {
        if (key.startsWith("journal/")) throw new PawlError("STORE_DENIED", "not allowed");
        await store.remove(key);
      },
    });
    const items = await plan(store, run, whole);
    await expect(removeAll(guarded, items)).rejects.toMatchObject({
      code: "STORE_DENIED",
      message: expect.stringContaining(`the journal of run ${run} may not be removed`),
    });
    expect(await keys(store)).toEqual(before);
  });

  it("can die at any removal: what is left is a beginning without checkpoints, and the next removal ends it", async () => {
    let crashes = 0;
    let withProgress = 0;
    for (let nth = 1; ; nth += 1) {
      const world = await finished();
      const { store } = world;
      const all = await world.journal();
      const outcome = await removeAll(untilDead(store, nth), await plan(store, run, whole)).then(
        () => "done",
        () => "killed",
      );
      if (outcome === "done") break;
      crashes += 1;
      const left = await world.journal();
      expect(left).toEqual(all.slice(0, left.length));
      expect(left.length).toBeGreaterThan(0);
      if (left.length < all.length) {
        expect((await keys(store)).filter((key) => !key.startsWith("journal/"))).toEqual([]);
      }
      const next = await plan(store, run, whole);
      if ((left.at(-1)?.state.kept.length ?? 0) > 0) {
        withProgress += 1;
        expect(next).toMatchObject([{ kind: "run" }]);
      } else {
        // It is as if it had been interrupted before its first checkpoint.
        expect(await plan(store, run, { ...whole, states: ["interrupted"] })).toMatchObject([
          { kind: "run" },
        ]);
      }
    }
    expect(crashes).toBeGreaterThan(10);
    expect(withProgress).toBeGreaterThan(5);
  });
});
