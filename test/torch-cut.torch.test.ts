import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EpochPlan } from "../core/report.ts";
import { randomFrom, trainCalm, trainCut } from "./cut-training.ts";
import { root } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { environmentWithTorch } from "./python-with-torch.ts";
import { startTrainer, type TrainerProcess } from "./trainer-process.ts";

const { PATH = "" } = environmentWithTorch();

const plans = upTo(2).map(
  (epoch): EpochPlan => ({ epoch, seed: 5, batchSize: 8, learningRateScale: 1, checkpoint: true }),
);
const accumulating = plans.map(
  (plan): EpochPlan => ({ ...plan, batchSize: 12, microBatchSize: 4, accumulation: 3 }),
);
const fixture = "test/fixtures/torch/cut.py";

const trainers = [
  { what: "a loader with batches", script: fixture, ways: "", plans, between: 3 },
  { what: "a loader that prefetches in workers", script: fixture, ways: "workers", plans, between: 3 },
  { what: "a loader with single examples", script: fixture, ways: "singles", plans, between: 3 },
  { what: "accumulation", script: fixture, ways: "workers", plans: accumulating, between: 3 },
  { what: "what pawl init writes", script: "cli/templates/pytorch/train.py", ways: "", plans, between: 60 },
  {
    what: "examples/pytorch",
    script: "examples/pytorch/train.py",
    ways: "",
    plans: plans.slice(0, 1).map((plan) => ({ ...plan, batchSize: 200 })),
    between: 10,
  },
];

describe.each(trainers)("PyTorch with $what", ({ script, ways, plans, between }) => {
  const start = (socketPath: string): TrainerProcess =>
    startTrainer(["python3", join(root, script)], {
      env: {
        PATH,
        WAYS: ways,
        PAWL_SOCKET: socketPath,
        PYTHONPATH: join(root, "python"),
        PYTHONDONTWRITEBYTECODE: "1",
      },
    });

  it("ends with the same weights, random numbers and sums, bit by bit, when it is cut in the middle of epochs", async () => {
    const calm = await trainCalm(start, plans);
    expect(calm.reports).toHaveLength(plans.length);
    const { trained, way } = await trainCut(start, plans, { random: randomFrom(2), cuts: 3, between });
    expect(trained).toEqual(calm);
    expect(way.resumed).toBeGreaterThan(0);
  }, 600_000);
});
