import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { EpochPlan } from "../core/report.ts";
import { root } from "./pawl.ts";
import { environmentWithTorch } from "./python-with-torch.ts";
import { answerLine, type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";

const { PATH = "" } = environmentWithTorch();

const plan = (epoch: number, more: Partial<EpochPlan> = {}): EpochPlan => ({
  epoch,
  seed: 1,
  learningRateScale: 1,
  checkpoint: true,
  ...more,
});

const Trained = z.object({ trained: z.array(z.number()) });

/** What the probe prints while it trains these epochs. */
async function probed(
  what: string,
  plans: readonly EpochPlan[],
  { ways = [], ...scenario }: Partial<Scenario> & { readonly ways?: readonly string[] } = {},
): Promise<unknown[]> {
  await using agent = await startScriptedAgent({ plans, ...scenario });
  using trainer = startTrainer(
    ["python3", join(root, "test", "fixtures", "torch", "probe.py"), what, ...ways],
    {
      env: {
        PATH,
        PAWL_SOCKET: agent.socketPath,
        PYTHONPATH: join(root, "python"),
        PYTHONDONTWRITEBYTECODE: "1",
      },
    },
  );
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

  it("gives the rest of an epoch that is begun already, and refuses a position that is no number of examples", async () => {
    const restFrom = (position: unknown): Promise<unknown[]> =>
      probed("rest", [plan(1, { batchSize: 4 })], {
        resume: { step: 2, position: z.json().parse(position), seconds: 1 },
      });
    const none = { caught: null };
    const [order, whole] = [[9, 0, 1, 4, 2, 7, 8, 6, 3, 5], [[8, 6, 3, 5]]];
    expect(await restFrom(6)).toEqual([
      { rest: whole, length: 1 },
      none,
      { rest: order.slice(6), length: 4 },
      none,
    ]);
    expect(await restFrom(10)).toEqual([{ rest: [], length: 0 }, none, { rest: [], length: 0 }, none]);
    const refused = {
      caught: "MISUSE",
      message: expect.stringContaining("no number of examples taken out of 10"),
    };
    // The last batch may have been counted as a whole one.
    expect(await restFrom(12)).toEqual([{ rest: [], length: 0 }, none, refused]);
    expect(await restFrom({ taken: 6 })).toEqual([refused, refused]);
    expect(await restFrom(14)).toEqual([refused, refused]);
  });

  it.each([0, 2, 4])(
    "trains each step at the learning rate of the plan that it was cut by, with %i workers that read ahead",
    async (workers) => {
      const small = plan(1, { batchSize: 16, microBatchSize: 16, accumulation: 1, measure: "times" });
      const large = { batchSize: 64, microBatchSize: 32, accumulation: 2, learningRateScale: 4 };
      const told = new Map<number, EpochPlan>([
        [9, { ...small, ...large, warmUp: { from: 1, steps: 4 } }],
        [40, small],
      ]);
      const said = await probed("ahead", [small], {
        ways: [`${workers}`],
        speak: (request, usual) => {
          const changed = request.type === "step" ? told.get(request.step) : undefined;
          return (
            changed && {
              pieces: [answerLine({ ...usual, type: "go-on", ask: { seconds: 0 }, plan: changed })],
            }
          );
        },
      });
      expect(said.at(-1)).toEqual({ in_order: true });
      const steps = said.slice(0, -1).map((line) => Trained.parse(line).trained);
      const grown = steps.findIndex(([size]) => size === 64);
      const undone = steps.findLastIndex(([size]) => size === 64) + 1;
      // The new sizes come behind what was read ahead: two batches for each worker.
      if (workers === 0) expect([grown, undone]).toEqual([9, 40]);
      else expect([grown > 9, undone > 40]).toEqual([true, true]);
      expect(steps).toEqual(
        steps.map((_, at) => {
          if (at < grown || at >= undone) return [16, 16, 1, 1];
          return [64, 64, 2, Math.min(4, 1 + 0.75 * (at - grown))];
        }),
      );
    },
  );

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
      { caught: "MISUSE", message: "loss has no state_dict() and is no dictionary: float." },
      { caught: "MISUSE", message: expect.stringContaining("sums['losses'][1] is of type float64") },
      { caught: "MISUSE", message: expect.stringContaining("models['one'] is of type Linear") },
      { sums: { loss: 0.5, seen: [1, 2] } },
    ]);
  });
});
