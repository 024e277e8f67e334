import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { EpochPlan } from "../core/report.ts";
import { root } from "./pawl.ts";
import { environmentWithFrameworks } from "./python-with-torch.ts";
import { type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";

const { PATH = "" } = environmentWithFrameworks();

const Said = z.object({
  weights: z.array(z.number()),
  sizes: z.array(z.number()),
  rates: z.array(z.number()).optional(),
  steps: z.number().optional(),
  epoch: z.number().optional(),
});

const plan = (
  epoch: number,
  batchSize: number,
  accumulation: number,
  more: Partial<EpochPlan> = {},
): EpochPlan => ({
  epoch,
  seed: 1,
  batchSize,
  microBatchSize: batchSize / accumulation,
  accumulation,
  learningRateScale: 1,
  measure: "times",
  checkpoint: false,
  ...more,
});

/** Trains 232 examples by the real framework under a script; `ways` are what its fixture does otherwise. */
async function trained(framework: string, scenario: Scenario, ways = "") {
  const agent = await startScriptedAgent(scenario);
  using trainer = startTrainer(["python3", join(root, "test", "fixtures", framework, "accumulates.py")], {
    env: {
      PATH,
      WAYS: ways,
      PAWL_SOCKET: agent.socketPath,
      PYTHONPATH: join(root, "python"),
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  const { code, said, stderr } = await trainer.ended;
  expect(agent.problems).toEqual([]);
  const { requests } = agent;
  return {
    agent,
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
    code,
    stderr,
    epochs: said.filter((line) => line.startsWith('{"')).map((line) => Said.parse(JSON.parse(line))),
    positions: requests.flatMap((request) =>
      request.type === "step" ? [[request.epoch, request.position]] : [],
    ),
    stretches: requests.flatMap((request) =>
      request.type === "report"
        ? (request.measured?.stretches.map(({ timed: _, ...counted }) => counted) ?? [])
        : [],
    ),
  };
}

/** Of 232 examples. */
const positions = (epoch: number, batchSize: number): [number, number][] =>
  Array.from({ length: Math.ceil(232 / batchSize) }, (_, step) => [
    epoch,
    Math.min(232, (step + 1) * batchSize),
  ]);

const inOneStep = { workers: 1, examples: 232 };

const isClose = (left: readonly number[] = [], right: readonly number[] = []): void => {
  expect(left).toHaveLength(10);
  for (const [at, value] of left.entries()) expect(value).toBeCloseTo(right[at] ?? Number.NaN, 12);
};

describe("the callback for the real Lightning", () => {
  const faster = { learningRateScale: 2, warmUp: { from: 1, steps: 2 } };

  it("makes one step of a batch's micro-batches, with the result of the whole batch, also where the data end", async () => {
    await using whole = await trained("lightning", {
      plans: [plan(1, 64, 1), plan(2, 64, 1, faster), plan(3, 128, 1)],
    });
    await using parts = await trained("lightning", {
      plans: [plan(1, 64, 4), plan(2, 64, 2, faster), plan(3, 128, 4)],
    });
    expect([whole.code, parts.code], parts.stderr).toEqual([0, 0]);
    expect(parts.epochs.map(({ sizes }) => sizes)).toEqual([
      [...Array.from({ length: 14 }, () => 16), 8],
      [...Array.from({ length: 7 }, () => 32), 8],
      [...Array.from({ length: 7 }, () => 32), 8],
    ]);
    // One for each step of the optimizer.
    for (const { epochs } of [whole, parts])
      expect(epochs.map(({ rates }) => rates)).toEqual([
        [0.01, 0.01, 0.01, 0.01],
        [0.01, 0.015, 0.02, 0.02],
        [0.01, 0.01],
      ]);
    for (const [at, { weights }] of whole.epochs.entries()) isClose(weights, parts.epochs[at]?.weights);
    expect(parts.positions).toEqual([...positions(1, 64), ...positions(2, 64), ...positions(3, 128)]);
    expect(whole.positions).toEqual(parts.positions);
    expect(parts.stretches).toEqual([
      { ...inOneStep, batchSize: 64, microBatchSize: 16, steps: 4 },
      { ...inOneStep, batchSize: 64, microBatchSize: 32, steps: 4 },
      { ...inOneStep, batchSize: 128, microBatchSize: 32, steps: 2 },
    ]);
  });

  it("refuses a module that optimizes by hand and steps before a batch is whole", async () => {
    await using refused = await trained("lightning", { plans: [plan(1, 64, 4)] }, "by-hand");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      "[MISUSE] The module stepped its optimizer after 1 of the 4 micro-batches",
    );
    expect(refused.positions).toEqual([]);
  });
});

describe("the callback for the real Lightning, in a module that optimizes by hand", () => {
  it("says the steps of optimizers too that Lightning does not count", async () => {
    await using by = await trained("lightning", { plans: [plan(1, 64, 1)] }, "by-hand unwrapped");
    expect(by.code, by.stderr).toBe(0);
    expect(by.positions).toEqual(positions(1, 64));
    expect(by.stretches).toEqual([{ ...inOneStep, batchSize: 64, microBatchSize: 64, steps: 4 }]);
  });
});

describe("the callback for the real Transformers", () => {
  it("makes one step of a batch's micro-batches, with the result of the whole batch, and keeps them where memory has more", async () => {
    const sizes = { whole: [1, 1], parts: [4, 2] };
    const plans = (accumulations: readonly number[]) =>
      accumulations.map((each, at) => plan(at + 1, 64, each, { checkpoint: true }));
    await using whole = await trained("transformers", { plans: plans(sizes.whole) });
    await using parts = await trained("transformers", { plans: plans(sizes.parts) });
    expect([whole.code, parts.code], parts.stderr).toEqual([0, 0]);
    // Four times as many micro-batches, as the Trainer counts, and of the same sizes where the data end.
    const cut = [...Array.from({ length: 12 }, () => 16), 10, 10, 10, 10];
    expect(parts.epochs.map(({ sizes: trainedAtOnce }) => trainedAtOnce)).toEqual([cut, cut]);
    for (const { epochs } of [whole, parts]) expect(epochs.map(({ steps }) => steps)).toEqual([4, 4]);
    for (const [at, { weights }] of whole.epochs.entries()) isClose(weights, parts.epochs[at]?.weights);
    expect(parts.positions).toEqual([...positions(1, 64), ...positions(2, 64)]);
    const counted = { ...inOneStep, batchSize: 64, microBatchSize: 16, steps: 4 };
    expect(parts.stretches).toEqual([counted, counted]);
    // As the checkpoint has it, which training is to go on from.
    for (const { epochs } of [whole, parts]) expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    const restored = { folder: parts.agent.checkpointFolder(2), epoch: 2 };
    await using after = await trained("transformers", { plans: [plan(3, 64, 2)], restored });
    expect(after.code, after.stderr).toBe(0);
    expect(after.epochs).toHaveLength(1);
  });

  it("refuses at the first attempt already that restored() is called before it was made", async () => {
    await using refused = await trained("transformers", { plans: [plan(1, 64, 1)] }, "early");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("[MISUSE] restored() does not know yet what is trained next.");
  });

  it("goes on in smaller micro-batches after memory ran out, also with a loader of the Trainer's own", async () => {
    await using before = await trained(
      "transformers",
      { plans: [plan(1, 64, 1, { checkpoint: true })] },
      "even own-order",
    );
    expect(before.code, before.stderr).toBe(0);
    const restored = { folder: before.agent.checkpointFolder(1), epoch: 1 };
    await using after = await trained(
      "transformers",
      { plans: [plan(2, 64, 4)], restored },
      "even own-order",
    );
    expect(after.code, after.stderr).toBe(0);
    expect(before.epochs.map(({ sizes }) => sizes)).toEqual([[64, 64, 64, 64]]);
    expect(after.epochs.map(({ sizes, steps }) => [steps, ...new Set(sizes)])).toEqual([[4, 16]]);
  });

  it("refuses an order of its own whose micro-batches it would take from one epoch into the next", async () => {
    await using refused = await trained("transformers", { plans: [plan(1, 64, 4)] }, "own-order");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      "[MISUSE] An epoch has 15 micro-batches, which is no whole number of steps of 4",
    );
    expect(refused.positions).toEqual([]);
  });
});
