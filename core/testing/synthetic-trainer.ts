import type { BatchProgress } from "../batch-progress.ts";
import type { TrainingJob } from "../job.ts";
import { learn } from "../learn.ts";
import { type Measured, maxStretches, type Stretch } from "../measured.ts";
import { chooseBatchSize, policyInForce } from "../policies/batch-size/index.ts";
import type { Choice } from "../policies/batch-size/policy.ts";
import type { Metrics } from "../report.ts";
import { Dice } from "./dice.ts";

/** What training is truly like. */
export interface Truth {
  seconds(batchSize: number): number;
  noiseScale(epoch: number): number;
  /** What is measured is so much more or less, as a share, evenly spread. */
  readonly jitter: { readonly time: number; readonly norms: number };
  metrics?(epoch: number, batchSize: number): Metrics;
  machine?(epoch: number): string;
}

/** One look at what there is so far, or the choice for a whole epoch. */
interface Look {
  readonly epoch: number;
  readonly examples: number;
  readonly choice: Choice;
}

export interface Trained {
  readonly looks: readonly Look[];
  readonly learnt: BatchProgress | undefined;
  readonly epochs: readonly { readonly measured: Measured; readonly metrics: Metrics }[];
  /** Seconds by the truth, of all steps. */
  readonly seconds: number;
}

const looksAfter = [8, 16, 32, 64, 128, 256, 512, 1024];

/** Trains as an agent and a trainer do together: measures, looks after 8, 16, 32 … steps of a stretch, and goes on as it is told. */
export function trainSynthetic(
  job: TrainingJob,
  truth: Truth,
  given: { readonly epochs: number; readonly examples: number; readonly seed: number },
): Trained {
  const dice = new Dice(given.seed);
  const around = (share: number) => 1 + share * (dice.pick(2_000_001) / 1_000_000 - 1);
  const looks: Look[] = [];
  const epochs: { measured: Measured; metrics: Metrics }[] = [];
  let learnt: BatchProgress | undefined;
  let seconds = 0;
  const choose = (epoch: number, examples: number, now: BatchProgress | undefined): number => {
    const policy = policyInForce(job.batchSize, now);
    if (policy === undefined) return 32;
    const choice = chooseBatchSize(policy, { epoch, learnt: now, microBatchLimit: undefined });
    looks.push({ epoch, examples, choice });
    return choice.size;
  };
  for (let epoch = 1; epoch <= given.epochs; epoch += 1) {
    const machine = truth.machine?.(epoch);
    const whole: Stretch[] = [];
    const measured = (open: Stretch | undefined): Measured => ({
      stretches: [...whole, ...(open === undefined ? [] : [open])],
      resizes: true,
      optimizer: "SGD",
      ...(machine === undefined ? {} : { machine }),
    });
    let size = choose(epoch, 0, learnt);
    for (let examples = 0; examples < given.examples; ) {
      const left = Math.ceil((given.examples - examples) / size);
      const timing = truth.seconds(size) * around(truth.jitter.time);
      const noise = truth.noiseScale(epoch) * around(truth.jitter.norms);
      const stretch = (steps: number): Stretch => ({
        batchSize: size,
        microBatchSize: size,
        workers: 1,
        steps,
        examples: steps * size,
        ...(steps < 3
          ? {}
          : { timed: { stepSeconds: timing, steps: Math.min(256, Math.ceil(steps / 2) - 1) } }),
        norms: {
          small: { examples: Math.max(1, size / 2), squaredNorm: 1 + noise / Math.max(1, size / 2) },
          large: { examples: Math.max(2, size), squaredNorm: 1 + noise / Math.max(2, size) },
          steps: Math.ceil(steps / 2),
        },
      });
      let next = size;
      let steps = left;
      for (const after of looksAfter.filter((look) => look < left && whole.length < maxStretches - 1)) {
        const soFar = learn(learnt, { epoch, measured: measured(stretch(after)) }, job);
        next = choose(epoch, examples + after * size, soFar);
        steps = after;
        if (next !== size) break;
        steps = left;
      }
      whole.push(stretch(steps));
      seconds += steps * truth.seconds(size);
      examples += steps * size;
      size = next;
    }
    const all = measured(undefined);
    const metrics = truth.metrics?.(epoch, size) ?? { loss: 1 / epoch };
    const report = { epoch, metrics, seconds: 1, measured: all };
    learnt = learn(learnt, { epoch, measured: all, report }, job);
    epochs.push({ measured: all, metrics });
  }
  return { looks, learnt, epochs, seconds };
}
