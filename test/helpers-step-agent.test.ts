import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { outcome, type Trained, trainAlone } from "./killed-run.ts";
import { temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { helpers, makeTestTrainers, type TestTrainers } from "./trainer-helpers.ts";

const commands = { python: ["python3", "cut.py"], javascript: [process.execPath, "cut.mjs"] };

let trainers: TestTrainers;
beforeAll(() => {
  trainers = makeTestTrainers();
});
afterAll(() => trainers?.[Symbol.dispose]());

describe.each(helpers)(
  "a run whose trainer, with the $helper helper, dies in the middle of epochs",
  ({ helper }) => {
    it("goes on there, and ends as one that was left alone: each example once, the same weights and metrics", async () => {
      const job = join(trainers.folder, `${helper}.json`);
      const settings = {
        name: "cut",
        command: commands[helper],
        epochs: 3,
        batchSize: 2,
        seed: 5,
        checkpoint: { every: { steps: 4 } },
        retry: { baseDelay: "0s" },
      };
      await writeFile(job, JSON.stringify(settings));
      await using alone = await temporaryFolder();
      await using cut = await temporaryFolder();
      const wentOn = join(cut.path, "went-on");
      const inStore = (store: string, env: NodeJS.ProcessEnv = {}): Trained => ({
        job,
        store,
        run: "cut-1",
        env: { PYTHONPYCACHEPREFIX: join(trainers.folder, "bytecode"), ...env },
      });
      await trainAlone(inStore(alone.path));
      // The second and third go on within the epoch of the first, and so does the fourth within the next.
      const ends = { DIE_AFTER: "13,7,11,20", WENT_ON: wentOn };
      await trainAlone(inStore(cut.path, ends));
      const [left, right] = [await outcome(inStore(alone.path)), await outcome(inStore(cut.path))];
      expect(left).toMatchObject({ status: "finished", failures: 0 });
      expect(left.epochs?.map(({ epoch }) => epoch)).toEqual(upTo(3));
      expect(right).toEqual({ ...left, failures: 4 });
      expect(existsSync(wentOn)).toBe(true);
      const positions = readFileSync(wentOn, "utf8").trim().split("\n").map(Number);
      expect(positions.length).toBeGreaterThanOrEqual(2);
      for (const position of positions) {
        expect(position).toBeGreaterThan(0);
        expect(position).toBeLessThanOrEqual(50);
      }
    }, 180_000);
  },
);
