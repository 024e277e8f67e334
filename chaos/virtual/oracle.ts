import type { TrainingJob } from "../../core/job.ts";
import { batchSizeFor } from "../../core/policies/batch-size.ts";
import { order } from "../../trainer/order.ts";
import { Toy } from "./toy.ts";

/** With what learning rate the example at place `at` of an epoch's order is trained. */
export type RateOf = (epoch: number, at: number) => number;

/**
 * The toy that a run ends with which trained `epochs` epochs whole, in order, each example once, with the learning rates that
 * `rateOf` says: computed anew, by no part of a world.
 */
export function calmToy(job: TrainingJob, examples: number, epochs: number, rateOf: RateOf): Toy {
  const toy = new Toy();
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const sequence = order(job.seed, epoch, examples);
    const batch = job.batchSize === undefined ? 4 : batchSizeFor(job.batchSize, epoch).size;
    for (let from = 0; from < examples; from += batch) {
      const taken = sequence.subarray(from, from + batch);
      toy.step(epoch, from, taken, taken.length, rateOf(epoch, from));
    }
  }
  return toy;
}
