import type { TrainingJob } from "../../core/job.ts";
import { chooseBatchSize, isAdaptive } from "../../core/policies/batch-size/index.ts";
import { order } from "../../trainer/order.ts";
import { Toy } from "./toy.ts";

/** How the example at place `at` of an epoch's order is trained. */
export type AtPlace = (epoch: number, at: number) => number;

/** The batch sizes of a job that says them beforehand; those that follow measurements are what they were: `trained`. */
export function sizesOf({ batchSize: policy }: TrainingJob, trained: AtPlace): AtPlace {
  if (policy === undefined) return () => 4;
  if (isAdaptive(policy)) return trained;
  return (epoch) => chooseBatchSize(policy, { epoch, learnt: undefined, microBatchLimit: undefined }).size;
}

/**
 * The toy that a run ends with which trained `epochs` epochs whole, in order, each example once, with the batch sizes and learning
 * rates that are said: computed anew, by no part of a world.
 */
export function calmToy(
  job: TrainingJob,
  examples: number,
  { sizeOf, rateOf }: { readonly sizeOf: AtPlace; readonly rateOf: AtPlace },
): Toy {
  const toy = new Toy();
  for (let epoch = 1; epoch <= job.epochs; epoch += 1) {
    const sequence = order(job.seed, epoch, examples);
    for (let from = 0; from < examples; ) {
      const batch = Math.max(1, sizeOf(epoch, from));
      const taken = sequence.subarray(from, from + batch);
      toy.step(epoch, from, taken, { batch, microBatch: taken.length, rate: rateOf(epoch, from) });
      from += taken.length;
    }
  }
  return toy;
}
