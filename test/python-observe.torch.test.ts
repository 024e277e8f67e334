import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { Measured } from "../core/measured.ts";
import type { EpochPlan } from "../core/report.ts";
import type { TrainerRequest } from "../core/trainer-protocol.ts";
import { root } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { environmentWithTorch } from "./python-with-torch.ts";
import { answerLine, type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";

const { PATH = "" } = environmentWithTorch();
const rarely: NonNullable<Scenario["atStep"]> = () => ({ seconds: 3600 });

const plansOf = (epochs: number, more: Partial<EpochPlan> = {}): EpochPlan[] =>
  upTo(epochs).map((epoch) => ({
    epoch,
    seed: 3,
    batchSize: 64,
    learningRateScale: 1,
    measure: "norms",
    checkpoint: true,
    ...more,
  }));

const environment = (ways: string, socketPath: string): Record<string, string> => ({
  PATH,
  WAYS: ways,
  PAWL_SOCKET: socketPath,
  PYTHONPATH: join(root, "python"),
  PYTHONDONTWRITEBYTECODE: "1",
});

/** What test/fixtures/torch/observe.py asked and said. */
async function trained(
  ways: string,
  scenario: Scenario,
  env: Record<string, string> = {},
  fixture = "observe",
) {
  await using agent = await startScriptedAgent({ atStep: rarely, ...scenario });
  using trainer = startTrainer(["python3", join(root, `test/fixtures/torch/${fixture}.py`)], {
    env: { ...environment(ways, agent.socketPath), ...env },
  });
  const { code, said, stderr } = await trainer.ended;
  expect(code, stderr).toBe(0);
  expect(agent.problems).toEqual([]);
  const [truth, ...epochs] = said.map((line): unknown => JSON.parse(line));
  return { truth, epochs, requests: agent.requests };
}

const reportsOf = (requests: readonly TrainerRequest[]) =>
  requests.flatMap((request) => (request.type === "report" ? [request] : []));

const measuredOf = (requests: readonly TrainerRequest[]): Measured[] =>
  reportsOf(requests).flatMap(({ measured }) => measured ?? []);

/** The simple noise scale of McCandlish et al. (arXiv 1812.06162, appendix A.1), of all that was measured. */
function noiseScaleOf(measured: readonly Measured[]): number {
  let [truth, trace, steps] = [0, 0, 0];
  for (const { norms } of measured.flatMap(({ stretches }) => stretches)) {
    if (norms === undefined) continue;
    const { small, large } = norms;
    const [s, l] = [Number(small.squaredNorm), Number(large.squaredNorm)];
    const noise = (s - l) / (1 / small.examples - 1 / large.examples);
    trace += norms.steps * noise;
    truth += norms.steps * (l - noise / large.examples);
    steps += norms.steps;
  }
  expect(steps).toBeGreaterThan(12);
  return trace / truth;
}

const measuredPlan = {
  epoch: 1,
  seed: 3,
  batchSize: 64,
  learningRateScale: 1,
  measure: "norms",
  checkpoint: true,
} as const satisfies EpochPlan;

const split = { microBatchSize: 16, accumulation: 4 };

describe("pawl.torch.observe", () => {
  it.each([
    { what: "steps, split to be measured", ways: "steps", plan: {}, sizes: [32, 64] },
    { what: "batches", ways: "batches", plan: {}, sizes: [32, 64] },
    { what: "steps with accumulation", ways: "steps", plan: split, sizes: [16, 64] },
    { what: "a plain loop, by consecutive steps", ways: "", plan: {}, sizes: [64, 128] },
    { what: "a plain loop that accumulates", ways: "", plan: split, sizes: [16, 64] },
    { what: "clipping and a scaler of gradients", ways: "steps clip scaler", plan: {}, sizes: [32, 64] },
    { what: "both in a plain loop", ways: "clip scaler", plan: split, sizes: [16, 64] },
    { what: "a plain loop with both, by consecutive steps", ways: "clip scaler", plan: {}, sizes: [64, 128] },
    { what: "a loader with workers", ways: "steps workers", plan: {}, sizes: [32, 64] },
  ])("finds the noise scale that the data have: $what", async ({ ways, plan, sizes }) => {
    const { truth, requests } = await trained(ways, { plans: plansOf(6, plan) });
    const measured = measuredOf(requests);
    expect(measured).toHaveLength(6);
    for (const { stretches, optimizer, resizes } of measured) {
      expect(optimizer).toBe("SGD");
      expect(resizes).toBe(/steps|batches/.test(ways));
      expect(stretches).toMatchObject([
        { batchSize: 64, microBatchSize: plan === split ? 16 : 64, workers: 1, steps: 64, examples: 4096 },
      ]);
      expect(stretches[0]?.norms).toMatchObject({
        small: { examples: sizes[0] },
        large: { examples: sizes[1] },
      });
      expect(stretches[0]?.timed?.steps).toBeGreaterThan(10);
    }
    const found = noiseScaleOf(measured) / z.number().parse(truth);
    expect(found).toBeGreaterThan(0.8);
    expect(found).toBeLessThan(1.25);
  });

  it.each([
    { what: "", plan: {}, sizes: [32, 64] },
    { what: ", with accumulation", plan: split, sizes: [8, 64] },
  ])("finds it over DistributedDataParallel$what", async ({ plan, sizes }) => {
    const { truth, requests } = await trained("", { plans: plansOf(6, plan) }, {}, "workers");
    const measured = measuredOf(requests);
    expect(measured).toHaveLength(6);
    for (const { stretches, resizes } of measured) {
      expect(resizes).toBe(false);
      expect(stretches).toMatchObject([
        { batchSize: 64, microBatchSize: sizes[0], workers: 2, steps: 64, examples: 4096 },
      ]);
      expect(stretches[0]?.norms).toMatchObject({
        small: { examples: sizes[0] },
        large: { examples: sizes[1] },
      });
    }
    const found = noiseScaleOf(measured) / z.number().parse(truth);
    expect(found).toBeGreaterThan(0.8);
    expect(found).toBeLessThan(1.25);
  });

  it.each([
    { what: "a plain loop", ways: "" },
    { what: "a plain loop that accumulates", ways: "", plan: split },
    { what: "steps with accumulation", ways: "steps", plan: split },
  ])("learns the same weights bit by bit as without it: $what", async ({ ways, plan = {} }) => {
    const plans = plansOf(2, plan);
    const moving = { LEARNING_RATE: "0.1" };
    const observed = await trained(ways, { plans }, moving);
    const alone = await trained(`${ways} unobserved`, { plans }, moving);
    expect(measuredOf(observed.requests).every(({ stretches }) => stretches[0]?.norms !== undefined)).toBe(
      true,
    );
    expect(measuredOf(alone.requests).some(({ stretches }) => stretches[0]?.norms !== undefined)).toBe(false);
    const [left, right] = [observed, alone].map(({ requests }) =>
      reportsOf(requests).map(({ metrics }) => metrics),
    );
    expect(left).toEqual(right);
    expect(left?.[0]).not.toEqual(left?.[1]);
  });

  it.each(["steps", "batches"])("learns the same up to rounding where %s are split", async (ways) => {
    const moving = { LEARNING_RATE: "0.1" };
    const sums = [];
    for (const more of ["", " unobserved"]) {
      const { requests } = await trained(`${ways}${more}`, { plans: plansOf(2) }, moving);
      sums.push(z.number().parse(reportsOf(requests).at(-1)?.metrics.sum));
    }
    const [split = 0, whole = 1] = sums;
    expect(Math.abs(split / whole - 1)).toBeLessThan(1e-5);
  });

  it("says what it costs with a model that costs next to nothing itself", async () => {
    const { measure: _, ...unmeasured } = measuredPlan;
    const plans = upTo(8).map((epoch) => ({ ...(epoch % 2 === 0 ? measuredPlan : unmeasured), epoch }));
    const { requests } = await trained("steps", { plans });
    const seconds = (wanted: boolean) =>
      reportsOf(requests)
        .filter(({ measured }) => (measured !== undefined) === wanted)
        .map((report) => report.seconds ?? Number.NaN)
        .sort((a, b) => a - b);
    const [without, observed] = [seconds(false), seconds(true)];
    expect([without.length, observed.length]).toEqual([4, 4]);
    const more = (observed[1] ?? Number.NaN) / (without[1] ?? Number.NaN) - 1;
    process.stdout.write(`observe: ${(100 * more).toFixed(1)}% more time in epochs of 64 steps\n`);
    expect(more).not.toBeNaN();
  });

  it("measures and sends nothing where the plan does not ask for it", async () => {
    const { measure: _, ...plan } = measuredPlan;
    const { requests } = await trained("steps tell", { plans: [plan] });
    expect(reportsOf(requests)).toHaveLength(1);
    expect(requests.filter((request) => "measured" in request)).toEqual([]);
  });
});

const Told = z.object({ whole: z.boolean(), walked: z.array(z.array(z.number())) });

describe("pawl.torch.steps", () => {
  it.each(["steps tell", "steps tell workers"])(
    "trains each example once where its sizes change in the middle, before and after a kill: %s",
    async (ways) => {
      const first: EpochPlan = measuredPlan;
      const sizes = new Map<number, Partial<EpochPlan>>([
        [5, { batchSize: 128, microBatchSize: 128 }],
        [9, { batchSize: 100, microBatchSize: 64, accumulation: 2 }],
        [20, { batchSize: 48, microBatchSize: 48, accumulation: 1, learningRateScale: 0.5 }],
      ]);
      let inForce: EpochPlan = first;
      const resizing: NonNullable<Scenario["speak"]> = (request, usual) => {
        if (request.type !== "step") return undefined;
        const more = sizes.get(request.step);
        if (more === undefined || usual.type !== "go-on") return undefined;
        inForce = { ...inForce, ...more };
        return { pieces: [answerLine({ ...usual, plan: inForce })] };
      };
      const saves = { step: 0, position: 0 };
      const holder = new AbortController();
      await using killed = await startScriptedAgent({
        plans: [first],
        atStep: ({ step }) => (step === 12 ? "save" : { seconds: 0 }),
        speak: (request, usual) => {
          if (request.type === "step" && request.step === 12) {
            saves.step = 12;
            saves.position = z.number().parse(request.position);
          }
          if (request.type === "step" && request.step === 15) {
            holder.abort();
            return { pieces: [], close: true };
          }
          return resizing(request, usual);
        },
      });
      using trainer = startTrainer(["python3", join(root, "test/fixtures/torch/observe.py")], {
        env: environment(ways, killed.socketPath),
      });
      holder.signal.addEventListener("abort", () => trainer.child.kill("SIGKILL"));
      await trainer.ended;
      expect(saves.step).toBe(12);
      const measuredThen = killed.requests.flatMap((request) =>
        request.type === "step" && request.step === 12 ? [request.measured] : [],
      )[0];
      const trainedThen = measuredThen?.stretches.reduce((sum, { examples }) => sum + examples, 0);
      expect(trainedThen).toBe(saves.position);
      expect(measuredThen?.stretches.map(({ batchSize }) => batchSize).slice(0, 2)).toEqual([64, 128]);

      const rest = await trained(ways, {
        plans: [inForce],
        restored: { folder: killed.checkpointFolder(1, 12), epoch: 0, step: 12 },
        resume: { ...saves, seconds: 1 },
        atStep: () => ({ seconds: 0 }),
        speak: resizing,
      });
      const { whole, walked } = Told.parse(rest.epochs[0]);
      expect(whole).toBe(true);
      const stepSizes = walked.map((parts) => parts.reduce((sum, part) => sum + part, 0));
      expect(saves.position + stepSizes.reduce((sum, size) => sum + size, 0)).toBe(4096);
      expect(stepSizes.slice(0, 7)).toEqual(Array.from({ length: 7 }, () => 100));
      expect(walked[1]?.length).toBe(2);
      // The rest at the last size, behind what was read ahead; at the end what is left.
      expect(stepSizes.slice(12, -1)).toEqual(Array.from({ length: stepSizes.length - 13 }, () => 48));
      const [measured] = measuredOf(rest.requests);
      expect(measured?.resizes).toBe(true);
      expect(measured?.stretches.map(({ batchSize }) => batchSize)).toEqual([100, 48]);
      const examples = measured?.stretches.reduce((sum, stretch) => sum + stretch.examples, 0);
      expect(examples).toBe(4096 - saves.position);
    },
  );
});

describe("pawl.torch.join", () => {
  /** 273 leaves one example at the end, for two processes. */
  const plans = [measuredPlan, { ...measuredPlan, epoch: 2, batchSize: 273 }];
  const moving = { LEARNING_RATE: "0.1" };
  const resizing: NonNullable<Scenario["speak"]> = (request, usual) =>
    request.type === "step" && request.epoch === 1 && request.step >= 10 && usual.type === "go-on"
      ? {
          pieces: [
            answerLine({
              ...usual,
              plan: {
                ...measuredPlan,
                batchSize: 100,
                microBatchSize: 25,
                accumulation: 4,
                learningRateScale: 0.5,
              },
            }),
          ],
        }
      : undefined;
  const atStep: NonNullable<Scenario["atStep"]> = ({ epoch, step }) =>
    epoch === 1 && step === 12 ? "save" : { seconds: 3600, step: epoch === 1 && step < 10 ? 10 : 12 };

  it("has two processes train each example once, together, and one of them talk to Pawl", async () => {
    await using agent = await startScriptedAgent({ plans, atStep, speak: resizing });
    using trainer = startTrainer(["python3", join(root, "test/fixtures/torch/workers.py")], {
      env: { ...environment("join", agent.socketPath), ...moving },
    });
    const { code, said, stderr } = await trainer.ended;
    expect(code, stderr).toBe(0);
    expect(agent.problems).toEqual([]);
    expect(said).toEqual(["true", "true"]);
    const measured = measuredOf(agent.requests);
    expect(measured.map(({ resizes, stretches }) => [resizes, stretches[0]?.workers])).toEqual([
      [true, 2],
      [true, 2],
    ]);
    expect(measured[0]?.stretches.map(({ batchSize }) => batchSize)).toEqual([64, 100]);
    expect(measured[1]?.stretches).toMatchObject([
      { batchSize: 273, microBatchSize: 137, steps: 16, examples: 4096, norms: { large: { examples: 273 } } },
    ]);

    const sums = [agent.requests].map((requests) =>
      reportsOf(requests).map(({ metrics }) => Number(metrics.sum)),
    );
    const alone = await trained("steps", { plans, atStep, speak: resizing }, moving);
    const expected = reportsOf(alone.requests).map(({ metrics }) => Number(metrics.sum));
    for (const [index, sum] of sums.flat().entries()) {
      expect(Math.abs(sum / (expected[index] ?? 0) - 1)).toBeLessThan(1e-4);
    }

    // The same from the checkpoint in the middle.
    const { position } = z
      .object({ position: z.number() })
      .parse(agent.requests.find((request) => request.type === "step" && request.step === 12));
    const rest = await trained(
      "join",
      {
        plans: [
          { ...measuredPlan, batchSize: 100, microBatchSize: 25, accumulation: 4, learningRateScale: 0.5 },
        ],
        restored: { folder: agent.checkpointFolder(1, 12), epoch: 0, step: 12 },
        resume: { step: 12, position, seconds: 1 },
      },
      moving,
      "workers",
    );
    expect(rest.truth).toBe(true);
    expect(Math.abs(Number(reportsOf(rest.requests)[0]?.metrics.sum) / (expected[0] ?? 0) - 1)).toBeLessThan(
      1e-4,
    );
  });

  it("ends all of them when the agent refuses the first", async () => {
    await using agent = await startScriptedAgent({
      plans,
      speak: (request) =>
        request.type === "next"
          ? { pieces: [answerLine({ type: "error", code: "GONE", message: "no more of it" })], close: true }
          : undefined,
    });
    using trainer = startTrainer(["python3", join(root, "test/fixtures/torch/workers.py")], {
      env: environment("join", agent.socketPath),
    });
    const { code, stderr } = await trainer.ended;
    expect(code).toBe(1);
    expect(stderr.match(/\[GONE\] no more of it/g)).toHaveLength(2);
  });
});
