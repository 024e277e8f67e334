import { describe, expect, it } from "vitest";
import type { SentEvent } from "../core/events.ts";
import { maxStretches } from "../core/measured.ts";
import { AttemptError } from "./attempt-error.ts";
import { batching } from "./testing/batching.ts";
import { failing } from "./testing/endings.ts";
import { type Scene, scenes } from "./testing/scene.ts";

const scene = scenes();
const job = { batchSize: { policy: "goodput", start: 32 } } as const;
const plan = { measure: "norms", microBatchSize: 32, accumulation: 1 } as const;
/** From 32 to 64 after the first look. */
const grows = () => ({ batchSize: 64, microBatchSize: 64, accumulation: 1 });

const instance = {
  id: "i-1",
  type: "g6.xlarge",
  zone: "eu-west-1a",
  market: "spot",
  upSeconds: 60,
} as const;

const asked = ({ sent }: Scene) =>
  sent.filter((event): event is Extract<SentEvent, { type: "measured" }> => event.type === "measured");
const reports = ({ sent }: Scene) => sent.flatMap((event) => (event.type === "report" ? [event.report] : []));

type Model = Record<string, [start: number, size: number, scale: number][]>;
async function trained(of: Scene, name: string): Promise<Model> {
  return JSON.parse(await of.saved(name, "model.json"));
}

/** Whether each of `size` examples is in these batches once, in order. */
function expectEachOnce(batches: Model[string] | undefined, size: number) {
  let next = 0;
  for (const [start, length] of batches ?? []) {
    expect(start).toBe(next);
    next += length;
  }
  expect(next).toBe(size);
}

describe("an epoch that is measured", () => {
  it("is looked at after 8 steps of a stretch, then 16, 32 …, and its rest is trained as Review says", async () => {
    const it_ = await scene({ ...batching(5000), job, plan, resize: grows, epochs: 1, instance });
    await it_.run();
    expect(it_.happened.filter((what) => what.startsWith("measured"))).toEqual([
      "measured 1 step 8",
      "measured 1 step 16",
      "measured 1 step 24",
      "measured 1 step 40",
      "measured 1 step 72",
    ]);
    const { 1: batches } = await trained(it_, "1-2");
    expectEachOnce(batches, 5000);
    expect(batches?.map(([, length]) => length)).toEqual([
      ...Array.from({ length: 8 }, () => 32),
      ...Array.from({ length: 74 }, () => 64),
      8,
    ]);
    expect(asked(it_)[0]?.measured).toMatchObject({ machine: "g6.xlarge", stretches: [{ steps: 8 }] });
    const [report] = reports(it_);
    expect(report?.measured).toMatchObject({
      machine: "g6.xlarge",
      optimizer: "SGD",
      resizes: true,
      stretches: [
        { batchSize: 32, steps: 8, examples: 256 },
        { batchSize: 64, steps: 75, examples: 4744 },
      ],
    });
  });

  it("that is cut in its middle goes on with the checkpoint's batch, its plan, and what was measured before", async () => {
    const size = 40_000;
    const first = await scene({
      ...batching(size, true, 0.005),
      job,
      plan,
      resize: grows,
      restore: { "model.json": "{}" },
      instance,
    });
    const leaving = failing(first);
    await first.saying("step 2 50\n");
    first.departure.ask(new AttemptError("interrupted", "the machine goes"), 30);
    await leaving;
    const [name = ""] = first.sent.flatMap((event) =>
      event.type === "commit" && event.checkpoint !== null ? [event.checkpoint] : [],
    );
    const manifest = await first.manifest(name);
    const { step = 0, position = null, seconds = 0, measured } = manifest ?? {};
    expect(manifest?.plan).toMatchObject({ epoch: 2, batchSize: 64, measure: "norms" });
    expect(measured).toMatchObject({
      machine: "g6.xlarge",
      stretches: [
        { batchSize: 32, steps: 8 },
        { batchSize: 64, steps: step - 8 },
      ],
    });
    expect(step).toBeGreaterThan(40);
    if (manifest?.plan === undefined || measured === undefined) throw new Error("the manifest has neither");

    const second = await scene({
      ...batching(size),
      job,
      plan: { ...plan, ...grows() },
      restore: { "model.json": await first.saved(name, "model.json") },
      partial: { step, position, seconds, plan: manifest.plan, measured },
      instance,
    });
    await second.run();
    const { 2: batches } = await trained(second, "3-2");
    expectEachOnce(batches, size);
    const steps = Math.ceil((size - 8 * 32) / 64);
    expect(reports(second)[0]?.measured).toMatchObject({
      machine: "g6.xlarge",
      stretches: [
        { batchSize: 32, steps: 8, examples: 256, timed: { steps: 8 } },
        { batchSize: 64, steps, examples: size - 256, timed: { stepSeconds: 0.5, steps } },
      ],
    });
    expect(reports(second)[1]?.measured?.stretches).toHaveLength(1);
    expect(asked(second)[0]?.measured.stretches[1]?.steps).toBe(step - 8 + 1);
  });

  it("is saved with the plan that it was told, so that Review knows what is left of a warm-up", async () => {
    const warmUp = { from: 1, steps: 64 };
    const it_ = await scene({
      ...batching(3200),
      job,
      plan: { ...plan, learningRateScale: 2 },
      resize: () => ({ ...grows(), warmUp }),
      epochs: 1,
      saving: { epochEnds: "always", everySteps: 30 },
    });
    await it_.run();
    const [name = ""] = it_.sent.flatMap((event) =>
      event.type === "commit" && event.step !== undefined ? [event.checkpoint ?? ""] : [],
    );
    const manifest = await it_.manifest(name);
    expect(manifest?.plan).toMatchObject({ batchSize: 64, learningRateScale: 2, warmUp });
    const { 1: batches = [] } = await trained(it_, "1-2");
    expect(batches.slice(7, 11).map(([, , scale]) => scale)).toEqual([2, 1, 1 + 1 / 64, 1 + 2 / 64]);
  });

  it("is never looked at where the trainer cannot take another size, and is reported with what it measured", async () => {
    const it_ = await scene({ ...batching(5000, false), job, plan, resize: grows, epochs: 1 });
    await it_.run();
    expect(asked(it_)).toEqual([]);
    const { 1: batches } = await trained(it_, "1-2");
    expect(new Set(batches?.slice(0, -1).map(([, length]) => length))).toEqual(new Set([32]));
    expect(reports(it_)[0]?.measured).toEqual({
      optimizer: "SGD",
      resizes: false,
      stretches: [
        {
          batchSize: 32,
          microBatchSize: 32,
          workers: 1,
          steps: 157,
          examples: 5000,
          timed: { stepSeconds: 0.5, steps: 157 },
        },
      ],
    });
  });

  it("tells nothing where nothing is asked for", async () => {
    const it_ = await scene({ ...batching(2000), job: { batchSize: 32 }, plan: { microBatchSize: 32 } });
    await it_.run();
    expect(asked(it_)).toEqual([]);
    expect(reports(it_).map((report) => Object.keys(report).sort())).toEqual(
      Array.from({ length: 2 }, () => ["epoch", "examples", "metrics", "seconds"]),
    );
  });

  it("keeps its size after so many changes", async () => {
    const changes = ({ measured }: { measured: { stretches: readonly { batchSize: number }[] } }) => ({
      batchSize: measured.stretches.at(-1)?.batchSize === 32 ? 33 : 32,
    });
    const it_ = await scene({ ...batching(20_000), job, plan, resize: changes, epochs: 1 });
    await it_.run();
    expect(reports(it_)[0]?.measured?.stretches).toHaveLength(maxStretches);
    expect(asked(it_)).toHaveLength(maxStretches - 1);
    expectEachOnce((await trained(it_, "1-2"))[1], 20_000);
  });

  it("is trained on as before where the answer is of another epoch", async () => {
    const it_ = await scene({
      ...batching(2000),
      job,
      plan,
      epochs: 1,
      resize: () => ({ epoch: 2, batchSize: 64 }),
    });
    await it_.run();
    expect(asked(it_).length).toBeGreaterThan(1);
    expect(reports(it_)[0]?.measured?.stretches).toMatchObject([{ batchSize: 32, examples: 2000 }]);
  });

  it("ends where Review says that its attempt is not live", async () => {
    const it_ = await scene({
      ...batching(200_000, true, 0.001),
      job,
      plan,
      answer: (event) =>
        event.type === "measured" ? { action: "leave", sequence: 1, reason: "it is not live" } : undefined,
    });
    expect(await failing(it_)).toMatchObject({ result: "left", message: "it is not live" });
    expect(it_.sent.some(({ type }) => type === "commit")).toBe(false);
  });

  it("ends as for other events where Review cannot be asked", async () => {
    const it_ = await scene({
      ...batching(200_000, true, 0.001),
      job,
      plan,
      answer: (event) => {
        if (event.type === "measured") throw new AttemptError("store-failed", "nobody answers");
        return undefined;
      },
    });
    expect(await failing(it_)).toMatchObject({ result: "store-failed", message: "nobody answers" });
  });

  it("is trained on while an answer takes long, and heeds it when it is there", async () => {
    const it_ = await scene({
      ...batching(400_000, true, 0.002),
      job,
      plan,
      epochs: 1,
      answer: async (event) => {
        if (event.type === "measured") await it_.saying("step 1 200\n");
        return undefined;
      },
      resize: () => ({ batchSize: 4096 }),
    });
    await it_.run();
    const [before, after] = reports(it_)[0]?.measured?.stretches ?? [];
    expect(before).toMatchObject({ batchSize: 32 });
    expect(before?.steps).toBeGreaterThanOrEqual(200);
    expect(after).toMatchObject({ batchSize: 4096 });
    expectEachOnce((await trained(it_, "1-2"))[1], 400_000);
  });
});

describe("a plain command", () => {
  const writes = (file: string) => ({
    command: ["sh", "-c", `echo '${file}' > "$PAWL_METRICS_FILE"; echo x > "$PAWL_CHECKPOINT_DIR/model"`],
  });

  it("is measured by its epochs, where that is asked for and its examples are known", async () => {
    const it_ = await scene({ ...writes('{"loss": 1, "examples": 1000}'), job, plan, epochs: 1, instance });
    await it_.run();
    const [report] = reports(it_);
    expect(report).toMatchObject({ metrics: { loss: 1 }, examples: 1000 });
    expect(report?.measured).toEqual({
      machine: "g6.xlarge",
      resizes: false,
      stretches: [
        {
          batchSize: 32,
          microBatchSize: 32,
          workers: 1,
          steps: 32,
          examples: 1000,
          timed: { stepSeconds: (report?.seconds ?? 0) / 32, steps: 32 },
        },
      ],
    });
  });

  it("can tell norms of its gradients beside its metrics, also such as cannot be right", async () => {
    const norms =
      '{"small": {"examples": 16, "squaredNorm": NaN}, "large": {"examples": 32, "squaredNorm": -2}, "steps": 9}';
    const told = writes(`{"loss": 1, "examples": 1000, "gradientNorms": ${norms}}`);
    const it_ = await scene({ ...told, job, plan, epochs: 1 });
    await it_.run();
    const [report] = reports(it_);
    expect(report?.metrics).toEqual({ loss: 1 });
    expect(report?.measured?.stretches[0]?.norms).toEqual({
      small: { examples: 16, squaredNorm: "NaN" },
      large: { examples: 32, squaredNorm: -2 },
      steps: 9,
    });
  });

  it("has trained with its batch size, for nobody knows how long, where it does not say its examples", async () => {
    const it_ = await scene({ ...writes('{"loss": 1}'), job, plan, epochs: 1 });
    await it_.run();
    expect(reports(it_)[0]?.measured).toEqual({
      resizes: false,
      stretches: [{ batchSize: 32, microBatchSize: 32, workers: 1, steps: 1000, examples: 0 }],
    });
  });

  it.each([
    { what: "without asking for it", file: '{"loss": 1, "examples": 1000}', more: {} },
    { what: "without a batch size", file: '{"loss": 1, "examples": 9}', more: { plan, job: {} } },
  ])("is not measured $what", async ({ file, more }) => {
    const it_ = await scene({ ...writes(file), job, epochs: 1, ...more });
    await it_.run();
    expect(reports(it_)).toHaveLength(1);
    expect(reports(it_)[0]?.measured).toBeUndefined();
  });

  it("is told where its norms are none", async () => {
    const it_ = await scene({
      ...writes('{"gradientNorms": {"small": {"examples": 16, "squaredNorm": 1}, "steps": 9}}'),
      job,
      plan,
    });
    expect(await failing(it_)).toMatchObject({
      result: "user-exception",
      message: expect.stringMatching(/^PAWL_METRICS_FILE must .* gradientNorms\.large /),
    });
  });
});
