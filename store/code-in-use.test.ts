import { describe, expect, it } from "vitest";
import { codeKey, journalKey } from "../core/keys.ts";
import { FakeWorld, job, run } from "../lambdas/testing/fake-world.ts";
import { unusedCode } from "./code-in-use.ts";
import { openFolderStore } from "./folder.ts";
import { copyRun } from "./run-copy.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders({ fast: true });

const [old, current, other] = ["a", "b", "c"].map((letter) => codeKey(letter.repeat(64)));
const codes = [old, current, other].flatMap((key) => key ?? []);

/** A run that was begun with `old` and resumed with `current`; all three are in the store. */
async function world(): Promise<FakeWorld> {
  const made = await FakeWorld.make(await freshFolder());
  for (const key of codes) await made.store.create(key, `packed ${key}`);
  await made.open("a", { job, source: { code: old } });
  await made.open("b", { run, job, source: { code: current } });
  return made;
}

const unused = async ({ store }: FakeWorld, gone: readonly string[] = []): Promise<string[]> =>
  (await unusedCode(store, new Set(gone))).map(({ key }) => key);

describe("packed code that no run needs", () => {
  it("is all but what is in force", async () => {
    expect(await unused(await world())).toEqual([old, other]);
  });

  it("is also that of a run that is gone", async () => {
    expect(await unused(await world(), [run])).toEqual(codes);
  });

  it("is not told where a journal cannot be read: that run may need any of it", async () => {
    const made = await world();
    await made.store.remove(journalKey(run, 1));
    await made.store.remove(journalKey(run, 2));
    await made.store.create(journalKey(run, 1), "{");
    await expect(unused(made)).rejects.toMatchObject({ code: "JOURNAL_DAMAGED" });
  });
});

describe("a run that is copied", () => {
  const copy = (from: FakeWorld, to: Awaited<ReturnType<typeof openFolderStore>>) =>
    copyRun({ run, from: from.store, to, signal: new AbortController().signal, onProgress: () => {} });

  it("has the code in force in the destination, and not what it had before", async () => {
    const [from, to] = [await world(), await openFolderStore(await freshFolder())];
    expect(await copy(from, to)).toMatchObject({ objects: 3 });
    expect(Buffer.from((await to.read(current ?? ""))?.bytes ?? "").toString()).toBe(`packed ${current}`);
    expect(await to.has(old ?? "")).toBe(false);
    expect(await copy(from, to)).toMatchObject({ already: true });
  });

  it("is not compared with code of that name, which can be compressed in another way", async () => {
    const [from, to] = [await world(), await openFolderStore(await freshFolder())];
    await to.create(current ?? "", "packed otherwise");
    expect(await copy(from, to)).toMatchObject({ objects: 2 });
  });
});
