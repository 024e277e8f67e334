import type { BatchProgress } from "../batch-progress.ts";
import { TrainingJob } from "../job.ts";
import { learn } from "../learn.ts";
import type { Measured, Stretch } from "../measured.ts";
import { type BatchSizePolicy, chooseBatchSize } from "../policies/batch-size/index.ts";
import type { Truth } from "./synthetic-trainer.ts";

/** A job with this policy of the batch size. */
export const jobWith = (batchSize: unknown, more: object = {}): TrainingJob =>
  TrainingJob.parse({ name: "digits", command: ["train"], epochs: 100, batchSize, ...more });

/** The policy that the job says, which is one that follows what is measured. */
export const policyOf = ({ batchSize }: TrainingJob): Extract<BatchSizePolicy, { hold: number }> => {
  if (batchSize === undefined || !("hold" in batchSize)) throw new Error("not adaptive");
  return batchSize;
};

/** A step takes as long as 100 examples do, before the first of them. */
export const gpu: Truth = {
  seconds: (size) => 0.01 + 0.0001 * size,
  noiseScale: (epoch) => 100 * epoch,
  jitter: { time: 0.05, norms: 0.1 },
};

/** 800 steps of this size, on the machine above, with a noise scale of 400. */
export const stretch = (batchSize: number, more: Partial<Stretch> = {}): Stretch => ({
  batchSize,
  microBatchSize: batchSize,
  workers: 1,
  steps: 800,
  examples: 800 * batchSize,
  timed: { stepSeconds: gpu.seconds(batchSize), steps: 20 },
  norms: {
    small: { examples: batchSize / 2, squaredNorm: 1 + 800 / batchSize },
    large: { examples: batchSize, squaredNorm: 1 + 400 / batchSize },
    steps: 400,
  },
  ...more,
});

/** As a trainer tells of them. */
export const told = (...stretches: Stretch[]): Measured => ({ stretches, resizes: true, optimizer: "SGD" });

/** What is learnt of epochs with these stretches, of which nobody reports a metric. */
export const learntAfter = (job: TrainingJob, ...epochs: Stretch[][]) =>
  epochs.reduce<BatchProgress | undefined>(
    (state, stretches, index) => learn(state, { epoch: index + 1, measured: told(...stretches) }, job),
    undefined,
  );

/** Why `epoch` is trained with the size that it is. */
export const reasonAfter = (job: TrainingJob, learnt: BatchProgress | undefined, epoch = 2): string =>
  chooseBatchSize(policyOf(job), { epoch, learnt, microBatchLimit: undefined }).reason;
