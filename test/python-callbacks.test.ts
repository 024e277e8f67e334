import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EpochPlan } from "../core/report.ts";
import { outcome, type Trained, trainAlone, trainKilled } from "./killed-run.ts";
import { root, temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";

const standIns = join(root, "test", "fixtures", "stand-ins");

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "pawl-callbacks-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const plan = (epoch: number, more: Partial<EpochPlan> = {}): EpochPlan => ({
  epoch,
  seed: 1,
  batchSize: 3,
  learningRateScale: 1,
  checkpoint: true,
  ...more,
});

/** Trains with a stand-in under a script; `ways` are what its fixture does otherwise. */
async function trained(
  framework: string,
  scenario: Scenario,
  { ways = "", env = {} }: { ways?: string; env?: Record<string, string> } = {},
) {
  await using agent = await startScriptedAgent(scenario);
  using trainer = startTrainer(["python3", "-W", "error", join(standIns, `train_${framework}.py`)], {
    env: {
      WAYS: ways,
      PAWL_SOCKET: agent.socketPath,
      PYTHONPATH: join(root, "python"),
      PYTHONPYCACHEPREFIX: join(scratch, "bytecode"),
      ...env,
    },
  });
  const { code, said, stderr } = await trainer.ended;
  expect(agent.problems).toEqual([]);
  const reports = agent.requests.flatMap((request) => (request.type === "report" ? [request] : []));
  return {
    code,
    said,
    stderr,
    asked: agent.requests.flatMap((request) =>
      request.type === "step" ? [] : "epoch" in request ? `${request.type} ${request.epoch}` : request.type,
    ),
    steps: agent.requests.flatMap((request) => (request.type === "step" ? [request] : [])),
    reports: reports.map(({ epoch, metrics, examples }) => ({ epoch, metrics, examples })),
    saved: agent.requests.flatMap((request) => (request.type === "saved" ? [request.framework] : [])),
    files: agent.requests.flatMap((request) =>
      request.type === "saved" ? readdirSync(agent.checkpointFolder(request.epoch)) : [],
    ),
  };
}

const wholeEpoch = (epoch: number) => ["next", `report ${epoch}`, `checkpoint ${epoch}`, `saved ${epoch}`];

/** A checkpoint that a stand-in wrote after `epoch`, with four steps in each. */
function restored(framework: string, epoch: number): { folder: string; epoch: number } {
  const folder = mkdtempSync(join(scratch, "restored-"));
  const files =
    framework === "lightning"
      ? { "lightning.ckpt": { trained: epoch, weight: 1, callbacks: { PawlCallback: {} } } }
      : { "trainer_state.json": { epoch, global_step: epoch * 4, weight: 1 } };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), JSON.stringify(content));
  return { folder, epoch };
}

const frameworks = [
  { framework: "lightning", product: "Lightning", file: "lightning.ckpt" },
  { framework: "transformers", product: "Transformers", file: "trainer_state.json" },
];

describe.each(frameworks)("the callback for $product", ({ framework, product, file }) => {
  it("trains the epochs that Pawl asks for: each is reported once, with its metrics, and has its checkpoint where one is due", async () => {
    const plans = [plan(1), plan(2, { checkpoint: false }), plan(3)];
    const { code, stderr, asked, reports, saved, files } = await trained(framework, { plans });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(asked).toEqual(["hello", ...wholeEpoch(1), "next", "report 2", ...wholeEpoch(3), "next"]);
    expect(reports.map(({ epoch, examples }) => ({ epoch, examples }))).toEqual(
      [1, 2, 3].map((epoch) => ({ epoch, examples: 12 })),
    );
    const name = framework === "lightning" ? "weight" : "loss";
    expect(new Set(reports.map(({ metrics }) => metrics[name])).size).toBe(3);
    expect(saved).toEqual([`${product} 0-stand-in`, `${product} 0-stand-in`]);
    expect(files).toEqual([file, file]);
  });

  it("goes on after the epoch of the restored checkpoint", async () => {
    const { code, asked } = await trained(framework, {
      plans: [plan(3), plan(4)],
      restored: restored(framework, 2),
    });
    expect(code).toBe(0);
    expect(asked).toEqual(["hello", ...wholeEpoch(3), ...wholeEpoch(4), "next"]);
  });

  it("shows at each step that it goes on, and that it cannot save there", async () => {
    const { code, steps } = await trained(framework, { plans: [plan(1), plan(2)] });
    expect(code).toBe(0);
    expect(steps).toEqual(
      [1, 2].flatMap((epoch) =>
        upTo(4).map((step) => ({ type: "step", epoch, step, position: null, canSave: false })),
      ),
    );
  });

  it("refuses a checkpoint of the middle of an epoch, which another trainer saved", async () => {
    const { code, stderr } = await trained(framework, {
      plans: [plan(3)],
      restored: { ...restored(framework, 2), step: 3 },
      resume: { step: 3, position: 9, seconds: 1 },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("[MISUSE] The checkpoint is of the middle of an epoch");
  });

  it("begins anew from a checkpoint of another run, which is not the trainer's to resume", async () => {
    const { code, asked } = await trained(framework, {
      plans: [plan(1)],
      restored: { ...restored(framework, 2), epoch: 0 },
    });
    expect(code).toBe(0);
    expect(asked).toEqual(["hello", ...wholeEpoch(1), "next"]);
  });

  it("refuses to begin anew where the trainer was not given the restored checkpoint", async () => {
    const { code, stderr, asked } = await trained(
      framework,
      { plans: [plan(3)], restored: restored(framework, 2) },
      { ways: "forgets" },
    );
    expect(code).toBe(1);
    expect(stderr).toContain(
      `[MISUSE] Pawl goes on after epoch 2, but ${product} begins after epoch 0. Begin with `,
    );
    expect(asked).toEqual(["hello", "next"]);
  });

  it("says so where something else has stopped the trainer before Pawl has no more epochs", async () => {
    const { code, stderr, asked } = await trained(
      framework,
      { plans: [plan(1), plan(2), plan(3)] },
      { ways: "stops-early evaluates" },
    );
    expect(code).toBe(1);
    expect(stderr).toContain(`[MISUSE] ${product} stopped before epoch 2 was trained`);
    expect(asked).toEqual(["hello", ...wholeEpoch(1), "next"]);
  });

  it("refuses a trainer that accumulates by itself, where the job says how large a step is", async () => {
    const { code, stderr, asked } = await trained(framework, { plans: [plan(1)] }, { ways: "accumulates" });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /\[MISUSE\] The [tT]rainer has (accumulate_grad_batches|gradient_accumulation_steps)=2, and Pawl's batchSize 3 /,
    );
    expect(asked).toEqual(["hello", "next"]);
  });

  it("ends well where Pawl has nothing to train at all", async () => {
    const { code, asked } = await trained(framework, { plans: [] });
    expect(code).toBe(0);
    expect(asked).toEqual(["hello", "next"]);
  });

  it("refuses one of several processes", async () => {
    const { code, stderr } = await trained(framework, { plans: [plan(1)] }, { env: { WORLD_SIZE: "2" } });
    expect(code).toBe(1);
    expect(stderr).toContain(`[MISUSE] Pawl's callback for ${product} works in one process`);
  });

  it("goes on under a real run that is killed on the way as if nothing had happened", async () => {
    await using alone = await temporaryFolder();
    await using killed = await temporaryFolder();
    const inStore = (store: string): Trained => ({
      job: join(standIns, `${framework}.yaml`),
      store,
      run: `${framework}-1`,
      env: { PYTHONPYCACHEPREFIX: join(scratch, "bytecode") },
    });
    await trainAlone(inStore(alone.path));
    await trainKilled(inStore(killed.path), { trainer: 2, runner: 5 });
    const [left, right] = [await outcome(inStore(alone.path)), await outcome(inStore(killed.path))];
    expect(left.failures).toBe(0);
    expect(right.failures).toBe(2);
    expect(left.status).toBe("finished");
    expect(left.epochs?.map(({ epoch }) => epoch)).toEqual(upTo(8));
    expect({ ...right, failures: 0 }).toEqual(left);
  });
});

describe("the callback for Lightning", () => {
  it("lets the job decide how many epochs there are, whatever the trainer's limits", async () => {
    const { code, asked } = await trained("lightning", { plans: [plan(1), plan(2)] }, { ways: "min-epochs" });
    expect(code).toBe(0);
    expect(asked).toEqual(["hello", ...wholeEpoch(1), ...wholeEpoch(2), "next"]);
  });

  it("leaves accumulation to the trainer where the job leaves the batch size to it, and counts its steps", async () => {
    const { batchSize: _, ...own } = plan(1);
    const { code, stderr, steps } = await trained("lightning", { plans: [own] }, { ways: "accumulates" });
    expect(code, stderr).toBe(0);
    expect(steps.map(({ step }) => step)).toEqual([1, 2]);
  });

  it("has all examples seen in each epoch when the batch size changes", async () => {
    const plans = [plan(1, { batchSize: 6 }), plan(2, { batchSize: 2 }), plan(3, { batchSize: 5 })];
    const { reports } = await trained("lightning", { plans });
    expect(reports.map(({ metrics }) => metrics.seen)).toEqual([12, 12, 12]);
  });
});

describe("the callback for Transformers", () => {
  const plans = [plan(1, { learningRateScale: 2 }), plan(2, { checkpoint: false, learningRateScale: 2 })];

  it("reports what was logged and evaluated, without counters and speeds, and leaves no checkpoint of the Trainer's behind", async () => {
    const { code, reports, said } = await trained("transformers", { plans }, { ways: "evaluates" });
    expect(code).toBe(0);
    for (const { metrics } of reports)
      expect(metrics).toEqual({
        eval_weight: expect.any(Number),
        loss: expect.any(Number),
        learning_rate: 0.01,
      });
    expect(said).toEqual(["[]"]);
  });

  it("reports where the last step of an epoch was logged already", async () => {
    const { code, stderr, asked, reports } = await trained(
      "transformers",
      { plans },
      { ways: "logs-each-step" },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(asked).toEqual(["hello", ...wholeEpoch(1), "next", "report 2", "next"]);
    for (const { metrics } of reports) expect(metrics.loss).toEqual(expect.any(Number));
  });

  it("does not take the Trainer's own checkpoints within an epoch for the epoch's, and leaves them where they are", async () => {
    const { code, asked, said } = await trained(
      "transformers",
      { plans: [plan(1)] },
      { ways: "saves-each-step" },
    );
    expect(code).toBe(0);
    expect(asked).toEqual(["hello", ...wholeEpoch(1), "next"]);
    expect(said).toEqual(["['checkpoint-1', 'checkpoint-2', 'checkpoint-3', 'checkpoint-4']"]);
  });

  it("refuses another batch size, which the Trainer cannot take up", async () => {
    const { code, stderr, asked } = await trained("transformers", {
      plans: [plan(1), plan(2, { batchSize: 6 })],
    });
    expect(code).toBe(1);
    expect(stderr).toContain("[MISUSE] Epoch 2 has batch size 6, and the Trainer keeps 3");
    expect(asked).toEqual(["hello", ...wholeEpoch(1), "next"]);
  });
});
