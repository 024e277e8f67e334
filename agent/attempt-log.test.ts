import { describe, expect, it } from "vitest";
import { openFolderStore } from "../store/folder.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { AttemptLog } from "./attempt-log.ts";

const freshFolder = temporaryFolders({ fast: true });
const aLog = async () => new AttemptLog(await openFolderStore(await freshFolder()), "digits-1", 1, "job-a");

describe("what an attempt's log remembers", () => {
  it("is the last 20 lines for the outcome, and 400 for the diagnosis", async () => {
    const log = await aLog();
    for (let line = 1; line <= 1000; line += 1) log.write(Buffer.from(`line ${line}\n`));
    log.write(Buffer.from("not finished"));
    expect(log.tail()).toHaveLength(20);
    expect(log.tail().slice(-2)).toEqual(["line 1000", "not finished"]);
    expect(log.recent()).toHaveLength(401);
    expect(log.recent().slice(-2)).toEqual(["line 1000", "not finished"]);
    await log.close();
  });

  it("is bounded, however long its lines are and however they come", async () => {
    const log = await aLog();
    for (let piece = 0; piece < 50; piece += 1) log.write(Buffer.from(`${"x".repeat(50_000)}\n`.repeat(3)));
    log.write(Buffer.from("y".repeat(1_000_000)));
    const kept = log.recent().join("\n").length;
    expect(kept).toBeGreaterThan(10_000);
    expect(kept).toBeLessThan(70_000);
    expect(Math.max(...log.tail().map((line) => line.length))).toBe(500);
    await log.close();
  });
});
