import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { HistoryReader } from "../core/history.ts";
import { readManifest } from "../store/checkpoints.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { trainAlone } from "./killed-run.ts";
import { temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { helpers, makeTestTrainers, type TestTrainers } from "./trainer-helpers.ts";

const commands = { python: ["python3", "cut-batches.py"], javascript: [process.execPath, "cut-batches.mjs"] };
const size = 600;
const epochs = 2;

/** The batches of each epoch. */
const Seen = z.array(z.array(z.array(z.int())));
const WentOn = z.object({ position: z.int(), size: z.int(), before: z.int() });

let trainers: TestTrainers;
beforeAll(() => {
  trainers = makeTestTrainers();
});
afterAll(() => trainers?.[Symbol.dispose]());

/** What the last checkpoint of a run in this store holds, and the kinds of its decisions. */
async function outcome(folder: string) {
  const store = await openFolderStore(folder);
  const reader = new HistoryReader();
  const kinds: string[] = [];
  for await (const entry of openJournal(store).entries("cut-1")) {
    reader.add(entry);
    kinds.push(entry.decision.kind);
  }
  const state = reader.history()?.state;
  const manifest = await readManifest(store, "cut-1", state?.kept.at(-1)?.name ?? "");
  const file = manifest?.files.find(({ path }) => path === "state.json");
  const object = await store.read(file?.key ?? "");
  return { state, kinds, seen: Seen.parse(JSON.parse(Buffer.from(object?.bytes ?? []).toString())) };
}

describe.each(helpers)(
  "a run with the $helper helper whose batch size changes, and whose trainer dies on the way",
  ({ helper }) => {
    it("sees each example once in each epoch, and goes on with the size of its checkpoint", async () => {
      const job = join(trainers.folder, `batches-${helper}.json`);
      const settings = {
        name: "cut",
        command: commands[helper],
        epochs,
        batchSize: { policy: "throughput", start: 4, max: 32 },
        seed: 5,
        checkpoint: { every: { steps: 4 } },
        retry: { baseDelay: "0s" },
      };
      await writeFile(job, JSON.stringify(settings));
      await using store = await temporaryFolder();
      const wentOn = join(store.path, "went-on");
      const env = {
        PYTHONPYCACHEPREFIX: join(trainers.folder, "bytecode"),
        DIE_AFTER: "20,13,30",
        WENT_ON: wentOn,
      };
      await trainAlone({ job, store: store.path, run: "cut-1", env });

      const { state, kinds, seen } = await outcome(store.path);
      expect(state).toMatchObject({ status: "finished", failures: { total: 3 } });
      expect(kinds).toContain("resized");
      expect(seen).toHaveLength(epochs);
      for (const batches of seen)
        expect(batches.flat().sort((a, b) => a - b)).toEqual(upTo(size).map((number) => number - 1));
      const sizes = seen.flatMap((batches) => batches.slice(0, -1).map(({ length }) => length));
      expect(new Set(sizes).size).toBeGreaterThan(1);
      const lines = readFileSync(wentOn, "utf8").trim().split("\n");
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        const { position, size: now, before } = WentOn.parse(JSON.parse(line));
        expect(position).toBeGreaterThan(0);
        expect(now).toBe(before);
      }
    }, 180_000);
  },
);
