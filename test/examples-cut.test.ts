import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EpochPlan } from "../core/report.ts";
import { randomFrom, trainCalm, trainCut } from "./cut-training.ts";
import { upTo } from "./projects.ts";
import { startTrainer, type TrainerProcess } from "./trainer-process.ts";
import { makeTrainerProject } from "./trainer-project.ts";

const root = join(import.meta.dirname, "..");

const trainers = [
  { folder: "examples/digits", command: ["node", "train.mjs"], cuts: 3, seeds: 1, between: 100 },
  { folder: "examples/linear-python", command: ["python3", "train.py"], cuts: 6, seeds: 3, between: 30 },
  { folder: "cli/templates/javascript", command: ["node", "train.mjs"], cuts: 6, seeds: 3, between: 12 },
  { folder: "cli/templates/python", command: ["python3", "train.py"], cuts: 6, seeds: 3, between: 12 },
];

const plans = upTo(2).map(
  (epoch): EpochPlan => ({ epoch, seed: 5, batchSize: 32, learningRateScale: 1, checkpoint: true }),
);

let project: ReturnType<typeof makeTrainerProject>;
beforeAll(() => {
  project = makeTrainerProject();
  for (const { folder } of trainers) {
    cpSync(join(root, folder), join(project.folder, folder), { recursive: true });
  }
});
afterAll(() => project?.[Symbol.dispose]());

describe.each(trainers)("$folder", ({ folder, command, cuts, seeds, between }) => {
  const start = (socketPath: string): TrainerProcess =>
    startTrainer(
      command.map((word) => (word === "node" ? process.execPath : word)),
      {
        cwd: join(project.folder, folder),
        env: {
          PAWL_SOCKET: socketPath,
          PYTHONPATH: join(root, "python"),
          PYTHONPYCACHEPREFIX: join(project.folder, "bytecode"),
        },
      },
    );

  it("ends with the same checkpoint and metrics, byte by byte, when it is cut in the middle of epochs", async () => {
    const calm = await trainCalm(start, plans);
    let resumed = 0;
    for (const seed of upTo(seeds)) {
      const { trained, way } = await trainCut(start, plans, { random: randomFrom(seed + 1), cuts, between });
      expect({ seed, ...trained }).toEqual({ seed, ...calm });
      resumed += way.resumed;
    }
    expect(resumed).toBeGreaterThan(0);
  }, 180_000);
});
