import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EpochPlan } from "../core/report.ts";
import { maxLineBytes } from "../core/trainer-protocol.ts";
import { environmentName, trainerVariableNames } from "../core/trainer-variables.ts";
import { answerLine, type Scenario, type ScriptedAgent, startScriptedAgent } from "./scripted-agent.ts";
import { helpers, makeTestTrainers, type TestTrainers } from "./trainer-helpers.ts";
import type { Ended, TrainerProcess } from "./trainer-process.ts";

const root = join(import.meta.dirname, "..");

/** The vectors of docs/trainer-protocol.md. */
const vectors = [
  { seed: 1, epoch: 1, order: [9, 0, 1, 4, 2, 7, 8, 6, 3, 5] },
  { seed: 1, epoch: 2, order: [2, 3, 1, 7, 9, 5, 0, 6, 8, 4] },
  { seed: 4_294_967_295, epoch: 999_999_999, order: [7, 8, 3, 1, 4, 9, 6, 2, 5, 0] },
];
const largeVector = { seed: 42, epoch: 7, sums: { 0: 0, 1: 0, 100000: 3_475_258_937, 2500000: 511_691_309 } };

const plan = (epoch: number, more: Partial<EpochPlan> = {}): EpochPlan => ({
  epoch,
  seed: 1,
  learningRateScale: 1,
  checkpoint: false,
  ...more,
});

let trainers: TestTrainers;
beforeAll(() => {
  trainers = makeTestTrainers();
});
afterAll(() => trainers?.[Symbol.dispose]());

/** What the test trainers say: a line of JSON each time. */
const parsed = (ended: Ended) => ({ ...ended, said: ended.said.map((line): unknown => JSON.parse(line)) });

describe.each(helpers)("the $helper helper", ({ helper, said }) => {
  const start = (args: readonly string[], env: Record<string, string>): TrainerProcess =>
    trainers.start(helper, "conformance", args, env);
  const under = (agent: ScriptedAgent, ...args: string[]): TrainerProcess =>
    start(args, { PAWL_SOCKET: agent.socketPath });

  /** Trains to its end under a script. */
  async function trained(scenario: Scenario, ...args: string[]) {
    await using agent = await startScriptedAgent(scenario);
    using trainer = under(agent, ...args);
    const ended = await trainer.ended;
    expect(agent.problems).toEqual([]);
    return { ...parsed(ended), agent };
  }

  test("has a whole conversation of three epochs, each with its plan, report and checkpoint", async () => {
    await using agent = await startScriptedAgent({
      plans: vectors.map(({ seed, epoch }, index) =>
        plan(epoch, { seed, batchSize: 64, microBatchSize: 16, accumulation: 4, checkpoint: index !== 1 }),
      ),
    });
    using trainer = under(agent, "train");
    const { code, said: lines, stderr } = parsed(await trainer.ended);

    expect({ code, stderr, problems: agent.problems }).toEqual({ code: 0, stderr: "", problems: [] });
    const trainedEpochs = vectors.flatMap(({ seed, epoch, order }, index) => [
      {
        number: epoch,
        seed,
        batchSize: 64,
        microBatchSize: 16,
        accumulation: 4,
        learningRateScale: 1,
        order,
      },
      { saved: index !== 1 },
    ]);
    expect(lines).toEqual([
      { name: "scripted-1", attempt: 3, epochs: 9, seed: 7, restored: null },
      ...trainedEpochs,
      { end: true },
    ]);
    const epochRequests = vectors.flatMap(({ epoch }, index) => [
      { type: "next" },
      {
        type: "report",
        epoch,
        metrics: { loss: 1 / epoch },
        examples: 60_000,
        seconds: expect.any(Number),
      },
      ...(index === 1
        ? []
        : [
            { type: "checkpoint", epoch },
            { type: "saved", epoch, framework: "plain text" },
          ]),
    ]);
    expect(agent.requests).toEqual([
      { type: "hello", protocol: 1, helper: expect.stringMatching(said) },
      ...epochRequests,
      { type: "next" },
    ]);
    expect(readFileSync(join(agent.checkpointFolder(1), "weights.txt"), "utf8")).toBe(
      "weights in checkpoint-1",
    );
    expect(existsSync(agent.checkpointFolder(2))).toBe(false);
  });

  test("leaves what the plan does not say to the trainer, and one micro-batch is a batch", async () => {
    const { said: lines } = await trained(
      { plans: [plan(4), plan(5, { batchSize: 8, learningRateScale: 0.5 })] },
      "train",
    );
    expect(lines[1]).toMatchObject({ batchSize: null, microBatchSize: null, accumulation: null });
    expect(lines[3]).toMatchObject({
      batchSize: 8,
      microBatchSize: 8,
      accumulation: 1,
      learningRateScale: 0.5,
    });
  });

  test("gives the trainer the restored checkpoint, whatever its path", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pawl restored "ü" 精度-'));
    try {
      writeFileSync(join(folder, "weights.txt"), "from before");
      const { code, said: lines } = await trained({ plans: [], restored: { folder, epoch: 4 } }, "train");
      expect(code).toBe(0);
      expect(lines[0]).toMatchObject({ restored: "from before" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("shuffles small and large orders by the documented vectors", async () => {
    const { seed, epoch, sums } = largeVector;
    const { said: lines, code } = await trained(
      { plans: [plan(epoch, { seed })] },
      "orders",
      ...Object.keys(sums),
    );
    expect(code).toBe(0);
    expect(lines).toEqual([{ sums: Object.values(sums) }]);
  });

  test("sends what is not finite as words, and names in any script", async () => {
    const { code, agent } = await trained({ plans: [plan(1)] }, "metrics");
    expect(code).toBe(0);
    expect(agent.requests.find((request) => request.type === "report")).toMatchObject({
      metrics: {
        loss: "NaN",
        up: "Infinity",
        down: "-Infinity",
        "précision 精度 🎯": 0.5,
        tiny: 1e-300,
      },
    });
  });

  test("reports an epoch without metrics where the trainer did not", async () => {
    const { code, agent } = await trained({ plans: [plan(1), plan(2)] }, "silent");
    expect(code).toBe(0);
    expect(agent.requests.filter((request) => request.type === "report")).toEqual(
      [1, 2].map((epoch) => ({ type: "report", epoch, metrics: {}, seconds: expect.any(Number) })),
    );
  });

  test("refuses misuse itself, and the conversation goes on", async () => {
    const {
      code,
      stderr,
      said: lines,
      agent,
    } = await trained({ plans: [plan(1, { checkpoint: true }), plan(2, { checkpoint: true })] }, "misuse");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(lines).toEqual([
      ...Array.from({ length: 8 }, () => ({ caught: "METRIC_INVALID" })),
      ...Array.from({ length: 8 }, () => ({ caught: "MISUSE" })),
    ]);
    expect(agent.requests.map((request) => request.type)).toEqual([
      "hello",
      "next",
      "report",
      "checkpoint",
      "saved",
      "next",
    ]);
  });

  test("hands nothing over when saving fails, and the trainer's own error is shown", async () => {
    const { code, stderr, agent } = await trained(
      { plans: [plan(1, { checkpoint: true }), plan(2)] },
      "failing-save",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("the disk of my dreams is full");
    expect(agent.requests.at(-1)).toEqual({ type: "checkpoint", epoch: 1 });
  });

  test("goes on where the trainer forgives a failed save; what follows from it is for the agent to say", async () => {
    const {
      code,
      said: lines,
      agent,
    } = await trained({ plans: [plan(1, { checkpoint: true })] }, "failing-save", "forgive");
    expect(code).toBe(0);
    expect(lines).toEqual([{ caught: "the disk of my dreams is full" }]);
    expect(agent.requests.map((request) => request.type)).toEqual([
      "hello",
      "next",
      "report",
      "checkpoint",
      "next",
    ]);
  });

  test("ends with the agent's own words when it is refused", async () => {
    const { code, stderr } = await trained(
      {
        plans: [plan(1)],
        speak: () => ({
          pieces: [
            answerLine({
              type: "error",
              code: "PROTOCOL_VERSION",
              message: "speaks 1, and I speak 2 — «да»",
            }),
          ],
          close: true,
        }),
      },
      "train",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("[PROTOCOL_VERSION] speaks 1, and I speak 2 — «да»");
  });

  test("ends when the agent welcomes it to another version", async () => {
    const { code, stderr, agent } = await trained(
      {
        plans: [plan(1)],
        speak: (_, usual) =>
          usual.type === "welcome" ? { pieces: [answerLine({ ...usual, protocol: 2 })] } : undefined,
      },
      "train",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("[PROTOCOL] Pawl's agent speaks version 2 of the protocol, this helper 1.");
    expect(agent.requests).toHaveLength(1);
  });

  test.each(["hello", "next", "report", "checkpoint", "saved"] as const)(
    "ends by itself when the agent goes away at %s",
    async (type) => {
      const { code, stderr, agent } = await trained(
        {
          plans: [plan(1, { checkpoint: true })],
          speak: (request) => (request.type === type ? { pieces: [], close: true } : undefined),
        },
        "train",
      );
      expect(code).toBe(1);
      expect(stderr).toContain("[AGENT_GONE]");
      expect(agent.requests.at(-1)?.type).toBe(type);
    },
  );

  test("ends by itself when the agent goes away while it trains", async () => {
    await using agent = await startScriptedAgent({ plans: [plan(1), plan(2)] });
    using trainer = under(agent, "busy");
    await trainer.spoke;
    agent.hangUp();
    trainer.child.stdin?.write("\n");
    const { code, stderr } = await trainer.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("[AGENT_GONE]");
  });

  test("shows why the agent went away while it trained, where the agent said so", async () => {
    await using agent = await startScriptedAgent({ plans: [plan(1), plan(2)] });
    using trainer = under(agent, "busy");
    await trainer.spoke;
    agent.interject(answerLine({ type: "error", code: "LEAVE", message: "attempt 3 is over" }));
    agent.hangUp();
    trainer.child.stdin?.write("\n");
    const { code, stderr } = await trainer.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("[LEAVE] attempt 3 is over");
  });

  test("puts an answer together from pieces that split its characters, up to the longest line", async () => {
    const { code, said: lines } = await trained(
      {
        plans: [plan(1)],
        speak: (_, usual) => {
          if (usual.type === "epoch")
            return { pieces: [...Buffer.from(answerLine(usual))].map((byte) => Uint8Array.of(byte)) };
          if (usual.type !== "end") return undefined;
          const room = maxLineBytes - Buffer.byteLength(answerLine({ ...usual, reason: "" })) + 1;
          const reason = "é".repeat(room / 2) + "e".repeat(room % 2);
          const line = Buffer.from(answerLine({ ...usual, reason }));
          expect(line.length).toBe(maxLineBytes + 1);
          return { pieces: [line.subarray(0, 100_001), line.subarray(100_001)] };
        },
      },
      "train",
    );
    expect(code).toBe(0);
    expect(lines.at(-1)).toEqual({ end: true });
  });

  test.each([
    {
      what: "a line that is too long",
      says: "more than 1048576 bytes",
      piece: `"${"x".repeat(maxLineBytes)}"\n`,
    },
    { what: "a line without end", says: "more than 1048576 bytes", piece: "x".repeat(maxLineBytes + 1) },
    { what: "what is not JSON", says: "no answer", piece: "hello?\n" },
    { what: "JSON that is no answer", says: "no answer", piece: "[1]\n" },
    { what: "the answer to something else", says: "answered", piece: '{"type":"ok"}\n' },
  ])("ends when the agent sends $what", async ({ piece, says }) => {
    const { code, stderr } = await trained(
      {
        plans: [plan(1)],
        speak: (request) => (request.type === "next" ? { pieces: [piece] } : undefined),
      },
      "train",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("[PROTOCOL]");
    expect(stderr).toContain(says);
  });

  test("ends when the agent gives two answers to one request", async () => {
    const { code, stderr } = await trained(
      {
        plans: [plan(1)],
        speak: (request, usual) =>
          request.type === "next" ? { pieces: [answerLine(usual).repeat(2)] } : undefined,
      },
      "train",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("[PROTOCOL] Pawl's agent spoke out of turn.");
  });

  test("lets SIGTERM end the trainer", async () => {
    await using agent = await startScriptedAgent({ plans: [plan(1)] });
    using trainer = under(agent, "wait");
    await trainer.spoke;
    trainer.child.kill("SIGTERM");
    expect(await trainer.ended).toMatchObject({ code: null, signal: "SIGTERM" });
  });

  test("says how to start a trainer that was started by hand", async () => {
    using trainer = start(["train"], {});
    const { code, stderr } = await trainer.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("[NO_AGENT]");
    expect(stderr).toContain("pawl train");
  });

  test("says so when nobody listens at the socket", async () => {
    using trainer = start(["train"], { PAWL_SOCKET: join(trainers.folder, "nobody.sock") });
    const { code, stderr } = await trainer.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("[NO_AGENT]");
    expect(stderr).toContain("nobody.sock");
  });
});

test("the documentation gives the vectors that the helpers are tested with", () => {
  const page = readFileSync(join(root, "docs/trainer-protocol.md"), "utf8");
  for (const { seed, epoch, order } of vectors) {
    expect(page).toContain(`| ${seed} | ${epoch} | ${order.length} | ${order.join(" ")} |`);
  }
  for (const [size, sum] of Object.entries(largeVector.sums).filter(([, sum]) => sum > 0)) {
    expect(page).toContain(`| ${largeVector.seed} | ${largeVector.epoch} | ${size} | checksum ${sum} |`);
  }
});

test("the documentation lists every variable that a trainer is given", () => {
  const page = readFileSync(join(root, "docs/trainer-protocol.md"), "utf8");
  for (const name of trainerVariableNames) {
    expect(page).toContain(`| \`${environmentName(name)}\` | \`{${name}}\` |`);
  }
});

test("the Python helper compiles without a warning, and reads numbers of other libraries", () => {
  const env = {
    ...process.env,
    PYTHONPATH: join(root, "python"),
    PYTHONPYCACHEPREFIX: join(trainers.folder, "bytecode"),
  };
  execFileSync("python3", ["-W", "error", "-m", "compileall", "-q", "-f", join(root, "python/pawl")], {
    env,
  });
  const program = `
from fractions import Fraction
from pawl._metrics import wire_metrics
class Tensor:
    def __float__(self): return float("inf")
print(wire_metrics({"half": Fraction(1, 2), "tensor": Tensor(), "huge": 10**15}))
`;
  expect(execFileSync("python3", ["-c", program], { env, encoding: "utf8" })).toBe(
    "{'half': 0.5, 'tensor': 'Infinity', 'huge': 1000000000000000.0}\n",
  );
  expect(readdirSync(join(root, "python/pawl"))).toContain("py.typed");
});
