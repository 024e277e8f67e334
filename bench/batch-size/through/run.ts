import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { command } from "../../../scripts/installed.ts";
import type { Run } from "../compare.ts";
import { largest, start } from "../strategies.ts";
import { Said } from "../torch/run.ts";

const cli = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));
const trainer = join(import.meta.dirname, "train.mjs");

/** The name of its row. */
export const throughPawl = "goodput, pawl train";

/** `goodput` through all of Pawl: `pawl train`, a store in a folder, an agent, the trainer in a process of its own. */
export async function throughPawlTrain(seeds: number, target: number, epochs: number): Promise<Run[]> {
  const runs: Run[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    console.error(`through pawl train: seed ${seed} of ${seeds} …`);
    const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
    try {
      runs.push(await once(folder, seed, target, epochs));
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    }
  }
  return runs;
}

async function once(folder: string, seed: number, target: number, epochs: number): Promise<Run> {
  const trace = join(folder, "trace.json");
  const job = {
    name: "bench",
    command: [process.execPath, trainer],
    epochs,
    seed,
    batchSize: { policy: "goodput", start, max: largest },
    checkpoint: { keep: 1, every: "epoch" },
    stop: { metric: "reached", mode: "max", target: 1 },
    env: { BENCH_TRACE: trace, BENCH_TARGET: String(target) },
  };
  await writeFile(join(folder, "pawl.yaml"), JSON.stringify(job));
  await command(process.execPath, [
    cli,
    "train",
    join(folder, "pawl.yaml"),
    "--store",
    join(folder, "store"),
  ]);
  const said = Said.parse(JSON.parse(await readFile(trace, "utf8")));
  // The decisions are made in other processes: the trainer's wall time has them, its processor time does not.
  const decisions = { cpuSeconds: 0, wallSeconds: 0, consults: 0 };
  return { strategy: throughPawl, kind: "policy", seed, trace: { ...said, decisions } };
}
