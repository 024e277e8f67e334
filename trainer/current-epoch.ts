import type { Measured } from "../core/measured.ts";
import type { EpochPlan } from "../core/report.ts";
import type { TrainerAnswer, TrainerRequest } from "../core/trainer-protocol.ts";
import { type Batch, batchesOf } from "./batches.ts";
import { checkSaving } from "./check-saving.ts";
import type { Connection } from "./connection.ts";
import type { Epoch, Save, Saving } from "./epoch.ts";
import { TrainerError } from "./error.ts";
import { Measuring } from "./measuring.ts";
import { checkNorms, wireCount, wireMetrics } from "./metrics.ts";
import { observing } from "./observing.ts";
import { order } from "./order.ts";
import { goesBack, type Position, wirePosition } from "./position.ts";
import type { Norms } from "./stretch.ts";
import { scaleAfter } from "./warm-up.ts";

const goOn = Promise.resolve(false);

/** The epoch that is being trained. */
export class CurrentEpoch implements Epoch {
  readonly number: number;
  readonly seed: number;
  readonly checkpointDue: boolean;
  /** How its steps are trained from `#planFrom` on. */
  #plan: EpochPlan;
  #planFrom: number;
  /** Only where the plan asks for it. */
  #measuring: Measuring | undefined;
  readonly #position: Position | undefined;
  // An epoch that goes on in the middle, in a trainer that does not look, would be trained twice up to there.
  #isPlaced: boolean;
  readonly #connection: Connection;
  readonly #saving: Saving;
  /** In milliseconds; before this attempt, where the epoch was begun in an earlier one. */
  readonly #began: number;
  #steps: number;
  #latest: Position | undefined;
  // The agent says when it is asked again; an epoch's first step asks, since steps are counted in each anew.
  #askStep = 0;
  #askMoment = 0;
  #stepping = false;
  #reported: Promise<void> | undefined;
  #checkpointed: Promise<boolean> | undefined;
  #over = false;

  constructor(
    connection: Connection,
    { plan, resume }: Extract<TrainerAnswer, { type: "epoch" }>,
    saving: Saving = {},
  ) {
    this.#connection = connection;
    this.#saving = saving;
    this.#began = performance.now() - (resume?.seconds ?? 0) * 1000;
    this.#steps = resume?.step ?? 0;
    this.#position = resume?.position;
    this.#isPlaced = resume === undefined;
    this.#latest = resume?.position;
    this.number = plan.epoch;
    this.seed = plan.seed;
    this.checkpointDue = plan.checkpoint;
    this.#plan = plan;
    this.#planFrom = this.#steps;
    this.#goOnBy(plan);
  }

  get batchSize(): number | undefined {
    return this.#plan.batchSize;
  }

  get microBatchSize(): number | undefined {
    return this.#plan.microBatchSize ?? this.#plan.batchSize;
  }

  get accumulation(): number | undefined {
    return this.#plan.accumulation ?? (this.#plan.batchSize === undefined ? undefined : 1);
  }

  get learningRateScale(): number {
    return scaleAfter(this.#plan, this.#steps - this.#planFrom);
  }

  get position(): Position | undefined {
    this.#isPlaced = true;
    return this.#position;
  }

  get steps(): number {
    return this.#steps;
  }

  order(size: number): Uint32Array {
    return order(this.seed, this.number, size);
  }

  batches(
    size: number,
    { default: fallback }: { readonly default?: number | undefined } = {},
  ): AsyncGenerator<Batch, void, undefined> {
    return batchesOf(this, size, fallback, (batchSize, microBatchSize, examples) => {
      const measuring = this.#measuring;
      if (measuring === undefined) return false;
      measuring.isBatched = true;
      measuring.layout(batchSize, microBatchSize);
      measuring.expect(examples);
      return observing.isOn && measuring.normsDue;
    });
  }

  norms(norms: Norms): void {
    this.#checkCurrent("norms");
    const checked = checkNorms(norms);
    this.#measuring?.observed(checked);
  }

  step(position?: Position): Promise<boolean> {
    const now = performance.now();
    if (this.#steps + 1 < this.#askStep && now < this.#askMoment) {
      this.#steps += 1;
      this.#measuring?.passed(now, position);
      return goOn;
    }
    return this.#askAtStep(position, now);
  }

  async report(
    metrics: Readonly<Record<string, number>> = {},
    { examples }: { readonly examples?: number } = {},
  ): Promise<void> {
    this.#checkCurrent("report");
    if (this.#reported !== undefined) {
      throw new TrainerError("MISUSE", `Epoch ${this.number} has been reported already; report it once.`);
    }
    this.#checkPlaced();
    const request: TrainerRequest = {
      type: "report",
      epoch: this.number,
      metrics: wireMetrics(metrics),
      ...(examples === undefined ? {} : { examples: wireCount(examples) }),
      seconds: (performance.now() - this.#began) / 1000,
      ...this.#measured(),
    };
    this.#askStep = 0;
    this.#reported = this.#connection.ask(request, "ok").then(() => {});
    await this.#reported;
  }

  async checkpoint(
    save: Save | undefined = this.#saving.save,
    { framework = this.#saving.framework }: { readonly framework?: string | undefined } = {},
  ): Promise<boolean> {
    this.#checkCurrent("checkpoint");
    this.#checkPlaced();
    checkSaving({ save, framework });
    if (save === undefined) {
      throw new TrainerError("MISUSE", "checkpoint() was not told how to save.", {
        next: "Write checkpoint(save), or epochs({ save }).",
      });
    }
    if (this.#checkpointed !== undefined) {
      throw new TrainerError(
        "MISUSE",
        `Epoch ${this.number} has its checkpoint already; call checkpoint once.`,
      );
    }
    this.#askStep = 0;
    this.#checkpointed = this.#save(save, framework);
    return this.#checkpointed;
  }

  /** Ends the epoch, when what was begun in it is done. */
  async finish(): Promise<void> {
    if (this.#reported === undefined) await this.report();
    this.#over = true;
    this.#askStep = 0;
    // Who called them has their errors.
    await Promise.allSettled([this.#reported, this.#checkpointed]);
  }

  async #askAtStep(position: Position | undefined, now: number): Promise<boolean> {
    this.#checkCurrent("step");
    if (this.#reported !== undefined || this.#checkpointed !== undefined) {
      const done = this.#reported === undefined ? "has its checkpoint" : "has been reported";
      throw new TrainerError("MISUSE", `Epoch ${this.number} ${done} already; its steps belong before that.`);
    }
    this.#checkPlaced();
    const { save, framework } = this.#saving;
    const canSave = save !== undefined;
    if (canSave && (position === undefined || position === null)) {
      throw new TrainerError("MISUSE", "step() was not told from where in the data training would go on.", {
        next: "Give it, such as the number of examples taken so far: epoch.step(taken).",
      });
    }
    const wire = wirePosition(position ?? null);
    if (goesBack(this.#latest, wire)) {
      const [before, here] = [JSON.stringify(this.#latest), JSON.stringify(wire)];
      throw new TrainerError(
        "MISUSE",
        `Epoch ${this.number} goes back in the data: it was at ${before} and is now at ${here}.`,
        { next: "Count from the beginning of the epoch, also after a restart: begin with epoch.position." },
      );
    }
    this.#latest = wire;
    this.#steps += 1;
    this.#measuring?.passed(now, position);
    const at = { epoch: this.number, step: this.#steps };
    // Until there is an answer that says otherwise, the next step asks.
    this.#askStep = 0;
    this.#stepping = true;
    let saved = false;
    try {
      const request: TrainerRequest = { type: "step", ...at, position: wire, canSave, ...this.#measured() };
      const answer = await this.#connection.ask(request, "go-on", ...(canSave ? ["folder" as const] : []));
      if (answer.type === "folder") {
        await save?.(answer.folder);
        await this.#handOver(framework, at.step);
        saved = true;
        return true;
      }
      if (answer.plan !== undefined) this.#goOnBy(answer.plan);
      this.#askStep = answer.ask.step ?? Number.POSITIVE_INFINITY;
      this.#askMoment = performance.now() + answer.ask.seconds * 1000;
      return false;
    } finally {
      this.#stepping = false;
      this.#measuring?.wentOn(performance.now(), saved);
    }
  }

  /** From the next step on it is trained by `plan`. */
  #goOnBy(plan: EpochPlan): void {
    this.#plan = plan;
    this.#planFrom = this.#steps;
    if (plan.measure !== undefined) this.#measuring ??= new Measuring(this.#latest);
    const measuring = this.#measuring;
    observing.epoch = measuring;
    if (measuring === undefined) return;
    measuring.wantsNorms = plan.measure === "norms";
    const { batchSize, microBatchSize } = this;
    if (batchSize !== undefined && !measuring.isBatched)
      measuring.layout(batchSize, microBatchSize ?? batchSize);
  }

  /** What was measured, where that is asked for; where the trainer has its own batch size, only if it tells norms. */
  #measured(): { readonly measured?: Measured } {
    const { measure, batchSize } = this.#plan;
    const isOfUse = batchSize !== undefined || observing.isOn || this.#measuring?.hasNorms === true;
    const measured = measure === undefined || !isOfUse ? undefined : this.#measuring?.toMeasured();
    return measured === undefined ? {} : { measured };
  }

  async #save(save: Save, framework: string | undefined): Promise<boolean> {
    if (!this.checkpointDue) return false;
    const request: TrainerRequest = { type: "checkpoint", epoch: this.number };
    const answer = await this.#connection.ask(request, "folder", "skip");
    if (answer.type === "skip") return false;
    await save(answer.folder);
    await this.#handOver(framework);
    return true;
  }

  async #handOver(framework: string | undefined, step?: number): Promise<void> {
    const request: TrainerRequest = {
      type: "saved",
      epoch: this.number,
      ...(step === undefined ? {} : { step }),
      ...(framework === undefined ? {} : { framework }),
    };
    await this.#connection.ask(request, "ok");
  }

  #checkPlaced(): void {
    if (this.#isPlaced) return;
    const position = JSON.stringify(this.#position);
    throw new TrainerError(
      "MISUSE",
      `Epoch ${this.number} goes on from position ${position}, and the trainer has not asked where.`,
      { next: "Begin its data at epoch.position, which is undefined at an epoch's beginning." },
    );
  }

  #checkCurrent(what: string): void {
    if (this.#stepping) {
      throw new TrainerError(
        "MISUSE",
        `A step of epoch ${this.number} is not over: ${what} comes after it.`,
        {
          next: "Await it, since the model must not change while it is saved: await epoch.step(…).",
        },
      );
    }
    if (!this.#over) return;
    throw new TrainerError(
      "MISUSE",
      `Epoch ${this.number} is over: ${what} belongs before the next epoch; await it.`,
    );
  }
}
