import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { TrainingJob } from "../core/job.ts";
import type { EpochPlan } from "../core/report.ts";
import { fillPlaceholders, trainerEnvironment } from "../core/trainer-variables.ts";
import { answerLine, startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";
import { makeTrainerProject } from "./trainer-project.ts";

const root = join(import.meta.dirname, "..");
const examples = join(root, "examples");
const names = readdirSync(examples).filter((name) => statSync(join(examples, name)).isDirectory());

const readJob = (name: string): TrainingJob =>
  TrainingJob.parse(parse(readFileSync(join(examples, name, "pawl.yaml"), "utf8")));

const plan = (epoch: number, batchSize: number, seed: number): EpochPlan => ({
  epoch,
  seed,
  batchSize,
  learningRateScale: 1,
  checkpoint: true,
});

test("there are examples of all three kinds of trainer", () => {
  expect(names).toEqual(expect.arrayContaining(["digits", "linear-python", "shell"]));
});

describe.each(names)("examples/%s", (name) => {
  test("is a valid job that gives a batch size and names its own files", () => {
    const job = readJob(name);
    expect(job.batchSize).toBeDefined();
    expect(readdirSync(join(examples, name))).toContain(job.command[1]);
  });
});

let project: ReturnType<typeof makeTrainerProject>;
let scratch: string;

beforeAll(() => {
  project = makeTrainerProject();
  cpSync(examples, join(project.folder, "examples"), { recursive: true });
  scratch = mkdtempSync(join(tmpdir(), "pawl-examples-"));
});
afterAll(() => {
  project?.[Symbol.dispose]();
  rmSync(scratch, { recursive: true, force: true });
});

describe.each([
  { name: "digits", file: "state.f32", atLeast: 0.85 },
  { name: "linear-python", file: "weights.json", atLeast: 0.8 },
])("examples/$name, which has a helper", ({ name, file, atLeast }) => {
  /** Trains some epochs from a checkpoint; gives the reports and what the last checkpoint holds. */
  async function train(epochs: readonly number[], restored?: { folder: string; epoch: number }) {
    const folder = join(project.folder, "examples", name);
    await using agent = await startScriptedAgent({
      plans: epochs.map((epoch) => plan(epoch, 32, 1)),
      ...(restored === undefined ? {} : { restored }),
    });
    const [program = "", ...args] = readJob(name).command;
    const child = startTrainer([program === "node" ? process.execPath : program, ...args], {
      cwd: folder,
      env: {
        PAWL_SOCKET: agent.socketPath,
        PYTHONPATH: join(root, "python"),
        PYTHONPYCACHEPREFIX: join(scratch, "bytecode"),
      },
    });
    const ended = await child.ended;
    expect({ code: ended.code, problems: agent.problems }, ended.stderr).toEqual({ code: 0, problems: [] });
    const last = epochs.at(-1) ?? 0;
    const kept = mkdtempSync(join(scratch, "checkpoint-"));
    cpSync(agent.checkpointFolder(last), kept, { recursive: true });
    return {
      metrics: agent.requests.flatMap((request) => (request.type === "report" ? [request.metrics] : [])),
      kept,
      bytes: readFileSync(join(kept, file)),
    };
  }

  test("learns, and goes on from a checkpoint exactly as if it had not stopped", async () => {
    const whole = await train([1, 2]);
    const first = await train([1]);
    const second = await train([2], { folder: first.kept, epoch: 1 });
    expect(whole.metrics).toHaveLength(2);
    expect([...first.metrics, ...second.metrics]).toEqual(whole.metrics);
    expect(second.bytes.equals(whole.bytes)).toBe(true);
    expect(first.bytes.equals(whole.bytes)).toBe(false);
    expect(whole.metrics[1]?.accuracy).toBeGreaterThan(atLeast);
  });
});

describe("examples/digits with a batch size that follows the training", () => {
  test("is a valid job, of the same trainer", () => {
    const text = readFileSync(join(examples, "digits", "adaptive.yaml"), "utf8");
    const job = TrainingJob.parse(parse(text));
    expect(job.batchSize).toMatchObject({ policy: "auto", start: 32, max: 2048 });
    expect(job.command).toEqual(readJob("digits").command);
  });

  test("measures its gradients, takes another size between two steps, and each example once", async () => {
    const first = { ...plan(1, 32, 1), measure: "norms" as const };
    await using agent = await startScriptedAgent({
      plans: [first],
      speak: (request, usual) =>
        request.type === "step" && request.step === 8 && usual.type === "go-on"
          ? { pieces: [answerLine({ ...usual, plan: { ...first, batchSize: 128, microBatchSize: 64 } })] }
          : undefined,
    });
    const child = startTrainer([process.execPath, "train.mjs"], {
      cwd: join(project.folder, "examples", "digits"),
      env: { PAWL_SOCKET: agent.socketPath },
    });
    const { code, stderr } = await child.ended;
    expect({ code, problems: agent.problems }, stderr).toEqual({ code: 0, problems: [] });
    const [report] = agent.requests.flatMap((request) => (request.type === "report" ? [request] : []));
    expect(report?.measured).toMatchObject({
      optimizer: "SGD",
      resizes: true,
      stretches: [
        {
          batchSize: 32,
          steps: 8,
          examples: 256,
          timed: { steps: 3 },
          norms: { small: { examples: 16 }, large: { examples: 32 }, steps: 4 },
        },
        {
          batchSize: 128,
          microBatchSize: 64,
          steps: 61,
          examples: 7744,
          norms: { small: { examples: 64 }, large: { examples: 128 } },
        },
      ],
    });
    const { small, large } = report?.measured?.stretches[0]?.norms ?? {};
    expect(Number(large?.squaredNorm)).toBeGreaterThan(0);
    expect(Number(small?.squaredNorm)).toBeGreaterThan(Number(large?.squaredNorm));
    expect(report?.metrics.accuracy).toBeGreaterThan(0.6);
  });
});

describe("examples/shell, a plain command", () => {
  test("goes on from the folder that it left, and learns", () => {
    const job = readJob("shell");
    const checkpointDir = join(scratch, "shell");
    const metricsFile = join(scratch, "metrics.json");
    mkdirSync(checkpointDir);
    const losses = [1, 2, 3].map((epoch) => {
      const context = {
        run: "shell-1",
        attempt: 1,
        epochs: job.epochs,
        plan: plan(epoch, 10, job.seed),
        checkpointDir,
        metricsFile,
        dataDir: undefined,
      };
      const [program = "", ...args] = job.command.map((argument) => fillPlaceholders(argument, context));
      execFileSync(program, args, {
        cwd: join(examples, "shell"),
        env: { ...process.env, ...job.env, ...trainerEnvironment(context) },
        stdio: "pipe",
      });
      const metrics: { loss: number; examples: number } = JSON.parse(readFileSync(metricsFile, "utf8"));
      expect(metrics.examples).toBe(200);
      return metrics.loss;
    });
    expect(losses[1]).toBeLessThan(losses[0] ?? 0);
    expect(losses[2]).toBeLessThan(losses[1] ?? 0);
    expect(readdirSync(checkpointDir)).toEqual(["model.txt"]);
  });
});
