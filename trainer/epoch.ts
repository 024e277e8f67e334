import type { EpochPlan } from "../core/report.ts";
import type { TrainerRequest } from "../core/trainer-protocol.ts";
import type { Connection } from "./connection.ts";
import { TrainerError } from "./error.ts";
import { wireCount, wireMetrics } from "./metrics.ts";
import { order } from "./order.ts";

/** What to train now. Valid until the next epoch is asked for. */
export interface Epoch {
  /** Counted from 1. */
  readonly number: number;
  /** The run's seed. */
  readonly seed: number;
  /** Examples in a step of the optimizer; `undefined` where the job leaves it to the trainer. */
  readonly batchSize: number | undefined;
  /** Examples that go through the model at once; a step is `accumulation` of these. */
  readonly microBatchSize: number | undefined;
  readonly accumulation: number | undefined;
  /** What to multiply the learning rate with. */
  readonly learningRateScale: number;
  /** Whether `checkpoint` will save at the end of this epoch. */
  readonly checkpointDue: boolean;

  /** The indices from 0 to `size - 1`, shuffled: a function of seed and epoch, the same in every attempt. */
  order(size: number): Uint32Array;

  /**
   * Says how the epoch went, once. `examples` is the number of examples seen; the epoch's seconds are counted from when
   * it was handed out to here. Raises TrainerError.
   */
  report(metrics?: Readonly<Record<string, number>>, more?: { readonly examples?: number }): Promise<void>;

  /**
   * Calls `save` with the path of a fresh, empty folder to fill, where a checkpoint is due; says whether it was. Once
   * `save` is done the folder is Pawl's and must not change. `framework` says in free words what wrote the files. An
   * exception of `save` goes through, and nothing is handed over. Raises TrainerError.
   */
  checkpoint(
    save: (folder: string) => void | Promise<void>,
    more?: { readonly framework?: string },
  ): Promise<boolean>;
}

/** @internal */
export class CurrentEpoch implements Epoch {
  readonly number: number;
  readonly seed: number;
  readonly batchSize: number | undefined;
  readonly microBatchSize: number | undefined;
  readonly accumulation: number | undefined;
  readonly learningRateScale: number;
  readonly checkpointDue: boolean;
  readonly #connection: Connection;
  readonly #began = performance.now();
  #reported: Promise<void> | undefined;
  #checkpointed: Promise<boolean> | undefined;
  #over = false;

  constructor(connection: Connection, plan: EpochPlan) {
    this.#connection = connection;
    this.number = plan.epoch;
    this.seed = plan.seed;
    this.batchSize = plan.batchSize;
    this.microBatchSize = plan.microBatchSize ?? plan.batchSize;
    this.accumulation = plan.accumulation ?? (plan.batchSize === undefined ? undefined : 1);
    this.learningRateScale = plan.learningRateScale;
    this.checkpointDue = plan.checkpoint;
  }

  order(size: number): Uint32Array {
    return order(this.seed, this.number, size);
  }

  async report(
    metrics: Readonly<Record<string, number>> = {},
    { examples }: { readonly examples?: number } = {},
  ): Promise<void> {
    this.#checkCurrent("report");
    if (this.#reported !== undefined) {
      throw new TrainerError("MISUSE", `Epoch ${this.number} has been reported already; report it once.`);
    }
    const request: TrainerRequest = {
      type: "report",
      epoch: this.number,
      metrics: wireMetrics(metrics),
      ...(examples === undefined ? {} : { examples: wireCount(examples) }),
      seconds: (performance.now() - this.#began) / 1000,
    };
    this.#reported = this.#connection.ask(request, "ok").then(() => {});
    await this.#reported;
  }

  async checkpoint(
    save: (folder: string) => void | Promise<void>,
    { framework }: { readonly framework?: string } = {},
  ): Promise<boolean> {
    this.#checkCurrent("checkpoint");
    if (framework !== undefined && framework.length > 100) {
      throw new TrainerError("MISUSE", "framework must be at most 100 characters.");
    }
    if (this.#checkpointed !== undefined) {
      throw new TrainerError(
        "MISUSE",
        `Epoch ${this.number} has its checkpoint already; call checkpoint once.`,
      );
    }
    this.#checkpointed = this.#save(save, framework);
    return this.#checkpointed;
  }

  /** Ends the epoch, when what was begun in it is done. */
  async finish(): Promise<void> {
    if (this.#reported === undefined) await this.report();
    this.#over = true;
    // Who called them has their errors.
    await Promise.allSettled([this.#reported, this.#checkpointed]);
  }

  async #save(
    save: (folder: string) => void | Promise<void>,
    framework: string | undefined,
  ): Promise<boolean> {
    if (!this.checkpointDue) return false;
    const { folder } = await this.#connection.ask({ type: "checkpoint", epoch: this.number }, "folder");
    await save(folder);
    await this.#connection.ask(
      { type: "saved", epoch: this.number, ...(framework === undefined ? {} : { framework }) },
      "ok",
    );
    return true;
  }

  #checkCurrent(what: string): void {
    if (!this.#over) return;
    throw new TrainerError(
      "MISUSE",
      `Epoch ${this.number} is over: ${what} belongs before the next epoch; await it.`,
    );
  }
}
