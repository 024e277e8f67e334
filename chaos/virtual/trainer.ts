import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AttemptError } from "../../agent/attempt-error.ts";
import type { Assignment, ReviewReply } from "../../core/answers.ts";
import type { MeasuredEvent } from "../../core/events.ts";
import type { TrainingJob } from "../../core/job.ts";
import type { Manifest } from "../../core/manifest.ts";
import { saveFits, saveIsDue } from "../../core/policies/checkpoint-interval.ts";
import type { LifeSign } from "../../core/policies/stall.ts";
import type { EpochPlan, EpochReport } from "../../core/report.ts";
import { Dice } from "../../core/testing/dice.ts";
import { ModelMeasurer } from "../../core/testing/model-measurer.ts";
import { order } from "../../trainer/order.ts";
import type { Chance } from "../chance.ts";
import type { ModelUploads } from "./agent-uploads.ts";
import type { Life } from "./life.ts";
import type { ModelJob } from "./model-job.ts";
import type { Toy } from "./toy.ts";
import type { Witness } from "./witness.ts";

/** What training is like in a world. */
export interface Physics {
  readonly examples: number;
  readonly stepSeconds: number;
  /** Seconds that training stands still for a save. */
  readonly pauseSeconds: number;
  /** Mean seconds that the write of one file takes. */
  readonly uploadSeconds: number;
  /** More examples at once do not fit into the GPU. */
  readonly memory: number;
  /** The loss of `epoch` is no number where the learning rate is multiplied with more than `above`. */
  readonly nan: { readonly epoch: number; readonly above: number } | undefined;
}

export interface TrainerContext {
  readonly life: Life;
  readonly physics: Physics;
  readonly toy: Toy;
  readonly assignment: Assignment;
  /** The restored checkpoint. */
  readonly resumed: Manifest | undefined;
  readonly job: TrainingJob;
  readonly uploads: ModelUploads;
  /** Where it saves to. */
  readonly folder: string;
  /** Told of its signs of life. */
  readonly observe: (sign: LifeSign) => void;
  readonly report: (report: EpochReport) => Promise<ReviewReply>;
  readonly measure: (measured: Pick<MeasuredEvent, "epoch" | "step" | "measured">) => Promise<ReviewReply>;
  readonly witness: Witness;
  readonly of: ModelJob;
  readonly chance: Chance;
}

/** So often it tells what was measured, where that is wanted. */
const askedEverySteps = 2;

/** A trainer that steps, with the helper's and the session's part of the agent: what is trained, reported and handed over. */
export class ModelTrainer {
  readonly #context: TrainerContext;
  readonly #measurer = new ModelMeasurer();
  readonly #dice: Dice;
  #saves = 0;
  /** Of the newest whole epoch. */
  #steps = 0;
  /** Of epochs that are whole and not saved yet. */
  #reports: EpochReport[] = [];
  /** When the last save began, and at which step of the epoch. */
  #savedAt: number;
  #savedStep = 0;
  #demanded = false;
  #leaveBy: number | undefined;
  readonly #held = Promise.withResolvers<void>();

  constructor(context: TrainerContext) {
    this.#context = context;
    this.#savedAt = context.life.date().getTime();
    this.#dice = new Dice(context.chance.whole("measured", 0, 1_000_000));
  }

  /** Returns why there is nothing more to train. */
  async run(): Promise<string> {
    const { assignment, uploads, life, resumed } = this.#context;
    let { plan } = assignment;
    let from = resumed?.epoch === plan.epoch && resumed.step !== undefined ? resumed : undefined;
    for (;;) {
      const { reported } = await this.#epoch(plan, from);
      const always = this.#saving.epochEnds === "always";
      if (always) await this.#endOfEpoch(plan, reported);
      const { answer } = await life.of(this.#waitedFor(reported));
      if (answer.action === "leave") throw new AttemptError("left", answer.reason);
      if (answer.action === "fail") throw new AttemptError(answer.class, answer.reason);
      if (answer.action !== "train" && answer.action !== "finish")
        throw new AttemptError("unknown", `Review answered '${answer.action}' to a report`);
      const last = answer.action === "finish";
      if (!always && (last || this.#dueAtEnd())) await this.#endOfEpoch(plan, reported);
      if (last) return answer.reason;
      await life.of(this.#waitedFor(uploads.committed(answer.plan.epoch - 2)));
      plan = answer.plan;
      from = undefined;
    }
  }

  /** The agent knows when it has answered, whatever becomes of the trainer that waits for it. */
  #waitedFor<Value>(promise: Promise<Value>): Promise<Value> {
    const { observe } = this.#context;
    observe("pause");
    return promise.finally(() => observe("resume"));
  }

  /** Nothing is trained that could not be saved any more. */
  async #hold(): Promise<void> {
    this.#held.resolve();
    await new Promise<never>(() => {});
  }

  get #saving() {
    return this.#context.uploads.saving ?? this.#context.assignment.saving;
  }

  async #epoch(begun: EpochPlan, from: Manifest | undefined): Promise<{ reported: Promise<ReviewReply> }> {
    const { life, physics, toy, witness, of, report, observe } = this.#context;
    let plan = begun;
    this.#measurer.begin(from?.measured);
    const sequence = order(plan.seed, plan.epoch, physics.examples);
    const earlier = from?.seconds ?? 0;
    const began = life.date().getTime() / 1000 - earlier;
    const seconds = () => life.date().getTime() / 1000 - began;
    let step = from?.step ?? 0;
    this.#savedStep = step;
    for (let taken = typeof from?.position === "number" ? from.position : 0; taken < sequence.length; ) {
      const micro = plan.microBatchSize ?? plan.batchSize ?? 4;
      const batch = micro * (plan.accumulation ?? 1);
      if (micro > physics.memory)
        throw new AttemptError(
          "gpu-oom",
          "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        );
      await life.sleep(physics.stepSeconds);
      const examples = sequence.subarray(taken, taken + batch);
      toy.step(plan.epoch, taken, examples, { batch, microBatch: micro, rate: plan.learningRateScale });
      taken += examples.length;
      step += 1;
      if (plan.measure !== undefined) this.#measurer.train(plan, 1, this.#dice);
      witness.stepped(of, physics.stepSeconds);
      observe("step");
      if (taken < sequence.length && this.#dueInside(step))
        await this.#handOver(plan, { step, position: taken, seconds: seconds() }, undefined);
      if (this.#leaveBy !== undefined) await this.#hold();
      if (taken < sequence.length && step % askedEverySteps === 0) plan = await this.#resized(plan, step);
    }
    this.#steps = step;
    const { measured } = this.#measurer;
    const { nan } = physics;
    if (nan?.epoch === plan.epoch && plan.learningRateScale > nan.above) toy.poisoned = true;
    const told: EpochReport = {
      epoch: plan.epoch,
      metrics: { loss: toy.poisoned ? "NaN" : toy.loss() },
      examples: physics.examples,
      seconds: seconds(),
      ...(measured === undefined ? {} : { measured }),
    };
    this.#reports.push(told);
    observe("report");
    const reported = this.#isLast(plan) && told.metrics.loss !== "NaN" ? this.#finished(plan) : report(told);
    reported.catch(() => {});
    return { reported };
  }

  /** How the rest of the epoch is to be trained; as before where nobody says. */
  async #resized(plan: EpochPlan, step: number): Promise<EpochPlan> {
    const { life, measure } = this.#context;
    const { measured } = this.#measurer;
    if (plan.measure === undefined || measured === undefined) return plan;
    try {
      const { answer } = await life.of(this.#waitedFor(measure({ epoch: plan.epoch, step, measured })));
      if (answer.action === "leave") throw new AttemptError("left", answer.reason);
      return answer.action === "train" && answer.plan.epoch === plan.epoch ? answer.plan : plan;
    } catch (error) {
      if (error instanceof AttemptError && error.result === "store-failed") return plan;
      throw error;
    }
  }

  /** Whether the commit of this epoch brings its report, since nothing follows it. */
  #isLast({ epoch }: EpochPlan): boolean {
    const { assignment, job } = this.#context;
    const segmentEnd = job.segment === "auto" ? job.epochs : assignment.plan.epoch - 1 + job.segment;
    return epoch >= Math.min(job.epochs, segmentEnd) && job.checkpoint.policy !== "none";
  }

  async #finished({ epoch }: EpochPlan): Promise<ReviewReply> {
    return { answer: { action: "finish", sequence: 0, reason: `the segment ends with epoch ${epoch}` } };
  }

  #dueInside(step: number): boolean {
    const { uploads, job } = this.#context;
    if (job.checkpoint.policy === "none") return false;
    if (this.#leaveBy !== undefined) return this.#lastSaveFits(this.#leaveBy);
    return !uploads.busy && (this.#demanded || this.#isDue(step));
  }

  #lastSaveFits(leaveBy: number): boolean {
    const secondsLeft = leaveBy - this.#context.life.date().getTime() / 1000;
    return saveFits({ secondsLeft, save: this.#saving.cost, underWay: this.#context.uploads.busy });
  }

  /** Saves as soon as it can and goes no further, where a save can be done within so many seconds; settles then. */
  async saveAndHold(seconds: number): Promise<void> {
    this.#leaveBy = this.#context.life.date().getTime() / 1000 + seconds;
    await this.#held.promise;
  }

  /** The machine is likelier than others to be reclaimed: the next step is to be saved. */
  recommendSaving(): void {
    this.#demanded = true;
  }

  #dueAtEnd(): boolean {
    const { job } = this.#context;
    return job.checkpoint.policy === "none" || this.#isDue(this.#steps);
  }

  #isDue(step: number): boolean {
    const { everySeconds, everySteps } = this.#saving;
    const secondsSinceLastSave = (this.#context.life.date().getTime() - this.#savedAt) / 1000;
    return saveIsDue({
      everySeconds,
      everySteps,
      secondsSinceLastSave,
      stepsSinceLastSave: step - this.#savedStep,
    });
  }

  async #endOfEpoch(plan: EpochPlan, reported: Promise<ReviewReply>): Promise<void> {
    const { job, uploads, toy } = this.#context;
    if (job.checkpoint.policy !== "none") return await this.#handOver(plan, undefined, reported);
    uploads.add({
      epoch: plan.epoch,
      partial: undefined,
      folder: null,
      reports: this.#reports.splice(0),
      reported,
      pauseSeconds: 0,
      weights: toy.weights,
    });
  }

  async #handOver(
    plan: EpochPlan,
    partial: { step: number; position: number; seconds: number } | undefined,
    reported: Promise<ReviewReply> | undefined,
  ): Promise<void> {
    const { life, physics, toy, uploads, folder, chance, observe } = this.#context;
    this.#savedAt = life.date().getTime();
    this.#savedStep = partial?.step ?? 0;
    this.#demanded = false;
    this.#saves += 1;
    const into = join(folder, String(this.#saves));
    mkdirSync(into, { recursive: true });
    observe("request");
    const pauseSeconds = physics.pauseSeconds * chance.between("pause", 0.8, 1.2);
    await life.sleep(pauseSeconds);
    toy.save(into);
    const { measured } = this.#measurer;
    const more = measured === undefined ? {} : { plan, measured };
    uploads.add({
      epoch: plan.epoch,
      partial: partial && { ...partial, ...more },
      folder: into,
      reports: this.#reports.splice(0),
      reported,
      pauseSeconds,
      weights: toy.weights,
    });
  }
}
