import { TrainerError } from "./error.ts";
import { type ObservedEpoch, observing } from "./observing.ts";

/** What is needed of a tensor of TensorFlow.js. */
export interface ObservedTensor {
  dataSync(): ArrayLike<number>;
  dispose(): void;
}

/** What is needed of TensorFlow.js: `import * as tf from "@tensorflow/tfjs-core"`. */
export interface TensorFunctions<Tensor> {
  add(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: number): Tensor;
  square(x: Tensor): Tensor;
  sum(x: Tensor): Tensor;
  keep(x: Tensor): Tensor;
}

/** Gradients by the names of their variables. */
export type Gradients<Tensor> = Record<string, Tensor>;

/** Adds up the gradients of a step's micro-batches, and measures their norms where Pawl wants them. */
export interface Observed<Tensor> {
  /**
   * Adds the gradients of a micro-batch's mean loss, weighted with its `share` of the batch (`batch.share(indices)`, 1 for a whole
   * batch). They are taken over: they may not be used or disposed afterwards.
   */
  add(gradients: Readonly<Gradients<Tensor>>, share?: number): void;
  /** The gradients of the batch's mean loss, which are the caller's, to be disposed: no `tf.tidy` does it. Raises TrainerError. */
  take(): Gradients<Tensor>;
}

/** A step whose gradients the next one's are compared with. */
interface Before<Tensor> {
  readonly epoch: ObservedEpoch;
  readonly steps: number;
  readonly examples: number;
  readonly squaredNorm: number;
  readonly gradients: Gradients<Tensor>;
}

class TensorFlowObserved<Tensor extends ObservedTensor> implements Observed<Tensor> {
  readonly #tf: TensorFunctions<Tensor>;
  #sums: Gradients<Tensor> | undefined;
  /** Of the micro-batches of this step: the sums of their squared norms and of 1 / examples. */
  #squaredNorms = 0;
  #inverses = 0;
  #parts = 0;
  #before: Before<Tensor> | undefined;

  constructor(tf: TensorFunctions<Tensor>) {
    this.#tf = tf;
  }

  add(gradients: Readonly<Gradients<Tensor>>, share = 1): void {
    const { epoch } = observing;
    const examples = epoch?.stepExamples;
    if (epoch !== undefined && examples !== undefined && share < 1 && epoch.normsDue) {
      epoch.measures();
      this.#squaredNorms += this.#squaredNorm(gradients);
      this.#inverses += 1 / Math.max(1, Math.round(share * examples));
      this.#parts += 1;
    }
    const sums: Gradients<Tensor> = {};
    for (const [name, gradient] of Object.entries(gradients)) {
      const weighted = share === 1 ? gradient : this.#replace(gradient, this.#tf.mul(gradient, share));
      const before = this.#sums?.[name];
      if (before === undefined) sums[name] = this.#tf.keep(weighted);
      else {
        sums[name] = this.#tf.keep(this.#replace(before, this.#tf.add(before, weighted)));
        weighted.dispose();
      }
    }
    this.#sums = sums;
  }

  take(): Gradients<Tensor> {
    const sums = this.#sums;
    if (sums === undefined) {
      throw new TrainerError("MISUSE", "There are no gradients to take: add() comes before.");
    }
    const { epoch } = observing;
    const examples = epoch?.stepExamples;
    if (epoch !== undefined && examples !== undefined) {
      if (this.#parts >= 2) this.#compareParts(epoch, examples, sums);
      else if (!epoch.isBatched && this.#parts === 0) this.#compareSteps(epoch, examples, sums);
    }
    this.#sums = undefined;
    this.#squaredNorms = 0;
    this.#inverses = 0;
    this.#parts = 0;
    return sums;
  }

  /** The micro-batches' gradients are the small ones, and the batch's is the large one. */
  #compareParts(epoch: ObservedEpoch, examples: number, sums: Gradients<Tensor>): void {
    const large = this.#squaredNorm(sums);
    const small = this.#squaredNorms / this.#parts;
    const inverse = this.#inverses / this.#parts;
    const smallExamples = Math.min(examples - 1, Math.max(1, Math.round(1 / inverse)));
    // Where they are not all of one size: the expectation of a squared norm is linear in 1 / examples.
    const scale = (1 / smallExamples - 1 / examples) / (inverse - 1 / examples);
    epoch.observed({
      small: { examples: smallExamples, squaredNorm: large + (small - large) * scale },
      large: { examples, squaredNorm: large },
    });
  }

  /** Two steps' gradients are the small ones, and their mean is the large one, as if the first had changed little. */
  #compareSteps(epoch: ObservedEpoch, examples: number, gradients: Gradients<Tensor>): void {
    const before = this.#before;
    this.#before = undefined;
    const follows =
      before?.epoch === epoch && before.steps + 1 === epoch.steps && before.examples === examples;
    if (before !== undefined && follows) {
      epoch.measures();
      const both = Object.entries(gradients).map(([name, gradient]) => {
        const other = before.gradients[name];
        return other === undefined ? gradient : this.#tf.add(gradient, other);
      });
      const large = this.#squaredNorm(both) / 4;
      for (const sum of both) if (!Object.values(gradients).includes(sum)) sum.dispose();
      epoch.observed({
        small: { examples, squaredNorm: (before.squaredNorm + this.#squaredNorm(gradients)) / 2 },
        large: { examples: 2 * examples, squaredNorm: large },
      });
    } else if (epoch.normsDue) {
      epoch.measures();
      const copies = Object.entries(gradients).map(([name, gradient]): [string, Tensor] => [
        name,
        this.#tf.keep(this.#tf.mul(gradient, 1)),
      ]);
      const { steps } = epoch;
      const squaredNorm = this.#squaredNorm(gradients);
      this.#before = { epoch, steps, examples, squaredNorm, gradients: Object.fromEntries(copies) };
    }
    for (const gradient of Object.values(before?.gradients ?? {})) gradient.dispose();
  }

  /** One number is read back from the device, whatever the number of tensors. */
  #squaredNorm(gradients: Readonly<Gradients<Tensor>> | readonly Tensor[]): number {
    let total: Tensor | undefined;
    for (const gradient of Object.values(gradients)) {
      const squares = this.#tf.square(gradient);
      const sum = this.#replace(squares, this.#tf.sum(squares));
      if (total === undefined) total = sum;
      else {
        total = this.#replace(total, this.#tf.add(total, sum));
        sum.dispose();
      }
    }
    const squaredNorm = total?.dataSync()[0] ?? 0;
    total?.dispose();
    return squaredNorm;
  }

  #replace(old: Tensor, by: Tensor): Tensor {
    old.dispose();
    return by;
  }
}

/**
 * Observes the gradients of this trainer, so that Pawl learns how noisy they are and which batch size trains fastest:
 * `observed.add(gradients, share)` after each micro-batch, `const gradients = observed.take()` before the optimizer's step.
 * `optimizer` is its name (`SGD`, `Adam`): the rule for the learning rate follows from it. In TypeScript, `observe<tf.Tensor>(tf)`. Raises
 * TrainerError.
 */
export function observe<Tensor extends ObservedTensor>(
  tf: TensorFunctions<Tensor>,
  { optimizer }: { readonly optimizer?: string | undefined } = {},
): Observed<Tensor> {
  if (optimizer !== undefined && (typeof optimizer !== "string" || !/^.{1,100}$/s.test(optimizer))) {
    throw new TrainerError("MISUSE", "optimizer must be a name of 1 to 100 characters.", {
      next: 'Give it as the framework has it: observe(tf, { optimizer: "SGD" }).',
    });
  }
  observing.isOn = true;
  observing.optimizer = optimizer;
  return new TensorFlowObserved(tf);
}
