import type { GradientNorms, Stretch } from "../../../core/measured.ts";
import type { EpochPlan } from "../../../core/report.ts";
import type { Dice } from "../../../core/testing/dice.ts";
import { normal } from "../../../core/testing/normal.ts";
import { firstSteps, measuredEach } from "../../../trainer/stretch.ts";
import { median } from "../../statistics.ts";
import { type Curve, mostAtOnce, secondsOf } from "./curves.ts";

/** How far single steps are from the published time, as the deviation of its logarithm. */
export const jitter = 0.05;

/** One step in so many takes this many times as long: data that is late, another process, a collector of garbage. */
const stall = { oneIn: 20, times: 3 };

/** So many step times are drawn one by one, since a median of a few is at the mercy of each; more are their distribution. */
const drawnSteps = 32;

/** Directions that a gradient's noise has: as few as in a small network, so that one step's norms tell little. */
const directions = 8;

/** The mean of `count` squares of normal numbers (Wilson and Hilferty, 1931). */
function meanSquare(dice: Dice, count: number): number {
  const width = 2 / (9 * count);
  return Math.max(0, 1 - width + Math.sqrt(width) * normal(dice)) ** 3;
}

/**
 * What a trainer's helper measures of one stretch, drawn from the true model. `core` sees of it what it sees of a real one.
 */
export class SimulatedStretch {
  readonly batchSize: number;
  readonly microBatchSize: number;
  steps = 0;
  seconds = 0;
  #examples = 0;
  #timed = 0;
  readonly #drawn: number[] = [];
  #norms: { small: number; large: number; steps: number } | undefined;
  readonly #curve: Curve;
  readonly #dice: Dice;
  readonly #measure: EpochPlan["measure"];
  readonly #parts: number;
  readonly #stepSeconds: number;
  /** What a step takes more where it is split to be measured. */
  readonly #extra: number;
  #deviation = 0;

  constructor(curve: Curve, dice: Dice, { batchSize = curve.start, microBatchSize, measure }: EpochPlan) {
    this.#curve = curve;
    this.#dice = dice;
    this.#measure = measure;
    this.batchSize = batchSize;
    this.microBatchSize = Math.min(microBatchSize ?? batchSize, batchSize, mostAtOnce(curve));
    const accumulation = Math.ceil(batchSize / this.microBatchSize);
    this.#parts = Math.max(2, accumulation);
    this.#stepSeconds = secondsOf(curve, batchSize, this.microBatchSize);
    const halves = secondsOf(curve, batchSize, Math.ceil(batchSize / 2));
    this.#extra = accumulation > 1 ? 0 : Math.max(0, halves - this.#stepSeconds);
  }

  /** How many of the next `steps` steps are measured, as the trainer's helper chooses them. */
  #measuredOf(steps: number): number {
    if (this.#measure !== "norms" || this.batchSize < 2) return 0;
    const each = measuredEach(this.#extra, this.#stepSeconds);
    const until = (end: number) =>
      Math.ceil(Math.min(end, firstSteps) / 2) + Math.floor(Math.max(0, end - firstSteps) / each);
    return until(this.steps + steps) - until(this.steps);
  }

  /** `steps` more steps while the noise scale is so many examples. What they took, in seconds. */
  train(steps: number, noiseScale: number): number {
    const measured = this.#measuredOf(steps);
    const first = this.steps;
    this.steps += steps;
    this.#examples += steps * this.batchSize;
    const stalls = 1 + (stall.times - 1) / stall.oneIn;
    const mean = stalls * Math.exp((jitter * normal(this.#dice)) / Math.sqrt(steps));
    const seconds = steps * this.#stepSeconds * mean + measured * this.#extra;
    this.seconds += seconds;
    // Two steps are left out at the beginning; the first of them is not timed anyway where it is measured.
    const leftOut = first > 0 ? 0 : measured > 0 ? 1 : 2;
    this.#timed += Math.max(0, steps - measured - leftOut);
    while (this.#drawn.length < Math.min(drawnSteps, this.#timed)) this.#drawn.push(this.#drawStep());
    this.#deviation = normal(this.#dice);
    if (measured > 0) this.#listen(measured, noiseScale);
    return seconds;
  }

  #drawStep(): number {
    const stalled = this.#dice.once(stall.oneIn) ? stall.times : 1;
    return this.#stepSeconds * stalled * Math.exp(jitter * normal(this.#dice));
  }

  /** The median of the newest 256. */
  #medianSeconds(): number {
    if (this.#timed <= drawnSteps) return median(this.#drawn);
    const deviation = (1.2533 * jitter * this.#deviation) / Math.sqrt(Math.min(256, this.#timed));
    return this.#stepSeconds * Math.exp(deviation);
  }

  /** A ragged last batch: trained, but neither timed nor measured. */
  trainRest(examples: number): number {
    this.steps += 1;
    this.#examples += examples;
    const seconds = secondsOf(this.#curve, examples, this.microBatchSize);
    this.seconds += seconds;
    return seconds;
  }

  #listen(steps: number, noiseScale: number): void {
    const parts = this.#parts;
    const noise = noiseScale / this.batchSize;
    const across = 2 * Math.sqrt(noise / (directions * steps)) * normal(this.#dice);
    const large = Math.max(1e-9, 1 + noise * meanSquare(this.#dice, directions * steps) + across);
    const between = noise * (parts - 1) * meanSquare(this.#dice, directions * (parts - 1) * steps);
    const before = this.#norms ?? { small: 0, large: 0, steps: 0 };
    const all = before.steps + steps;
    const mean = (old: number, value: number) => (old * before.steps + value * steps) / all;
    this.#norms = {
      small: mean(before.small, large + between),
      large: mean(before.large, large),
      steps: all,
    };
  }

  toStretch(): Stretch {
    const norms = this.#gradientNorms();
    return {
      batchSize: this.batchSize,
      microBatchSize: this.microBatchSize,
      workers: 1,
      steps: this.steps,
      examples: this.#examples,
      ...(this.#measure === undefined || this.#timed === 0
        ? {}
        : { timed: { stepSeconds: this.#medianSeconds(), steps: this.#timed } }),
      ...(norms === undefined ? {} : { norms }),
    };
  }

  #gradientNorms(): GradientNorms | undefined {
    if (this.#norms === undefined) return undefined;
    const { small, large, steps } = this.#norms;
    return {
      small: { examples: Math.max(1, Math.floor(this.batchSize / this.#parts)), squaredNorm: small },
      large: { examples: this.batchSize, squaredNorm: large },
      steps,
    };
  }
}
