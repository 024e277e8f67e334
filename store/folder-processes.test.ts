import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { openFolderStore } from "./folder.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const program = fileURLToPath(new URL("testing/writer-process.ts", import.meta.url));
const freshFolder = temporaryFolders();

interface Writer {
  readonly process: ChildProcess;
  /** What it has said, line by line, after `ready`. */
  readonly said: string[];
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown>;
  begin(): void;
}

const writers: Writer[] = [];

afterEach(async () => {
  for (const writer of writers.splice(0)) {
    writer.process.kill("SIGKILL");
    await writer.ended;
  }
});

function startWriter(folder: string, task: string, name: string): Writer {
  const child = spawn(process.execPath, [program, folder, task, name], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  const ready = once(lines, "line");
  ready.then(() => lines.on("line", (line) => said.push(line)));
  const ended = Promise.all([once(child, "exit"), once(lines, "close")]);
  const writer = { process: child, said, ready, ended, begin: () => child.stdin.write("go\n") };
  writers.push(writer);
  return writer;
}

async function startAll(folder: string, task: string): Promise<Writer[]> {
  const all = Array.from({ length: 8 }, (_, i) => startWriter(folder, task, `writer-${i}`));
  await Promise.all(all.map((writer) => writer.ready));
  for (const writer of all) writer.begin();
  await Promise.all(all.map((writer) => writer.ended));
  expect(all.map((writer) => writer.process.exitCode)).toEqual(all.map(() => 0));
  return all;
}

describe("8 processes on one folder", () => {
  it("have one winner for each key that all want to create", async () => {
    const folder = await freshFolder();
    const all = await startAll(folder, "create");
    const won = all.flatMap((writer, i) => writer.said.map((key) => [key, `writer-${i}`] as const));
    expect(won.map(([key]) => key).sort()).toEqual(Array.from({ length: 20 }, (_, i) => `race/${i}`).sort());
    const store = await openFolderStore(folder);
    for (const [key, winner] of won) {
      expect(Buffer.from((await store.read(key))?.bytes ?? []).toString()).toBe(winner);
    }
  });

  it("count together without losing an increment", async () => {
    const folder = await freshFolder();
    const store = await openFolderStore(folder);
    await store.create("count", "0");
    await startAll(folder, "count");
    expect(Buffer.from((await store.read("count"))?.bytes ?? []).toString()).toBe("200");
    const versions = await readdir(join(folder, ".internal", "versions", "count"));
    expect(versions.length).toBeLessThanOrEqual(24);
  });
});

function isWhole(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString("utf8");
  return createHash("sha256").update(text.slice(65)).digest("hex") === text.slice(0, 64);
}

describe("processes that are killed while they write", () => {
  it("leave whole objects only, all that they were told of, and nobody stuck", async () => {
    const folder = await freshFolder();
    const temporary = join(folder, ".internal", "tmp");
    let leftovers = 0;
    for (let round = 0; round < 10; round += 1) {
      const pair = [startWriter(folder, "forever", `a${round}`), startWriter(folder, "forever", `b${round}`)];
      await Promise.all(pair.map((writer) => writer.ready));
      for (const writer of pair) writer.begin();
      for (const writer of pair) {
        while (writer.said.length < 5) await sleep(1);
        await sleep(Math.random() * 20);
        writer.process.kill("SIGKILL");
      }
      await Promise.all(pair.map((writer) => writer.ended));
      leftovers += (await readdir(temporary)).length;

      const store = await openFolderStore(folder);
      expect(await readdir(temporary)).toEqual([]);
      const listed = new Set<string>();
      for await (const { key, sizeBytes } of store.list("")) {
        const object = await store.read(key);
        expect(object?.bytes.byteLength).toBe(sizeBytes);
        expect(isWhole(object?.bytes ?? new Uint8Array()), key).toBe(true);
        listed.add(key);
      }
      for (const writer of pair) {
        const gone = writer.said.flatMap((line) => (line.startsWith("gone ") ? [line.slice(5)] : []));
        for (const key of gone) expect(listed).not.toContain(key);
        // The last small one may have been on its way out when the kill came.
        const removing = writer.said
          .findLast((line) => line.startsWith("small/"))
          ?.replace(/\d+$/, (n) => `${Number(n) - 1}`);
        const written = writer.said.filter((line) => !line.startsWith("gone ") && line !== removing);
        for (const key of written) if (!gone.includes(key)) expect(listed).toContain(key);
      }
      const seen = await store.read("replaced");
      expect(await store.replace("replaced", seen?.version ?? "", `${"0".repeat(64)} `)).toBeDefined();
      await store.remove("replaced");
      for await (const { key } of store.list("large/")) await store.remove(key);
    }
    // Else no kill came at an interesting moment, and this has tested nothing.
    expect(leftovers).toBeGreaterThan(0);
  });
});
