import type { GradientNorms, Measured, Stretch } from "../measured.ts";
import type { EpochPlan } from "../report.ts";
import type { Dice } from "./dice.ts";

/** How noisy the gradients of these trainers are, in examples. */
const noiseScale = 200;

/** What a trainer's helper measures of one epoch, and its agent tells: invented, and now and then of no use. */
export class ModelMeasurer {
  #stretches: Stretch[] = [];

  /** Of an epoch that goes on from a checkpoint, or of a new one. */
  begin(measured: Measured | undefined): void {
    this.#stretches = [...(measured?.stretches ?? [])];
  }

  /** So many more steps as `plan` says. */
  train({ batchSize, microBatchSize, measure }: EpochPlan, steps: number, dice: Dice): void {
    if (batchSize === undefined || microBatchSize === undefined || measure === undefined) return;
    const last = this.#stretches.at(-1);
    const same = last?.batchSize === batchSize && last.microBatchSize === microBatchSize ? last : undefined;
    if (same !== undefined) this.#stretches.pop();
    const all = steps + (same?.steps ?? 0);
    const stretch: Stretch = {
      batchSize,
      microBatchSize,
      workers: 1,
      steps: all,
      examples: all * batchSize,
      timed: { stepSeconds: dice.once(9) ? 0 : this.#seconds(batchSize, dice), steps: all },
      ...(measure === "norms" && batchSize > 1 ? { norms: this.#norms(batchSize, all, dice) } : {}),
      memory: { peakBytes: 1_000_000 * (100 + 10 * microBatchSize), totalBytes: 1_000_000_000 },
    };
    // No more than may be told.
    this.#stretches = [...this.#stretches, stretch].slice(-30);
  }

  /** `undefined` where nothing was to be measured. */
  get measured(): Measured | undefined {
    const stretches = [...this.#stretches];
    return stretches.length === 0 ? undefined : { stretches, optimizer: "SGD", resizes: true };
  }

  #seconds(batchSize: number, dice: Dice): number {
    return ((10 + batchSize) * (95 + dice.pick(10))) / 100_000;
  }

  #norms(batchSize: number, steps: number, dice: Dice): GradientNorms {
    const half = Math.floor(batchSize / 2);
    const of = (examples: number) => 1 + noiseScale / examples;
    return {
      small: { examples: half, squaredNorm: dice.once(9) ? -1 : of(half) },
      large: { examples: batchSize, squaredNorm: of(batchSize) },
      steps,
    };
  }
}
