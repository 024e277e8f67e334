import type { TrainingJobInput } from "../../core/job.ts";
import { Chance } from "../chance.ts";
import type { Scenario } from "./world.ts";

/** What run `number` of `seed` trains, and in what world: a function of both alone. */
export function scenarioOf(seed: number, number: number): Scenario {
  const name = `${seed}/${number}`;
  const chance = new Chance(`scenario ${name}`);
  const epochs = chance.whole("epochs", 2, 6);
  const batchSize = chance.of("batch", [4, 6, 8]);
  const follows = chance.happens("follows", 0.3);
  const every = chance.of("every", ["epoch", "auto", "2min", { steps: 2 }, "5min"]);
  const keep = chance.whole("keep", 1, 3);
  const job: TrainingJobInput = {
    name: "chaos",
    command: ["python3", "train.py"],
    epochs,
    ...(follows
      ? {
          batchSize: { policy: "noise-scale", start: batchSize, max: 24, hold: 2 },
          microBatchSize: chance.of("micro-batch", ["auto", 1]),
          learningRate: { scaling: "sqrt" },
        }
      : { batchSize }),
    seed: chance.whole("seed", 0, 1000),
    segment: chance.of("segment", ["auto", "auto", 1, 2]),
    checkpoint: chance.happens("keeps nothing", 0.05)
      ? "none"
      : { keep, every, ...(chance.happens("best", 0.4) ? { best: { metric: "loss", mode: "min" } } : {}) },
    retry: { failuresWithoutProgress: chance.whole("budget", 2, 6), baseDelay: "10s", maxDelay: "2min" },
    ...(chance.happens("stall", 0.7) ? { stall: { limit: chance.of("limit", ["6min", "20min"]) } } : {}),
    numeric: { times: chance.whole("times", 1, 3), back: chance.whole("back", 0, 1) },
  };
  const isHard = chance.happens("NaN", 0.2);
  return {
    seed: name,
    job,
    physics: {
      // Where sizes follow, as many as leave the largest of them steps enough to be tried.
      examples: follows ? 200 : 24,
      stepSeconds: chance.between("step", 20, 90),
      pauseSeconds: chance.of("pause", [0.2, 2, 20]),
      uploadSeconds: chance.of("upload", [0.5, 5, 40]),
      memory: chance.happens("memory", 0.25) ? chance.of("fits", [1, 2, 3]) : 64,
      nan: isHard
        ? { epoch: chance.whole("NaN's epoch", 1, epochs), above: chance.of("above", [0.6, 0.3, 0.01]) }
        : undefined,
    },
    turnsPerExecution: chance.of("turns", [3, 6, 1000]),
    skewSeconds: chance.happens("clocks", 0.3) ? chance.of("skew", [5, 60, 1500]) : 0,
    latencySeconds: chance.of("latency", [0.05, 0.05, 1]),
    meanSeconds: chance.of("mean", [200, 600, 2000]),
    harmSeconds: chance.between("harm", 3600, 12 * 3600),
  };
}
