import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolderStore } from "./folder.ts";
import { keptVersions } from "./folder-versions.ts";
import type { ObjectStore } from "./object-store.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";
import { Crash, crashingFileSystem, watchedFileSystem } from "./testing/watched-file-system.ts";

const freshFolder = temporaryFolders({ fast: true });

const key = "a/b/k";

const content = async (store: ObjectStore): Promise<string | undefined> => {
  const object = await store.read(key);
  return object === undefined ? undefined : Buffer.from(object.bytes).toString("utf8");
};

async function versionFiles(folder: string): Promise<string[]> {
  const internal = await readdir(join(folder, ".internal"), { recursive: true, withFileTypes: true });
  const files = internal.filter((entry) => entry.isFile() && entry.parentPath.includes("versions"));
  return files.map((entry) => entry.name);
}

async function replaceCurrent(store: ObjectStore, body: string): Promise<void> {
  const seen = await store.read(key);
  if (seen === undefined) throw new Error("there is nothing to replace");
  expect(await store.replace(key, seen.version, body)).toBeDefined();
}

/** Replaces `times` times, with `r1`, `r2` … */
async function replaceOften(store: ObjectStore, times: number): Promise<void> {
  for (let i = 1; i <= times; i += 1) await replaceCurrent(store, `r${i}`);
}

const nothing = async () => {};
const created = async (store: ObjectStore) => {
  await store.create(key, "created");
};
const replaced = (times: number) => async (store: ObjectStore) => {
  await created(store);
  await replaceOften(store, times);
};
const removed = async (store: ObjectStore) => {
  await replaced(2)(store);
  await store.remove(key);
};

interface Operation {
  readonly act: (store: ObjectStore) => Promise<unknown>;
  readonly leaves: string | undefined;
}

async function* large() {
  for (let i = 0; i < 3; i += 1) yield Buffer.from(`part ${i};`);
}

const create: Operation = { act: (store) => store.create(key, "new"), leaves: "new" };
const createStream: Operation = {
  act: (store) => store.create(key, large()),
  leaves: "part 0;part 1;part 2;",
};
const replace: Operation = { act: (store) => replaceCurrent(store, "new"), leaves: "new" };
const remove: Operation = { act: (store) => store.remove(key), leaves: undefined };

const before = {
  "nothing was there": nothing,
  "the key was removed": removed,
  "it was created": created,
  "it was replaced once": replaced(1),
  "it was replaced 17 times": replaced(17),
};

const cases: [string, Operation, (keyof typeof before)[]][] = [
  ["create", create, ["nothing was there", "the key was removed"]],
  ["create from a stream", createStream, ["nothing was there"]],
  ["replace", replace, ["it was created", "it was replaced once", "it was replaced 17 times"]],
  ["remove", remove, ["it was created", "it was replaced once", "it was replaced 17 times"]],
];

describe("a crash between any two file-system calls", () => {
  for (const [name, operation, situations] of cases) {
    for (const situation of situations) {
      it(`of ${name}, where ${situation}, leaves the old or the new, and the next writer goes on`, async () => {
        let calls = 0;
        for (let at = 0; at <= calls; at += 1) {
          for (const when of ["before", "after"] as const) {
            const folder = await freshFolder();
            const healthy = await openFolderStore(folder);
            await before[situation](healthy);
            const old = await content(healthy);

            const opening = crashingFileSystem(0, when);
            await openFolderStore(folder, opening.fs);
            const openingCalls = opening.calls();
            const crashing = crashingFileSystem(at === 0 ? 0 : openingCalls + at, when);
            const store = await openFolderStore(folder, crashing.fs);
            if (at === 0) {
              await operation.act(store);
              expect(await content(healthy)).toBe(operation.leaves);
              calls = crashing.calls() - openingCalls;
              continue;
            }
            const outcome = await operation.act(store).catch((error: unknown) => error);
            const where = `${when} call ${at} of ${calls}`;

            const next = await openFolderStore(folder);
            const there = await content(next);
            if (!(outcome instanceof Crash)) expect(there, where).toBe(operation.leaves);
            expect([old, operation.leaves], where).toContain(there);
            expect(await next.has(key), where).toBe(there !== undefined);
            const listed = [];
            for await (const each of next.list("")) listed.push(each);
            expect(listed, where).toEqual(
              there === undefined ? [] : [{ key, sizeBytes: Buffer.byteLength(there) }],
            );

            if (there === undefined) expect(await next.create(key, "next"), where).toBeDefined();
            else {
              expect(await next.create(key, "lost"), where).toBeUndefined();
              await replaceCurrent(next, "next");
            }
            expect(await content(next), where).toBe("next");
            await next.remove(key);
            expect(await content(next), where).toBeUndefined();
            expect(await versionFiles(folder), where).toEqual([]);
            await created(next);
            expect(await content(next), where).toBe("created");
          }
        }
        expect(calls).toBeGreaterThanOrEqual(3);
      });
    }
  }
});

/** What somebody else does at once, in steps. */
type Steps = readonly ((store: ObjectStore) => Promise<unknown>)[];

const replaceWith = (body: string) => async (store: ObjectStore) => {
  const seen = await store.read(key);
  return seen === undefined ? undefined : await store.replace(key, seen.version, body);
};

const others: Record<string, Steps> = {
  "a create": [create.act],
  "a replace": [replaceWith("other")],
  // As many as it takes to prune the version that the interrupted one would make.
  "18 replaces": Array.from({ length: 18 }, (_, i) => replaceWith(`other ${i}`)),
  "a remove": [remove.act],
  "a remove and a create": [remove.act, (store) => store.create(key, "again")],
  "a remove, a create and a replace": [
    remove.act,
    (store) => store.create(key, "again"),
    replaceWith("other"),
  ],
};

type Interrupted = (store: ObjectStore, version: string) => Promise<string | undefined>;

const done = (written: unknown): string => (written === undefined ? "refused" : "done");

const interrupted: Record<string, Interrupted> = {
  create: async (store) => done(await store.create(key, "mine")),
  replace: async (store, version) => done(await store.replace(key, version, "mine")),
  remove: async (store) => {
    await store.remove(key);
    return "done";
  },
  read: (store) => content(store),
  list: async (store) => {
    const sizes = [];
    for await (const each of store.list("a/")) sizes.push(`${each.key} ${each.sizeBytes}`);
    return sizes.join();
  },
};

/** What comes out of `mine` when it is done at once, after so many of the others' steps. */
async function inOrder(
  prepare: typeof created,
  mine: Interrupted,
  steps: Steps,
  after: number,
): Promise<string> {
  const store = await openFolderStore(await freshFolder());
  await prepare(store);
  const version = (await store.read(key))?.version ?? "none";
  for (const step of steps.slice(0, after)) await step(store);
  const result = await mine(store, version);
  for (const step of steps.slice(after)) await step(store);
  return `${result}, then ${await content(store)}`;
}

describe("two that work on one key at the same moment", () => {
  const situations = {
    "nothing was there": nothing,
    "it was created": created,
    "it was replaced twice": replaced(2),
  };
  for (const [situation, prepare] of Object.entries(situations)) {
    for (const [name, mine] of Object.entries(interrupted)) {
      it(`get what one after the other would: ${name}, where ${situation}`, async () => {
        for (const [other, steps] of Object.entries(others)) {
          const possible = new Set<string>();
          const isPossible = async (outcome: string) => {
            for (let after = 0; after <= steps.length && !possible.has(outcome); after += 1) {
              possible.add(await inOrder(prepare, mine, steps, after));
            }
            return possible.has(outcome);
          };
          let reached = true;
          for (let at = 1; reached; at += 1) {
            const folder = await freshFolder();
            const healthy = await openFolderStore(folder);
            await prepare(healthy);
            const version = (await healthy.read(key))?.version ?? "none";
            let armed = false;
            let count = 0;
            reached = false;
            const fs = watchedFileSystem(async (_call, make) => {
              if (armed) count += 1;
              if (armed && count === at) {
                armed = false;
                reached = true;
                for (const step of steps) await step(healthy);
              }
              return await make();
            });
            const store = await openFolderStore(folder, fs);
            armed = true;
            const result = await mine(store, version);
            armed = false;
            if (!reached) {
              expect(at, "calls of the operation").toBeGreaterThan(1);
              break;
            }
            const outcome = `${result}, then ${await content(healthy)}`;
            expect(await isPossible(outcome), `${other} before call ${at}: ${outcome}`).toBe(true);
          }
        }
      });
    }
  }
});

describe("a writer that sleeps before the call that decides", () => {
  const situations = { "it was created": created, "it was replaced twice": replaced(2) };
  const everything = {
    ...others,
    "40 replaces": Array.from({ length: 40 }, (_, i) => replaceWith(`other ${i}`)),
  };
  for (const [situation, prepare] of Object.entries(situations)) {
    for (const [other, steps] of Object.entries(everything).filter(([name]) => name !== "a create")) {
      it(`has lost to ${other}, where ${situation}, and changes nothing`, async () => {
        const folder = await freshFolder();
        const healthy = await openFolderStore(folder);
        await prepare(healthy);
        const version = (await healthy.read(key))?.version ?? "none";
        let asleep = false;
        const store = await openFolderStore(
          folder,
          watchedFileSystem(async (call, make) => {
            if (call.name === "link" && asleep) {
              asleep = false;
              for (const step of steps) await step(healthy);
            }
            return await make();
          }),
        );
        asleep = true;
        const result = await store.replace(key, version, "mine");
        expect(asleep).toBe(false);
        expect(result).toBeUndefined();

        const expected = await openFolderStore(await freshFolder());
        await prepare(expected);
        for (const step of steps) await step(expected);
        expect(await content(healthy)).toBe(await content(expected));
        expect((await versionFiles(folder)).length).toBeLessThanOrEqual(keptVersions);
        await store.remove(key);
        await created(store);
        expect(await content(healthy)).toBe("created");
      });
    }
  }
});
