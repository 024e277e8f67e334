import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keptByStep, type Measured } from "../core/measured.ts";
import type { EpochPlan } from "../core/report.ts";
import type { TrainerRequest } from "../core/trainer-protocol.ts";
import { answerLine, type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import { helpers, makeTestTrainers, type TestTrainers } from "./trainer-helpers.ts";

/** Of seed 1 and epoch 1: docs/trainer-protocol.md has it. */
const order = [9, 0, 1, 4, 2, 7, 8, 6, 3, 5];

const plan = (epoch: number, more: Partial<EpochPlan> = {}): EpochPlan => ({
  epoch,
  seed: 1,
  batchSize: 4,
  learningRateScale: 1,
  checkpoint: false,
  ...more,
});

type Asks<Type extends TrainerRequest["type"]> = Extract<TrainerRequest, { type: Type }>;

/** Answers each step with another plan for the rest, where there is one. */
const goingOn =
  (next: (step: Asks<"step">) => Partial<EpochPlan> | undefined): NonNullable<Scenario["speak"]> =>
  (request, usual) => {
    const changed = request.type === "step" ? next(request) : undefined;
    if (changed === undefined || request.type !== "step" || usual.type !== "go-on") return undefined;
    return { pieces: [answerLine({ ...usual, plan: plan(request.epoch, changed) })] };
  };

let trainers: TestTrainers;
beforeAll(() => {
  trainers = makeTestTrainers();
});
afterAll(() => trainers?.[Symbol.dispose]());

describe.each(helpers)("the $helper helper", ({ helper }) => {
  /** Trains to its end under a script. */
  async function trained(scenario: Scenario, ...args: string[]) {
    await using agent = await startScriptedAgent(scenario);
    using trainer = trainers.start(helper, "conformance", args, { PAWL_SOCKET: agent.socketPath });
    const { code, said, stderr } = await trainer.ended;
    expect({ code, stderr, problems: agent.problems }).toEqual({ code: 0, stderr: "", problems: [] });
    const of = <Type extends TrainerRequest["type"]>(type: Type): Asks<Type>[] =>
      agent.requests.filter((request): request is Asks<Type> => request.type === type);
    return { said: said.map((line): unknown => JSON.parse(line)), steps: of("step"), reports: of("report") };
  }

  /** What the reports say of each epoch. */
  async function measured(scenario: Scenario, ...args: string[]): Promise<(Measured | undefined)[]> {
    const { reports } = await trained(scenario, ...args);
    return reports.map((report) => report.measured);
  }

  const batch = (indices: number[], more: object = {}) => ({
    indices,
    micro: [indices],
    shares: [1],
    batchSize: 4,
    scale: 1,
    ...more,
  });
  const begins = (more: object = {}) => ({ number: 1, position: null, steps: 0, ...more });

  it("gives an epoch batch by batch, each example once, and says each step", async () => {
    const { said, steps } = await trained({ plans: [plan(1)] }, "batches", "10", "saves");
    expect(said).toEqual([
      begins(),
      batch(order.slice(0, 4)),
      batch(order.slice(4, 8)),
      batch(order.slice(8)),
      { steps: 3 },
    ]);
    expect(steps.map(({ step, position }) => [step, position])).toEqual([
      [1, 4],
      [2, 8],
      [3, 10],
    ]);
  });

  it("gives micro-batches that are as even as can be, with their shares", async () => {
    const { said } = await trained(
      { plans: [plan(1, { batchSize: 6, microBatchSize: 2, accumulation: 3 })] },
      "batches",
      "9",
    );
    expect(said[1]).toMatchObject({ shares: [1 / 3, 1 / 3, 1 / 3] });
    const parts = said.slice(1, -1).flatMap((line) => (hasMicro(line) ? [line.micro] : []));
    expect(parts.map((each) => each.map(({ length }) => length))).toEqual([
      [2, 2, 2],
      [2, 1],
    ]);
    expect(parts.flat(2).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("goes on at the position, and begins the epoch after at its beginning", async () => {
    const resume = { step: 1, position: 4, seconds: 1 };
    const { said } = await trained({ plans: [plan(1), plan(2)], resume }, "batches", "10");
    expect(said.slice(0, 4)).toEqual([
      begins({ position: 4, steps: 1 }),
      batch(order.slice(4, 8)),
      batch(order.slice(8)),
      { steps: 3 },
    ]);
    expect(said[4]).toEqual({ number: 2, position: null, steps: 0 });
  });

  it("refuses a position that is no number of examples", async () => {
    const resume = { step: 1, position: { taken: 4 }, seconds: 1 };
    const { said } = await trained({ plans: [plan(1)], resume }, "batches", "10");
    expect(said[1]).toEqual({
      caught: "MISUSE",
      text: expect.stringMatching(/goes on from position \{.taken.: ?4\}, which is no number of examples\./),
    });
  });

  it("takes the trainer's own size where the job gives none, and asks for one where there is none", async () => {
    const own: EpochPlan = { epoch: 1, seed: 1, learningRateScale: 1, checkpoint: false };
    const { said } = await trained({ plans: [own] }, "batches", "10", "default=6");
    expect(said.slice(1, -1)).toEqual([
      batch(order.slice(0, 6), { batchSize: null }),
      batch(order.slice(6), { batchSize: null }),
    ]);
    const without = await trained({ plans: [own] }, "batches", "10");
    expect(without.said.slice(1)).toEqual([
      { caught: "MISUSE", text: expect.stringContaining("The job gives no batch size for epoch 1.") },
      { steps: 0 },
    ]);
  });

  it("refuses steps that the trainer counts as well", async () => {
    const { said } = await trained({ plans: [plan(1)] }, "batches", "10", "steps");
    expect(said.slice(2)).toEqual([
      { caught: "MISUSE", text: expect.stringContaining("epoch.batches counts the steps itself.") },
      { steps: 1 },
    ]);
  });

  it("takes another size and learning rate between two steps, and goes to the latter slowly where it is told to", async () => {
    const changed = { batchSize: 3, learningRateScale: 2, warmUp: { from: 1, steps: 2 } };
    const { said } = await trained(
      { plans: [plan(1)], speak: goingOn(({ step }) => (step === 1 ? changed : undefined)) },
      "batches",
      "16",
    );
    const batches = said.flatMap((line) => (hasScale(line) ? [line] : []));
    expect(batches.map(({ indices, batchSize, scale }) => [indices.length, batchSize, scale])).toEqual([
      [4, 4, 1],
      [3, 3, 1],
      [3, 3, 1.5],
      [3, 3, 2],
      [3, 3, 2],
    ]);
    expect(batches.flatMap(({ indices }) => indices).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 16 }, (_, index) => index),
    );
  });

  it("measures nothing where the plan does not ask for it", async () => {
    const { steps, reports } = await trained({ plans: [plan(1), plan(2)] }, "batches", "10", "norms=2,3,4,2");
    expect([...steps, ...reports].map((request) => Object.hasOwn(request, "measured"))).toEqual(
      Array.from({ length: 8 }, () => false),
    );
  });

  it("measures stretch by stretch what its steps take, with the steps and the report", async () => {
    const { steps, reports } = await trained(
      {
        plans: [plan(1, { measure: "times" }), plan(2, { measure: "times" })],
        speak: goingOn(({ epoch, step }) =>
          epoch === 1 && step === 6 ? { batchSize: 8, microBatchSize: 4, measure: "times" } : undefined,
        ),
      },
      "batches",
      "44",
    );
    expect(steps[0]?.measured).toEqual({
      stretches: [{ batchSize: 4, microBatchSize: 4, workers: 1, steps: 1, examples: 4 }],
      resizes: true,
    });
    const timed = (count: number) => ({ stepSeconds: expect.any(Number), steps: count });
    const first = { batchSize: 4, microBatchSize: 4, workers: 1, steps: 6, examples: 24, timed: timed(4) };
    expect(steps[5]?.measured?.stretches).toEqual([first]);
    expect(reports[0]?.measured).toEqual({
      stretches: [first, { batchSize: 8, microBatchSize: 4, workers: 1, steps: 3, examples: 20 }],
      resizes: true,
    });
    expect(reports[1]?.measured?.stretches).toEqual([
      { batchSize: 4, microBatchSize: 4, workers: 1, steps: 11, examples: 44, timed: timed(10) },
    ]);
    expect(Number(reports[1]?.measured?.stretches[0]?.timed?.stepSeconds)).toBeGreaterThan(0);
  });

  it("leaves the first two steps of a layout untimed once, so that epochs of few steps are timed too", async () => {
    const plans = [1, 2, 3].map((epoch) => plan(epoch, { measure: "times" }));
    const timedOf = async (size: string) =>
      (await measured({ plans }, "batches", size)).map((each) => each?.stretches[0]?.timed?.steps);
    expect(await timedOf("15")).toEqual([1, 2, 2]);
    expect(await timedOf("8")).toEqual([undefined, 1, 1]);
    // One whole step in the first epoch sets only half of it up, and a smaller one nothing.
    expect(await timedOf("5")).toEqual([undefined, undefined, undefined]);
  });

  it("measures a trainer that takes its own batches as well, which takes no other size between two steps", async () => {
    const [told] = await measured({ plans: [plan(1, { measure: "norms" })] }, "steps");
    expect(told).toEqual({
      stretches: [
        {
          batchSize: 4,
          microBatchSize: 4,
          workers: 1,
          steps: 10,
          examples: 40,
          timed: { stepSeconds: expect.any(Number), steps: 8 },
        },
      ],
      resizes: false,
    });
  });

  it("sees by its positions that the last batch of such a trainer is smaller, and times it not", async () => {
    const timed = { stepSeconds: expect.any(Number), steps: 1 };
    const [ragged] = await measured(
      { plans: [plan(1, { measure: "times" })] },
      "positions",
      "4",
      "8",
      "12",
      "14",
    );
    expect(ragged?.stretches).toMatchObject([{ batchSize: 4, steps: 4, examples: 14, timed }]);
    const [uncounted] = await measured(
      { plans: [plan(1, { measure: "times" })] },
      "positions",
      "1",
      "2",
      "3",
    );
    expect(uncounted?.stretches).toMatchObject([{ batchSize: 4, steps: 3, examples: 12, timed }]);
  });

  it("tells the norms that the trainer measures, only where they are wanted", async () => {
    const args = ["batches", "16", "norms=2,3,4,2"];
    const [norms, times] = await measured(
      { plans: [plan(1, { measure: "norms" }), plan(2, { measure: "times" })] },
      ...args,
    );
    const weight = 1 + keptByStep + keptByStep ** 2 + keptByStep ** 3;
    expect(norms?.stretches[0]?.norms).toEqual({
      small: { examples: 2, squaredNorm: 3 },
      large: { examples: 4, squaredNorm: 2 },
      steps: 4,
      weight: expect.closeTo(weight, 12),
    });
    expect(times?.stretches[0]).toBeDefined();
    expect(times?.stretches[0]?.norms).toBeUndefined();
  });

  it("tells mean norms in which older steps count less", async () => {
    const plans = [plan(1, { measure: "norms" })];
    const [told] = await measured({ plans }, "batches", "12", "norms=2,9,4,8;2,5,4,3;2,7,4,1");
    const weight = 1 + keptByStep + keptByStep ** 2;
    expect(told?.stretches[0]?.norms).toEqual({
      small: {
        examples: 2,
        squaredNorm: expect.closeTo((9 * keptByStep ** 2 + 5 * keptByStep + 7) / weight, 12),
      },
      large: {
        examples: 4,
        squaredNorm: expect.closeTo((8 * keptByStep ** 2 + 3 * keptByStep + 1) / weight, 12),
      },
      steps: 3,
      weight: expect.closeTo(weight, 12),
    });
  });

  it("tells norms that are not finite only where there are no others", async () => {
    const plans = [plan(1, { measure: "norms" })];
    const [told] = await measured({ plans }, "batches", "16", "norms=2,Infinity,4,2;2,3,4,2");
    expect(told?.stretches[0]?.norms).toMatchObject({
      small: { examples: 2, squaredNorm: 3 },
      large: { examples: 4, squaredNorm: 2 },
      steps: 3,
    });
  });

  it("tells norms that cannot be right as they are, and refuses what are none", async () => {
    const [told] = await measured(
      { plans: [plan(1, { measure: "norms" })] },
      "batches",
      "8",
      "norms=4,NaN,2,-1",
    );
    expect(told?.stretches[0]?.norms).toEqual({
      small: { examples: 4, squaredNorm: "NaN" },
      large: { examples: 2, squaredNorm: -1 },
      steps: 2,
    });
    for (const measure of ["norms", undefined] as const) {
      const { said } = await trained(
        { plans: [plan(1, measure === undefined ? {} : { measure })] },
        "bad-norms",
      );
      expect(said).toEqual(Array.from({ length: 5 }, () => ({ caught: "METRIC_INVALID" })));
    }
  });

  it("tells of a batch size of the trainer's own only with its norms", async () => {
    const own: EpochPlan = { epoch: 1, seed: 1, learningRateScale: 1, checkpoint: false, measure: "norms" };
    expect(await measured({ plans: [own] }, "batches", "10", "default=5")).toEqual([undefined]);
    const [told] = await measured({ plans: [own] }, "batches", "10", "default=5", "norms=1,3,5,2");
    expect(told).toMatchObject({
      resizes: true,
      stretches: [{ batchSize: 5, steps: 2, norms: { steps: 2 } }],
    });
  });
});

const isObject = (line: unknown): line is object => typeof line === "object" && line !== null;
const hasMicro = (line: unknown): line is { micro: number[][] } => isObject(line) && "micro" in line;
const hasScale = (line: unknown): line is { indices: number[]; batchSize: number; scale: number } =>
  isObject(line) && "scale" in line;
