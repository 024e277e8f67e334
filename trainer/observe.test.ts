import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { observe } from "./observe.ts";
import { type ObservedEpoch, observing } from "./observing.ts";
import type { Norms } from "./stretch.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});
afterEach(() => {
  observing.epoch = undefined;
  observing.isOn = false;
  observing.optimizer = undefined;
});

/** An epoch whose steps have so many examples. */
function watched(stepExamples: number, { isBatched = true, normsDue = true } = {}) {
  const told: Norms[] = [];
  let measured = 0;
  const epoch = {
    steps: 0,
    stepExamples,
    isBatched,
    normsDue,
    measures: () => {
      measured += 1;
    },
    observed: (norms: Norms) => told.push(norms),
  } satisfies ObservedEpoch;
  observing.epoch = epoch;
  return { epoch, told, measured: () => measured };
}

/** Gradients of two variables. */
const gradients = (w: readonly number[], b: number) => ({ w: tf.tensor1d([...w]), b: tf.scalar(b) });

/** What was taken, which is disposed. */
function values(taken: Record<string, tf.Tensor>): Record<string, number[]> {
  const read = Object.entries(taken).map(([name, tensor]): [string, number[]] => {
    const all = [...tensor.dataSync()];
    tensor.dispose();
    return [name, all];
  });
  return Object.fromEntries(read);
}

describe("observe", () => {
  it("adds up micro-batches to the gradients of the batch's mean, and tells the norms of both", () => {
    const { told, measured } = watched(8);
    const before = tf.memory().numTensors;
    const observed = observe<tf.Tensor>(tf, { optimizer: "SGD" });
    observed.add(gradients([1, 2], 2), 0.5);
    observed.add(gradients([3, 0], 0), 0.5);
    expect(values(observed.take())).toEqual({ w: [2, 1], b: [1] });
    expect(told).toEqual([
      { small: { examples: 4, squaredNorm: (9 + 9) / 2 }, large: { examples: 8, squaredNorm: 6 } },
    ]);
    expect(measured()).toBe(2);
    expect(tf.memory().numTensors).toBe(before);
    expect(observing).toMatchObject({ isOn: true, optimizer: "SGD" });
  });

  it("brings micro-batches that are not alike to one size, without bias", () => {
    const { told } = watched(3);
    const observed = observe<tf.Tensor>(tf);
    // |g|² = truth + trace / examples, with truth 2 and trace 12, for 1 and 2 examples and for all 3.
    observed.add({ w: tf.tensor1d([Math.sqrt(14)]), b: tf.scalar(0) }, 1 / 3);
    observed.add({ w: tf.tensor1d([Math.sqrt(8)]), b: tf.scalar(0) }, 2 / 3);
    const [large] = values(observed.take()).w ?? [];
    const [{ small } = { small: { examples: 0, squaredNorm: 0 } }] = told;
    const mean = (14 + 8) / 2;
    const trace = (mean - (large ?? 0) ** 2) / (3 / 4 - 1 / 3);
    expect(small.examples).toBe(1);
    expect(small.squaredNorm).toBeCloseTo((large ?? 0) ** 2 + trace * (1 - 1 / 3), 3);
  });

  it("gives a batch that is not to be measured as it is, in a tidy scope too", () => {
    const { told, measured } = watched(8, { normsDue: false });
    const before = tf.memory().numTensors;
    const observed = observe<tf.Tensor>(tf);
    const whole = gradients([1, 2], 3);
    tf.tidy(() => observed.add(whole));
    const taken = observed.take();
    expect(taken.w).toBe(whole.w);
    expect(values(taken)).toEqual({ w: [1, 2], b: [3] });
    tf.tidy(() => {
      observed.add(gradients([1, 2], 3), 0.5);
      observed.add(gradients([1, 2], 3), 0.5);
    });
    expect(values(observed.take())).toEqual({ w: [1, 2], b: [3] });
    expect({ told, measured: measured() }).toEqual({ told: [], measured: 0 });
    expect(tf.memory().numTensors).toBe(before);
  });

  it("compares the gradients of two steps where the trainer takes whole batches of its own", () => {
    const { epoch, told, measured } = watched(4, { isBatched: false });
    const before = tf.memory().numTensors;
    const observed = observe<tf.Tensor>(tf);
    for (const w of [
      [1, 2],
      [3, 0],
    ]) {
      observed.add(gradients(w, 0));
      expect(values(observed.take()).w).toEqual(w);
      epoch.steps += 1;
    }
    expect(told).toEqual([
      { small: { examples: 4, squaredNorm: (5 + 9) / 2 }, large: { examples: 8, squaredNorm: 5 } },
    ]);
    expect(measured()).toBe(2);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("compares no steps that do not follow each other, or are of different sizes", () => {
    const { epoch, told } = watched(4, { isBatched: false });
    const observed = observe<tf.Tensor>(tf);
    const step = (more: number) => {
      observed.add(gradients([1, 2], 0));
      values(observed.take());
      epoch.steps += more;
    };
    step(2);
    step(1);
    epoch.stepExamples = 8;
    step(1);
    expect(told).toEqual([]);
    step(1);
    expect(told).toHaveLength(1);
  });

  it("does the same outside of an epoch, and where nothing is measured", () => {
    const observed = observe<tf.Tensor>(tf);
    observed.add(gradients([1, 2], 3), 0.25);
    observed.add(gradients([1, 2], 3), 0.75);
    expect(values(observed.take())).toEqual({ w: [1, 2], b: [3] });
  });

  it("tells infinite norms as they are, and refuses what comes out of order", () => {
    const { told } = watched(2);
    const observed = observe<tf.Tensor>(tf);
    expect(() => observed.take()).toThrow("[MISUSE] There are no gradients to take");
    observed.add(gradients([Number.NaN, 0], 0), 0.5);
    observed.add(gradients([Number.POSITIVE_INFINITY, 0], 0), 0.5);
    values(observed.take());
    expect(told[0]?.large.squaredNorm).toBeNaN();
    expect(() => observe<tf.Tensor>(tf, { optimizer: "" })).toThrow("[MISUSE] optimizer must be a name");
  });
});
