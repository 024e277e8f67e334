import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
// Only for the gradients, which the core's package for Node leaves out.
import "@tensorflow/tfjs-layers";
import { classes, type Digits, gather, loadDigits, pixels } from "./digits.ts";
import type { Trainer } from "./race.ts";
import { type Learner, train } from "./train.ts";

const hidden = 64;
const momentum = 0.9;
/** Tuned for batches of 32. */
const learningRate = 0.03;
const shapes: [number, number][] = [
  [pixels, hidden],
  [hidden, classes],
];

/** Starts TensorFlow.js on WebAssembly; throws where that does not work. */
export async function startBackend(): Promise<string> {
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(`${dirname(entry)}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js does not start on WebAssembly here");
  return `TensorFlow.js ${tf.version_core}, WebAssembly`;
}

/** Trains digits in this process. */
export async function tfjsTrainer(): Promise<Trainer> {
  const name = await startBackend();
  const digits = await loadDigits();
  return {
    name,
    async train(decider, course) {
      const learner = new TfjsDigits(digits, course.seed);
      try {
        return await train(learner, decider, course);
      } finally {
        learner.close();
      }
    },
    async close() {},
  };
}

/**
 * x × w + b. With its own gradient: the one of `matMul` asks for a product with a transposed matrix, which the WebAssembly
 * kernel computes three times slower than a transposition and a product.
 */
function dense(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, wantsInput: boolean): tf.Tensor {
  const value = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) => tf.add(tf.matMul(x, w), b);
  const weights = (x: tf.Tensor, dy: tf.Tensor) => [tf.matMul(tf.transpose(x), dy), tf.sum(dy, 0)];
  if (!wantsInput)
    return tf.customGrad((w, b) => ({
      value: value(x, tensor(w), tensor(b)),
      gradFunc: (dy: tf.Tensor) => weights(x, dy),
    }))(w, b);
  return tf.customGrad((x, w, b, save) => {
    const [input, matrix, bias] = [tensor(x), tensor(w), tensor(b)];
    if (typeof save === "function") save([input, matrix]);
    return {
      value: value(input, matrix, bias),
      gradFunc: (dy: tf.Tensor, [input, matrix]: tf.Tensor[]) => [
        tf.matMul(dy, tf.transpose(tensor(matrix))),
        ...weights(tensor(input), dy),
      ],
    };
  })(x, w, b);
}

function tensor(given: unknown): tf.Tensor {
  if (given instanceof tf.Tensor) return given;
  throw new TypeError("not a tensor");
}

const squaredNorm = (gradients: tf.NamedTensorMap): number =>
  Object.values(gradients).reduce((sum, gradient) => sum + scalar(tf.sum(tf.square(gradient))), 0);

/** A perceptron 784-64-10 on MNIST digits, trained by gradient descent with momentum. */
export class TfjsDigits implements Learner {
  readonly examples: number;
  readonly #train: Digits;
  readonly #test: { images: tf.Tensor2D; labels: tf.Tensor1D };
  readonly #weights: tf.Variable[];
  readonly #velocities: tf.Variable[];

  constructor({ train, test }: { train: Digits; test: Digits }, seed: number) {
    this.examples = train.labels.length;
    this.#train = train;
    this.#test = {
      images: tf.tensor2d(test.images, [test.labels.length, pixels]),
      labels: tf.tensor1d(test.labels, "int32"),
    };
    this.#weights = shapes.flatMap(([from, to], layer) =>
      tf.tidy(() => [
        tf.variable(tf.randomNormal([from, to], 0, Math.sqrt(2 / from), "float32", seed * 10 + layer + 1)),
        tf.variable(tf.zeros([to])),
      ]),
    );
    this.#velocities = tf.tidy(() => this.#weights.map((weight) => tf.variable(tf.zerosLike(weight), false)));
  }

  step(
    batch: Uint32Array,
    { micro, learningRateScale, norms }: { micro: number; learningRateScale: number; norms: boolean },
  ): ReturnType<Learner["step"]> {
    return tf.tidy(() => {
      const parts = [];
      for (let from = 0; from < batch.length; from += micro) {
        const indices = batch.subarray(from, from + micro);
        parts.push({ share: indices.length / batch.length, ...this.gradients(indices) });
      }
      const whole: tf.NamedTensorMap = {};
      for (const { share, gradients } of parts)
        for (const [name, gradient] of Object.entries(gradients)) {
          const weighted = share === 1 ? gradient : tf.mul(gradient, share);
          const before = whole[name];
          whole[name] = before === undefined ? weighted : tf.add(before, weighted);
        }
      this.apply(whole, learningRateScale);
      const loss = parts.reduce((sum, part) => sum + part.loss * part.share, 0);
      if (!norms || parts.length === 1) return { loss };
      const small = parts.reduce((sum, { gradients }) => sum + squaredNorm(gradients), 0) / parts.length;
      return {
        loss,
        norms: {
          small: { examples: micro, squaredNorm: small },
          large: { examples: batch.length, squaredNorm: squaredNorm(whole) },
        },
      };
    });
  }

  /** The gradients of these examples' mean loss, to be disposed by the caller. */
  gradients(indices: Uint32Array): { readonly loss: number; readonly gradients: tf.NamedTensorMap } {
    return tf.tidy(() => {
      const { images, labels } = gather(this.#train, indices);
      const x = tf.tensor2d(images, [indices.length, pixels]);
      const y = tf.tensor2d(labels, [indices.length, classes]);
      const { value, grads } = tf.variableGrads(
        () => tf.losses.softmaxCrossEntropy<tf.Tensor, tf.Scalar>(y, this.#logits(x)),
        this.#weights,
      );
      return { loss: scalar(value), gradients: grads };
    });
  }

  /** One step of the optimizer with these gradients. */
  apply(gradients: tf.NamedTensorMap, learningRateScale: number): void {
    tf.tidy(() => {
      this.#weights.forEach((weight, i) => {
        const [velocity, gradient] = [this.#velocities[i], gradients[weight.name]];
        if (velocity === undefined || gradient === undefined)
          throw new Error(`no gradient of ${weight.name}`);
        velocity.assign(tf.add(tf.mul(velocity, momentum), gradient));
        weight.assign(tf.sub(weight, tf.mul(velocity, learningRate * learningRateScale)));
      });
    });
  }

  accuracy(): number {
    return tf.tidy(() => {
      const { images, labels } = this.#test;
      const right = tf.equal(tf.argMax(this.#logits(images), 1), labels);
      return scalar(tf.sum(right)) / labels.size;
    });
  }

  close(): void {
    tf.dispose([...this.#weights, ...this.#velocities, this.#test.images, this.#test.labels]);
  }

  #logits(x: tf.Tensor): tf.Tensor {
    const [first, firstBias, second, secondBias] = this.#weights;
    if (first === undefined || firstBias === undefined || second === undefined || secondBias === undefined)
      throw new Error("a weight is missing");
    return dense(tf.relu(dense(x, first, firstBias, false)), second, secondBias, true);
  }
}

const scalar = (value: tf.Tensor): number => value.dataSync()[0] ?? Number.NaN;
