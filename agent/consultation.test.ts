import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ReviewReply } from "../core/answers.ts";
import { TrainingJob, type TrainingJobInput } from "../core/job.ts";
import { type Measured, maxStretches, type Stretch } from "../core/measured.ts";
import type { EpochPlan } from "../core/report.ts";
import { Consultation } from "./consultation.ts";

const plan: EpochPlan = {
  epoch: 3,
  seed: 1,
  batchSize: 32,
  learningRateScale: 1,
  measure: "norms",
  checkpoint: true,
};
const norms = { small: { examples: 16, squaredNorm: 2 }, large: { examples: 32, squaredNorm: 1 }, steps: 4 };

interface Case {
  readonly what: string;
  readonly batchSize: TrainingJobInput["batchSize"];
  readonly measured: Measured;
}

/** What was measured after so many steps of one stretch, or of as many as there are numbers. */
const trained = (steps: number | number[], more: Partial<Stretch> = {}, resizes = true): Measured => ({
  resizes,
  stretches: [steps].flat().map((count, index) => ({
    batchSize: 32 + index,
    microBatchSize: 32 + index,
    workers: 1,
    steps: count,
    examples: 32 * count,
    ...more,
  })),
});

/** One whose answers are `answer`, and the steps at which it asked. */
function consulting(batchSize: TrainingJobInput["batchSize"], answer: EpochPlan = plan) {
  const job = TrainingJob.parse({
    name: "digits",
    command: ["true"],
    epochs: 1,
    ...(batchSize === undefined ? {} : { batchSize }),
  });
  const asked: number[] = [];
  const consultation = new Consultation({
    batchSize: job.batchSize,
    ask: async (step) => {
      asked.push(step);
      return { answer: { action: "train", sequence: 1, plan: answer } };
    },
  });
  const look = (step: number, measured = trained(step)) => consultation.plan({ plan, step, measured });
  return { consultation, asked, look };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

describe("consulting Review in the middle of an epoch", () => {
  it("comes after as many steps as a size is held, and after twice as many each time", async () => {
    const { asked, look, consultation } = consulting({ policy: "goodput", hold: 20 });
    for (let step = 1; step <= 200; step += 1) await look(step);
    expect(asked).toEqual([20, 40, 80, 160]);
    consultation.begin();
    for (let step = 1; step <= 50; step += 1) await look(step);
    expect(asked.slice(4)).toEqual([20, 40]);
  });

  it("says after how many steps it is due", async () => {
    const { consultation, look } = consulting("auto");
    const stepsTo = (steps: number) => consultation.stepsTo({ plan, measured: trained(steps) });
    expect(stepsTo(3)).toBe(5);
    await look(8);
    expect(stepsTo(8)).toBe(8);
    expect(stepsTo(40)).toBe(1);
  });

  it("comes each minute in a stretch of long steps", async () => {
    const { asked, look } = consulting("auto");
    for (let step = 1; step <= 40; step += 1) {
      vi.advanceTimersByTime(15_000);
      await look(step);
    }
    expect(asked).toEqual([8, 12, 16, 20, 24, 28, 32, 36, 40]);
  });

  it("begins again with each stretch", async () => {
    const { asked, look } = consulting("auto");
    for (let step = 1; step <= 20; step += 1) await look(step);
    for (let step = 21; step <= 50; step += 1) await look(step, trained([20, step - 20]));
    expect(asked).toEqual([8, 16, 28, 36]);
  });

  it.each<Case>([
    { what: "the trainer cannot take another size", batchSize: "auto", measured: trained(100, {}, false) },
    { what: "the size is fixed", batchSize: 32, measured: trained(100, { norms }) },
    {
      what: "it follows a schedule",
      batchSize: { policy: "schedule", steps: [{ fromEpoch: 1, size: 32 }] },
      measured: trained(100, { norms }),
    },
    { what: "it follows a metric", batchSize: { policy: "plateau" }, measured: trained(100) },
    {
      what: "it is the trainer's own, and its gradients tell nothing",
      batchSize: undefined,
      measured: trained(100),
    },
    {
      what: "it has changed too often",
      batchSize: "auto",
      measured: trained(Array.from({ length: maxStretches }, () => 100)),
    },
  ])("does not come where $what", async ({ batchSize, measured }) => {
    const { asked, look, consultation } = consulting(batchSize);
    await look(100, measured);
    expect(asked).toEqual([]);
    expect(consultation.stepsTo({ plan, measured })).toBeUndefined();
  });

  it("comes where the size is the trainer's own, and its gradients are observed", async () => {
    const { look } = consulting(undefined, { ...plan, batchSize: 64 });
    expect(await look(8, trained(8, { norms }))).toMatchObject({ batchSize: 64 });
  });

  it("is waited for ten seconds, heard when it comes later, and waited for less the next time", async () => {
    vi.useFakeTimers();
    const bigger = { ...plan, batchSize: 64 };
    const answers: PromiseWithResolvers<ReviewReply>[] = [];
    const consultation = new Consultation({
      batchSize: TrainingJob.parse({ name: "a", command: ["b"], epochs: 1, batchSize: "auto" }).batchSize,
      ask: () => {
        const answer = Promise.withResolvers<ReviewReply>();
        answers.push(answer);
        return answer.promise;
      },
    });
    const answer = (index: number) =>
      answers[index]?.resolve({ answer: { action: "train", sequence: 1, plan: bigger } });
    const waited = async (step: number) => {
      const from = performance.now();
      let over: { plan: EpochPlan | undefined; after: number } | undefined;
      void consultation.plan({ plan, step, measured: trained(step) }).then((plan) => {
        over = { plan, after: performance.now() - from };
      });
      while (over === undefined) await vi.advanceTimersByTimeAsync(100);
      return over;
    };
    expect(await waited(8)).toEqual({ plan: undefined, after: 10_000 });
    expect(await waited(9)).toMatchObject({ plan: undefined });
    answer(0);
    expect(await waited(10)).toMatchObject({ plan: bigger });
    expect(await waited(16)).toEqual({ plan: undefined, after: 2000 });
    answer(1);
    expect(await waited(17)).toMatchObject({ plan: bigger });
    setTimeout(() => answer(2), 1000);
    expect(await waited(32)).toMatchObject({ plan: bigger, after: 1000 });
    expect(await waited(64)).toEqual({ plan: undefined, after: 10_000 });
    expect(answers).toHaveLength(4);
  });

  it("goes on as before where the answer is of another epoch, or none for this", async () => {
    expect(await consulting("auto", { ...plan, epoch: 4 }).look(8)).toBeUndefined();
    const { consultation } = consulting("auto");
    const finishing = new Consultation({
      batchSize: TrainingJob.parse({ name: "a", command: ["b"], epochs: 1, batchSize: "auto" }).batchSize,
      ask: async () => ({ answer: { action: "finish", sequence: 1, reason: "it is over" } }),
    });
    expect(await finishing.plan({ plan, step: 8, measured: trained(8) })).toBeUndefined();
    expect(await consultation.plan({ plan, step: 8, measured: trained(8) })).toEqual(plan);
  });
});
