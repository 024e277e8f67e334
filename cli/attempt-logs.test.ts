import { beforeEach, describe, expect, it } from "vitest";
import { AttemptLog } from "../agent/attempt-log.ts";
import { logKey, outcomeKey } from "../core/keys.ts";
import type { Outcome } from "../core/outcome.ts";
import { openFolderStore } from "../store/folder.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { AttemptLogs } from "./attempt-logs.ts";

const freshFolder = temporaryFolders({ fast: true });

let store: ObjectStore;
beforeEach(async () => {
  store = await openFolderStore(await freshFolder());
});

const part = (batchJobId: string, number: number, text: string) =>
  store.create(logKey("digits-1", 2, batchJobId, number), text);

/** What is new, as text; of what is missing, how many parts. */
async function news(logs: AttemptLogs, claimedBy?: string): Promise<[string, string | number][]> {
  const found: [string, string | number][] = [];
  for await (const each of logs.more(claimedBy)) {
    const what = "bytes" in each ? Buffer.from(each.bytes).toString() : each.missing;
    found.push([each.batchJobId, what]);
  }
  return found;
}

describe("the logs of an attempt", () => {
  it("are what its agent wrote, in the parts' order, and each part once", async () => {
    const log = new AttemptLog(store, "digits-1", 2, "job");
    const logs = new AttemptLogs(store, "digits-1", 2);
    expect(await news(logs)).toEqual([]);
    for (let number = 0; number < 40; number += 1) log.write(Buffer.alloc(256 * 1024, `${number % 10}`));
    await log.close();
    const read = await news(logs);
    expect(read.map(([, text]) => String(text).slice(0, 1)).join("")).toBe("0123456789".repeat(4));
    expect(await news(logs)).toEqual([]);
    await part("job", 41, "more");
    expect(await news(logs)).toEqual([["job", "more"]]);
  });

  it("say how many parts are missing where one is", async () => {
    const logs = new AttemptLogs(store, "digits-1", 2);
    await part("job", 3, "third");
    await part("job", 4, "fourth");
    expect(await news(logs)).toEqual([
      ["job", 2],
      ["job", "third"],
      ["job", "fourth"],
    ]);
    for (let number = 6; number < 20; number += 1) await part("job", number, `${number}`);
    expect((await news(logs)).slice(0, 3)).toEqual([
      ["job", 1],
      ["job", "6"],
      ["job", "7"],
    ]);
  });

  it("begin with the Batch job that claimed it, and end with one that found it claimed", async () => {
    await part("a", 1, "of a");
    await part("b", 1, "of b");
    await part("c", 1, "of c");
    const outcome: Outcome = {
      version: 1,
      run: "digits-1",
      attempt: 2,
      batchJobId: "a",
      result: "duplicate",
      message: "another has it",
      logTail: [],
      winner: "b",
      startedAt: "2026-11-21T10:00:00.000Z",
      endedAt: "2026-11-21T10:00:01.000Z",
    };
    await store.create(outcomeKey("digits-1", 2, "a"), JSON.stringify(outcome));
    await store.create(outcomeKey("digits-1", 2, "b"), "cut short");
    const ids = async (claimedBy?: string) =>
      (await news(new AttemptLogs(store, "digits-1", 2), claimedBy)).map(([id]) => id);
    expect(await ids()).toEqual(["b", "c", "a"]);
    expect(await ids("c")).toEqual(["c", "b", "a"]);
  });

  it("are of this attempt and run alone", async () => {
    await store.create(logKey("digits-1", 20, "job", 1), "of attempt 20");
    await store.create(logKey("digits-10", 2, "job", 1), "of another run");
    expect(await news(new AttemptLogs(store, "digits-1", 2))).toEqual([]);
  });
});
