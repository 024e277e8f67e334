import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EpochPlan } from "../core/report.ts";
import { root } from "./pawl.ts";
import { environmentWithTorch } from "./python-with-torch.ts";
import { startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";

const { PATH = "" } = environmentWithTorch();

const plan = (epoch: number, more: Partial<EpochPlan> = {}): EpochPlan => ({
  epoch,
  seed: 1,
  learningRateScale: 1,
  checkpoint: true,
  ...more,
});

/** What the probe prints while it trains these epochs. */
async function probed(what: string, plans: readonly EpochPlan[]): Promise<unknown[]> {
  await using agent = await startScriptedAgent({ plans });
  using trainer = startTrainer(["python3", join(root, "test", "fixtures", "torch", "probe.py"), what], {
    env: {
      PATH,
      PAWL_SOCKET: agent.socketPath,
      PYTHONPATH: join(root, "python"),
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  const { code, said, stderr } = await trainer.ended;
  expect(code, stderr).toBe(0);
  expect(agent.problems).toEqual([]);
  return said.map((line): unknown => JSON.parse(line));
}

describe("pawl.torch", () => {
  it("gives one loader each epoch's order and batch size, and has no order outside an epoch", async () => {
    const [outside, ...epochs] = await probed("loaders", [
      plan(1, { batchSize: 4 }),
      plan(2, { batchSize: 8, microBatchSize: 2, accumulation: 4 }),
      plan(3),
    ]);
    expect(outside).toEqual({ caught: "MISUSE", message: "No epoch is being trained." });
    const orders = [
      [9, 0, 1, 4, 2, 7, 8, 6, 3, 5],
      [2, 3, 1, 7, 9, 5, 0, 6, 8, 4],
    ];
    const inBatches = (order: readonly number[], size: number) =>
      Array.from({ length: Math.ceil(order.length / size) }, (_, i) => order.slice(i * size, (i + 1) * size));
    expect(epochs.slice(0, 2)).toEqual([
      { order: orders[0], batches: inBatches(orders[0] ?? [], 4), length: 3, single: orders[0] },
      { order: orders[1], batches: inBatches(orders[1] ?? [], 2), length: 5, single: orders[1] },
    ]);
    expect(epochs[2]).toMatchObject({ length: 2 });
  });

  it("says what to write where neither the job nor the trainer gives a batch size", async () => {
    expect(await probed("without-batch-size", [plan(1)])).toEqual([
      { caught: "MISUSE", message: "The job gives no batch size, and BatchSampler no default." },
    ]);
  });

  it("saves what training goes on from exactly, in files that PyTorch reads by itself, and refuses what is none", async () => {
    expect(await probed("checkpoints", [plan(1)])).toEqual([
      { seeded: true },
      { files: ["model.pt", "optimizer.pt", "random.pt"] },
      { weights: true, optimizer: true, drawn: true },
      { plain: ["bias", "weight"] },
      {
        caught: "CHECKPOINT_INVALID",
        message: "The checkpoint has no ema.pt; there is model.pt, optimizer.pt, random.pt.",
      },
      { caught: "MISUSE", message: expect.stringContaining("There is nothing to save or load") },
      { caught: "MISUSE", message: expect.stringContaining("'random' is the name") },
      { caught: "MISUSE", message: "loss has no state_dict(): float." },
    ]);
  });
});
