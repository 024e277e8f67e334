import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
// Only for the gradients, which the core's package for Node leaves out.
import "@tensorflow/tfjs-layers";
import { observe } from "pawl/trainer";
import { classes, gather, pixels } from "./data.mjs";

const hidden = 64;
const momentum = 0.9;
const shapes = [[pixels, hidden], [hidden], [hidden, classes], [classes]];

/** WebAssembly where it works, which is several times faster than plain JavaScript. */
export async function startBackend() {
  try {
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(`${dirname(entry)}/`);
    if (await tf.setBackend("wasm")) return;
  } catch (error) {
    console.error(`No WebAssembly here, so this takes longer: ${error.message}`);
  }
  await import("@tensorflow/tfjs-backend-cpu");
  await tf.setBackend("cpu");
}

/** A perceptron 784-64-10 and the velocities of its weights: together all that training goes on from. */
export class Model {
  /** Adds up the gradients of micro-batches, and measures how noisy they are where Pawl wants to know. */
  #observed = observe(tf, { optimizer: "SGD" });
  #weights;
  #velocities;

  constructor(weights, velocities) {
    this.#weights = weights.map((tensor) => tf.variable(tensor));
    this.#velocities = velocities.map((tensor) => tf.variable(tensor, false));
  }

  static fresh(seed) {
    const weights = shapes.map((shape, i) =>
      shape.length === 1
        ? tf.zeros(shape)
        : tf.randomNormal(shape, 0, Math.sqrt(2 / shape[0]), "float32", seed * shapes.length + i + 1),
    );
    return new Model(
      weights,
      shapes.map((shape) => tf.zeros(shape)),
    );
  }

  static load(folder) {
    const bytes = readFileSync(join(folder, "state.f32"));
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    let start = 0;
    const [weights, velocities] = [0, 1].map(() =>
      shapes.map((shape) => {
        const size = shape.reduce((product, side) => product * side, 1);
        start += size;
        return tf.tensor(values.slice(start - size, start), shape);
      }),
    );
    return new Model(weights, velocities);
  }

  /** Weights, then velocities, as little-endian float32. */
  save(folder) {
    const parts = [...this.#weights, ...this.#velocities].map((tensor) =>
      Buffer.from(tensor.dataSync().slice().buffer),
    );
    writeFileSync(join(folder, "state.f32"), Buffer.concat(parts));
  }

  /** One step of gradient descent with momentum on a batch of `set`; gives the batch's mean loss. */
  step(set, batch, learningRate) {
    let loss = 0;
    for (const indices of batch.micro) {
      const share = batch.share(indices);
      const { value, grads } = this.#gradients(gather(set, indices));
      loss += value.dataSync()[0] * share;
      value.dispose();
      this.#observed.add(grads, share);
    }
    const grads = this.#observed.take();
    tf.tidy(() => {
      this.#weights.forEach((weight, i) => {
        const velocity = this.#velocities[i];
        velocity.assign(tf.add(tf.mul(velocity, momentum), grads[weight.name]));
        weight.assign(tf.sub(weight, tf.mul(velocity, learningRate)));
      });
    });
    tf.dispose(grads);
    return loss;
  }

  /** The mean loss, and its gradients by the weights' names. */
  #gradients({ images, labels }) {
    return tf.tidy(() => {
      const x = tf.tensor2d(images, [images.length / pixels, pixels]);
      const y = tf.tensor2d(labels, [labels.length / classes, classes]);
      return tf.variableGrads(() => tf.losses.softmaxCrossEntropy(y, this.#logits(x)), this.#weights);
    });
  }

  /** The share of `images` that are recognised. */
  accuracy({ images, labels }) {
    return tf.tidy(() => {
      const x = tf.tensor2d(images, [images.length / pixels, pixels]);
      const y = tf.tensor2d(labels, [labels.length / classes, classes]);
      const right = tf.equal(tf.argMax(this.#logits(x), 1), tf.argMax(y, 1));
      return tf.sum(right).dataSync()[0] / right.size;
    });
  }

  #logits(x) {
    const [first, firstBias, second, secondBias] = this.#weights;
    const activity = tf.relu(tf.add(tf.matMul(x, first), firstBias));
    return tf.add(tf.matMul(activity, second), secondBias);
  }
}
