import type { Batch } from "./batches.ts";
import type { Position } from "./position.ts";
import type { Norms } from "./stretch.ts";

/** Writes a checkpoint into a fresh, empty folder. */
export type Save = (folder: string) => void | Promise<void>;

/** How checkpoints are saved; `framework` says in free words what wrote the files. */
export interface Saving {
  readonly save?: Save | undefined;
  readonly framework?: string | undefined;
}

/** What to train now. Valid until the next epoch is asked for. */
export interface Epoch {
  /** Counted from 1. */
  readonly number: number;
  /** The run's seed. */
  readonly seed: number;
  /**
   * Examples in a step of the optimizer; `undefined` where the job leaves it to the trainer. This and the next three can change
   * between two steps where the trainer takes its batches from `batches`.
   */
  readonly batchSize: number | undefined;
  /** Examples that go through the model at once; a step is `accumulation` of these. */
  readonly microBatchSize: number | undefined;
  readonly accumulation: number | undefined;
  /** What to multiply the learning rate with; looked up for each step, since it goes slowly to another where that is due. */
  readonly learningRateScale: number;
  /** Whether a checkpoint is due at the end of this epoch. */
  readonly checkpointDue: boolean;
  /** From where in the data this epoch is to be trained, as it was given to `step`; `undefined` from the beginning. */
  readonly position: Position | undefined;
  /** Steps of this epoch that are trained, those before a restored checkpoint among them. */
  readonly steps: number;

  /** The indices from 0 to `size - 1`, shuffled: a function of seed and epoch, the same in every attempt. */
  order(size: number): Uint32Array;

  /**
   * The rest of the epoch, batch by batch, out of `size` examples in the order of `order(size)`: `for await (const batch of
   * epoch.batches(n))`. Asking for the next one says that a step of the optimizer is done (`step`), and it has the size that holds then, so
   * that a batch size which follows the training changes between two steps. `default` is the size where the job leaves it to the trainer.
   * Raises TrainerError.
   */
  batches(
    size: number,
    more?: { readonly default?: number | undefined },
  ): AsyncGenerator<Batch, void, undefined>;

  /**
   * Tells squared norms of gradients of the step that is being trained at two batch sizes, for trainers that `observe` cannot help:
   * of the mean over `small.examples` and over `large.examples`. Costs nothing where Pawl does not want them. What is not
   * finite is left out, and told where all are so: Pawl then keeps the batch size and says why. Raises TrainerError.
   */
  norms(norms: Norms): void;

  /**
   * Says that a step of the optimizer is done; takes a checkpoint where Pawl wants one now, and says whether it did. To be
   * awaited before the next step.
   *
   * `position` is from where in the data training would go on: any JSON, such as the number of examples taken from
   * `order(n)` so far, and never before an earlier one. A trainer that goes on from here finds it in `epoch.position`.
   * Without it, and without a `save` given to `epochs()`, Pawl only sees that training goes on. Costs next to nothing where
   * Pawl has not asked. An exception of `save` goes through, and nothing is handed over. Raises TrainerError.
   */
  step(position?: Position): Promise<boolean>;

  /**
   * Says how the epoch went, once. `examples` are those of the whole epoch, also where it was begun in an earlier attempt,
   * and so must metrics be. The epoch's seconds are counted from when it was handed out to here, and those before a
   * restored checkpoint are added. Raises TrainerError.
   */
  report(metrics?: Readonly<Record<string, number>>, more?: { readonly examples?: number }): Promise<void>;

  /**
   * Calls `save` with the path of a fresh, empty folder to fill, where a checkpoint is due; says whether it was. Without
   * `save`, that of `epochs({ save })`. Once it is done the folder is Pawl's and must not change. An exception of `save`
   * goes through, and nothing is handed over. Raises TrainerError.
   */
  checkpoint(save?: Save, more?: { readonly framework?: string }): Promise<boolean>;
}
