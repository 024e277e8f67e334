import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EpochPlan } from "../core/report.ts";
import { answerLine, type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import { helpers, makeTestTrainers, type TestTrainers } from "./trainer-helpers.ts";

const plan = (epoch: number, more: Partial<EpochPlan> = {}): EpochPlan => ({
  epoch,
  seed: 1,
  learningRateScale: 1,
  checkpoint: true,
  ...more,
});

let trainers: TestTrainers;
beforeAll(() => {
  trainers = makeTestTrainers();
});
afterAll(() => trainers?.[Symbol.dispose]());

describe.each(helpers)("step in the $helper helper", ({ helper }) => {
  /** Trains to its end under a script. */
  async function trained(scenario: Scenario, ...args: string[]) {
    await using agent = await startScriptedAgent(scenario);
    using trainer = trainers.start(helper, "conformance", args, { PAWL_SOCKET: agent.socketPath });
    const { code, said, stderr } = await trainer.ended;
    expect(agent.problems).toEqual([]);
    const steps = agent.requests.flatMap((request) => (request.type === "step" ? [request] : []));
    const saved = agent.requests.flatMap((request) => (request.type === "saved" ? [request] : []));
    return {
      code,
      stderr,
      said: said.map((line): unknown => JSON.parse(line)),
      requests: agent.requests,
      steps,
      saved,
      files: saved.map(({ epoch, step }) =>
        readFileSync(join(agent.checkpointFolder(epoch, step), "weights.txt"), "utf8"),
      ),
      folders: readdirSync(join(agent.checkpointFolder(1), "..")).filter((name) =>
        name.startsWith("checkpoint-"),
      ),
    };
  }

  it("asks in an epoch's first step, then at the step that it is told, and again in the next epoch", async () => {
    const { code, stderr, steps, said } = await trained(
      {
        plans: [plan(1), plan(2)],
        atStep: ({ step }) => ({
          seconds: 3600,
          ...(step === 1 ? { step: 4 } : step === 4 ? { step: 9 } : {}),
        }),
      },
      "steps",
      "saves",
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const asked = (epoch: number) =>
      [1, 4, 9].map((step) => ({ type: "step", epoch, step, position: { taken: step }, canSave: true }));
    expect(steps).toEqual([...asked(1), ...asked(2)]);
    expect(said).toEqual([
      { restored: null, step: null },
      ...[1, 2].flatMap((number) => [
        { number, position: null, steps: 0 },
        { steps: 10, saved: [] },
        { saved: true },
      ]),
    ]);
  });

  it("asks when the time has come that it is told", async () => {
    const { steps } = await trained(
      { plans: [plan(1)], atStep: () => ({ seconds: 0, step: 9 }) },
      "steps",
      "saves",
    );
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
  });

  it("saves where it is asked to, hands that over with its step, and asks again at the next", async () => {
    const { said, saved, steps, files } = await trained(
      {
        plans: [plan(1)],
        atStep: ({ step }) =>
          step === 1 || step === 6 ? "save" : { seconds: 3600, step: step < 6 ? 6 : 11 },
      },
      "steps",
      "saves",
    );
    expect(said.slice(2)).toEqual([{ steps: 10, saved: [1, 6] }, { saved: true }]);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 6, 7]);
    const framework = "plain text";
    expect(saved).toEqual([
      { type: "saved", epoch: 1, step: 1, framework },
      { type: "saved", epoch: 1, step: 6, framework },
      { type: "saved", epoch: 1, framework },
    ]);
    expect(files).toEqual([
      "weights in checkpoint-1-step-1",
      "weights in checkpoint-1-step-6",
      "weights in checkpoint-1",
    ]);
  });

  it("goes on from a position, counts the steps before it, and begins the epoch after at its beginning", async () => {
    const { said, steps, requests } = await trained(
      {
        plans: [plan(3), plan(4)],
        restored: { folder: "/nowhere", epoch: 2, step: 7 },
        resume: { step: 7, position: { taken: 7 }, seconds: 5000 },
      },
      "steps",
      "saves",
    );
    expect(said[0]).toEqual({ restored: 2, step: 7 });
    expect(said[1]).toEqual({ number: 3, position: { taken: 7 }, steps: 7 });
    expect(said[2]).toEqual({ steps: 10, saved: [] });
    expect(said[4]).toEqual({ number: 4, position: null, steps: 0 });
    expect(steps.map(({ epoch, step }) => `${epoch}: ${step}`).slice(0, 5)).toEqual([
      "3: 8",
      "3: 9",
      "3: 10",
      "4: 1",
      "4: 2",
    ]);
    const seconds = requests.flatMap((request) => (request.type === "report" ? [request.seconds ?? 0] : []));
    expect(seconds.map((taken) => taken >= 5000)).toEqual([true, false]);
  });

  it.each(["silent", "metrics", "late-step"])(
    "refuses a trainer that is to go on in the middle of an epoch and does not look where: %s",
    async (mode) => {
      const { code, stderr, said, requests } = await trained(
        { plans: [plan(1)], resume: { step: 7, position: { taken: 7 }, seconds: 1 } },
        mode,
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /\[MISUSE\] Epoch 1 goes on from position \{.taken.: ?7\}, and the trainer has not asked where\./,
      );
      expect({ said, requests: requests.map(({ type }) => type) }).toEqual({
        said: [],
        requests: ["hello", "next"],
      });
    },
  );

  it("only shows that it goes on where it was not told how to save", async () => {
    const { code, steps, saved } = await trained({ plans: [plan(1)] }, "steps");
    expect(code).toBe(0);
    expect(steps).toHaveLength(10);
    for (const request of steps) expect(request).toMatchObject({ position: null, canSave: false });
    expect(saved).toEqual([]);
  });

  it("does not save at the end of an epoch where none is needed", async () => {
    const { code, said, saved } = await trained(
      {
        plans: [plan(1)],
        speak: (request) =>
          request.type === "checkpoint" ? { pieces: [answerLine({ type: "skip" })] } : undefined,
      },
      "steps",
      "saves",
    );
    expect(code).toBe(0);
    expect(said.at(-1)).toEqual({ saved: false });
    expect(saved).toEqual([]);
  });

  it.each([
    { name: "NaN", says: /it is (nan|NaN), which JSON does not have/ },
    { name: "Infinity", says: /it is (inf|Infinity), which JSON does not have/ },
    { name: "bytes", says: /it is of type (bytes|Uint8Array)/ },
    { name: "set", says: /it is of type (set|Set)/ },
    { name: "own", says: /it is of type \S*Own/ },
    { name: "function", says: /it is of type function/ },
    { name: "inside", says: /it\[['"]a['"]\]\[1\] is -(inf|Infinity), which JSON does not have/ },
    { name: "circular", says: /it\[0\] holds itself/ },
    { name: "deep", says: /nested more than 64 deep/ },
    { name: "large", says: /is 9007199254740992, and whole numbers go to|is of type bigint/ },
    {
      name: "nothing",
      says: /it\[['"]a['"]\] has the key 1, and keys are texts|it\["a"\]\["b"\] is of type undefined/,
    },
    { name: "long", says: /at most 65536 characters of JSON, not 65537/ },
    { name: "none", says: /not told from where in the data/ },
  ])("refuses a position that is $name, says why, and the step is not counted", async ({ name, says }) => {
    const { code, said, steps } = await trained({ plans: [plan(1)] }, "positions", name, "[7]");
    expect(code).toBe(0);
    expect(said).toEqual([
      { position: null },
      { caught: "MISUSE", text: expect.stringMatching(says) },
      { caught: null },
      { steps: 1 },
    ]);
    expect(steps.map(({ position }) => position)).toEqual([[7]]);
  });

  it("refuses a position that goes back, of numbers and of lists of numbers", async () => {
    const goesBack = (before: string, now: string) => ({
      caught: "MISUSE",
      text: expect.stringContaining(`it was at ${before} and is now at ${now}.`),
    });
    const fine = { caught: null };
    const { said, steps } = await trained(
      { plans: [plan(2)], resume: { step: 4, position: 320, seconds: 1 } },
      "positions",
      ...[
        "319",
        "320",
        "320.5",
        "0",
        "[1,9]",
        "[2,0]",
        "[1,99]",
        "[1]",
        "[0,0,0]",
        '"b"',
        '"a"',
        '{"at":2}',
        '{"at":1}',
      ],
    );
    expect(said).toEqual([
      { position: 320 },
      goesBack("320", "319"),
      fine,
      fine,
      goesBack("320.5", "0"),
      fine,
      fine,
      { caught: "MISUSE", text: expect.stringMatching(/it was at \[2, ?0\] and is now at \[1, ?99\]\./) },
      ...Array.from({ length: 6 }, () => fine),
      { steps: 14 },
    ]);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 10 }, (_, i) => i + 5));
  });

  it("refuses a step of an epoch that has its checkpoint or report, or is over", async () => {
    const { code, said } = await trained({ plans: [plan(1), plan(2)] }, "late-step");
    expect(code).toBe(0);
    expect(said).toEqual(Array.from({ length: 3 }, () => ({ caught: "MISUSE" })));
  });

  it("refuses to save by what is no function, and a checkpoint where it was not told how to save", async () => {
    const { said } = await trained({ plans: [plan(1)] }, "saving");
    expect(said).toEqual([
      { caught: "MISUSE", text: expect.stringMatching(/save must be a function, not (int|number)\./) },
      { caught: "MISUSE", text: expect.stringContaining("framework must be at most 100 characters.") },
      { caught: "MISUSE", text: expect.stringContaining("checkpoint() was not told how to save.") },
    ]);
  });

  it("hands nothing over when saving fails in the middle of an epoch, and the trainer's own error is shown", async () => {
    const { code, stderr, requests } = await trained(
      { plans: [plan(1)], atStep: () => "save" },
      "failing-step",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("the disk of my dreams is full");
    expect(requests.at(-1)).toMatchObject({ type: "step", step: 1 });
  });
});

it("JavaScript that does not await a step is told so, before the model changes under its save", async () => {
  await using agent = await startScriptedAgent({ plans: [plan(1)], atStep: () => "save" });
  using trainer = trainers.start("javascript", "conformance", ["unawaited"], {
    PAWL_SOCKET: agent.socketPath,
  });
  const { code, said } = await trainer.ended;
  expect(code).toBe(0);
  const refused = { caught: "MISUSE", text: expect.stringContaining("await epoch.step(…)") };
  expect(said.map((line): unknown => JSON.parse(line))).toEqual([
    refused,
    refused,
    refused,
    { saved: true, steps: 1 },
  ]);
});

it.each([
  { how: "by itself", more: [] },
  { how: "where the trainer has asked Python for it already", more: ["-X", "faulthandler"] },
])("Python shows where all its threads stand when it is ended with SIGABRT, $how", async ({ more }) => {
  await using agent = await startScriptedAgent({ plans: [plan(1)] });
  using trainer = trainers.start("python", "conformance", ["wait"], { PAWL_SOCKET: agent.socketPath }, more);
  await trainer.spoke;
  trainer.child.kill("SIGABRT");
  const { signal, stderr } = await trainer.ended;
  expect(signal).toBe("SIGABRT");
  expect(stderr).toContain("Fatal Python error: Aborted");
  expect(stderr).toMatch(/File ".*conformance\.py", line \d+ in wait/);
});
