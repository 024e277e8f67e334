import { maxStretches } from "../../../core/measured.ts";
import type { EpochPlan } from "../../../core/report.ts";
import { Dice } from "../../../core/testing/dice.ts";
import { normal } from "../../../core/testing/normal.ts";
import { type Decider, hold, nextConsultPoint } from "../decider.ts";
import { type Curve, errorAt, noiseAt } from "./curves.ts";
import { SimulatedStretch } from "./measuring.ts";

/** As the agent has it: no more than about so long without asking, where asking can change anything. */
const gapSeconds = 60;

/** Steps between which the noise scale hardly changes. */
const mostSteps = 4096;

/** What a run took until its training was done. */
export interface Simulated {
  readonly seconds: number;
  readonly examples: number;
  readonly epochs: number;
  readonly consults: number;
  /** Every size, and the share of the training that was done when it began. */
  readonly sizes: readonly { readonly share: number; readonly size: number }[];
}

/**
 * Trains `curve` as `decider` says, until as much progress is made as its epochs of the reference batch make without noise in the
 * numbers. A step of B makes (N/B₀ + 1) / (N/B + 1) times the progress of one of the reference B₀, N the noise scale (McCandlish
 * et al., arXiv 1812.06162, equation 2.7; AdaScale's gain), whatever the learning rate: that it follows is taken for granted.
 */
export async function simulateRun(curve: Curve, decider: Decider, seed: number): Promise<Simulated> {
  const training = new Training(curve, seed);
  let consults = 0;
  for (let epoch = 1; !training.isDone; epoch += 1) {
    training.begin(await decider.plan(epoch));
    let asked = training.seconds;
    while (!training.isEpochWhole && !training.isDone) {
      const { isConsultDue } = training.advance(asked + gapSeconds);
      if (!isConsultDue || training.isEpochWhole || training.isDone) continue;
      asked = training.seconds;
      if (!training.isAsked) continue;
      training.relaid(await decider.consult(epoch, training.measured()));
      consults += 1;
    }
    if (training.isEpochWhole) await decider.report(training.report(epoch));
  }
  const { seconds, examples, sizes } = training;
  return { seconds, examples, epochs: examples / curve.epochExamples, consults, sizes };
}

class Training {
  seconds = 0;
  examples = 0;
  readonly sizes: { share: number; size: number }[] = [];
  readonly #curve: Curve;
  readonly #dice: Dice;
  /** In steps of the reference batch, and how many of them are all. */
  #progress = 0;
  readonly #all: number;
  #stretches: SimulatedStretch[] = [];
  #plan: EpochPlan | undefined;
  #left = 0;
  #epochBegan = 0;

  constructor(curve: Curve, seed: number) {
    this.#curve = curve;
    this.#dice = new Dice(seed);
    this.#all = (curve.epochs * curve.epochExamples) / curve.reference;
  }

  get isDone(): boolean {
    return this.#progress >= this.#all;
  }

  get isEpochWhole(): boolean {
    return this.#left === 0;
  }

  /** Whether the agent asks at all: not where nothing is measured, nor beyond the number of stretches that is kept. */
  get isAsked(): boolean {
    return this.#plan?.measure !== undefined && this.#stretches.length < maxStretches;
  }

  begin(plan: EpochPlan): void {
    this.#left = this.#curve.epochExamples;
    this.#stretches = [];
    this.#epochBegan = this.seconds;
    this.#lay(plan);
  }

  relaid(plan: EpochPlan): void {
    if (JSON.stringify(plan) !== JSON.stringify(this.#plan)) this.#lay(plan);
  }

  #lay(plan: EpochPlan): void {
    this.#plan = plan;
    const { batchSize, microBatchSize } = this.#stretches.at(-1) ?? {};
    const next = new SimulatedStretch(this.#curve, this.#dice, plan);
    if (next.batchSize === batchSize && next.microBatchSize === microBatchSize) return;
    this.#stretches.push(next);
    if (this.sizes.at(-1)?.size !== next.batchSize)
      this.sizes.push({ share: this.#progress / this.#all, size: next.batchSize });
  }

  /** Trains to the next point at which the agent asks: after `hold` steps of a stretch, twice as many …, or when it is late. */
  advance(late: number): { readonly isConsultDue: boolean } {
    const stretch = this.#newest;
    const { batchSize } = stretch;
    const whole = Math.floor(this.#left / batchSize);
    const noise = noiseAt(this.#curve, this.#progress / this.#all);
    const gain = (noise / this.#curve.reference + 1) / (noise / batchSize + 1);
    if (whole === 0) {
      this.seconds += stretch.trainRest(this.#left);
      this.#progress += (gain * this.#left) / batchSize;
      this.examples += this.#left;
      this.#end();
      return { isConsultDue: false };
    }
    const next = nextConsultPoint(stretch.steps);
    const each = stretch.steps === 0 ? Number.POSITIVE_INFINITY : stretch.seconds / stretch.steps;
    const inTime = Math.max(1, Math.ceil((late - this.seconds) / each));
    const toDone = Math.ceil((this.#all - this.#progress) / gain);
    const toPoint = Math.min(next - stretch.steps, each === Number.POSITIVE_INFINITY ? hold : inTime);
    const steps = Math.min(toPoint, whole, mostSteps, toDone);
    this.seconds += stretch.train(steps, noise);
    this.#progress += steps * gain;
    this.examples += steps * batchSize;
    this.#left -= steps * batchSize;
    if (this.#left === 0) this.#end();
    return { isConsultDue: steps === toPoint };
  }

  #end(): void {
    this.#left = 0;
  }

  measured() {
    const stretches = this.#stretches.filter(({ steps }) => steps > 0).map((stretch) => stretch.toStretch());
    return { stretches, optimizer: "SGD", resizes: true };
  }

  report(epoch: number) {
    const share = this.#progress / this.#all;
    // Evaluations are a little noisy.
    const loss = errorAt(this.#curve, share) * (1 + 0.01 * normal(this.#dice));
    return {
      epoch,
      metrics: { loss },
      examples: this.#curve.epochExamples,
      seconds: this.seconds - this.#epochBegan,
      ...(this.#plan?.measure === undefined ? {} : { measured: this.measured() }),
    };
  }

  get #newest(): SimulatedStretch {
    const newest = this.#stretches.at(-1);
    if (newest === undefined) throw new Error("an epoch has a stretch from its beginning on");
    return newest;
  }
}
