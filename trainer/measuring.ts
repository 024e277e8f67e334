import type { Measured } from "../core/measured.ts";
import { type ObservedEpoch, observing } from "./observing.ts";
import type { Position } from "./position.ts";
import { type Norms, OpenStretch, untimedSteps } from "./stretch.ts";

/** The newest so many stretches are kept. */
const maxStretches = 32;

/** Whole steps of each layout that this process has trained and measured: after the first ones nothing is to be set up any more. */
const ran = new Map<string, { steps: number }>();

/** What is measured of one epoch: stretch by stretch, a number here and there, so that it costs next to nothing. */
export class Measuring implements ObservedEpoch {
  readonly #stretches: OpenStretch[] = [];
  #batchSize = 0;
  #microBatchSize = 0;
  #open: OpenStretch | undefined;
  #ran = { steps: 0 };
  /** When the last step was over, and training went on: what the next one takes counts from there. */
  #since = 0;
  /** Of the step that is being trained: its examples, whether its norms are measured, and whether its time says nothing. */
  #examples = 0;
  #measured = false;
  #isUntimed = true;
  steps = 0;
  /** Whether the trainer takes its batches from Pawl, and so another size between two steps. */
  isBatched = false;
  /** Whether norms of gradients are wanted. */
  wantsNorms = false;
  /** Whether there are any. */
  hasNorms = false;
  /** The position of the last step, and whether positions count examples, which the first one shows. */
  #taken: Position | undefined;
  #countsExamples: boolean | undefined;

  /** From `position` on; `undefined` from the epoch's beginning. */
  constructor(position: Position | undefined) {
    this.#taken = position ?? 0;
  }

  /** How the steps from now on are trained. */
  layout(batchSize: number, microBatchSize: number): void {
    if (batchSize === this.#batchSize && microBatchSize === this.#microBatchSize) return;
    this.#batchSize = batchSize;
    this.#microBatchSize = microBatchSize;
    this.#examples = batchSize;
    this.#open = undefined;
    const key = `${batchSize} in ${microBatchSize}`;
    this.#ran = ran.get(key) ?? { steps: 0 };
    ran.set(key, this.#ran);
  }

  /** The step that begins has so many examples; fewer than a batch at the end of the data, which are no measure. */
  expect(examples: number): void {
    this.#examples = examples;
    this.#isUntimed ||= examples < this.#batchSize;
  }

  get stepExamples(): number | undefined {
    return this.#batchSize === 0 ? undefined : this.#examples;
  }

  get normsDue(): boolean {
    if (!this.wantsNorms || this.#batchSize === 0 || this.#examples < this.#batchSize) return false;
    return this.#open?.normsDue ?? true;
  }

  measures(): void {
    this.#measured = true;
  }

  observed(norms: Norms): void {
    if (!this.wantsNorms || this.#batchSize === 0 || this.#examples < this.#batchSize) return;
    this.hasNorms = true;
    this.#stretch().addNorms(norms);
  }

  /** A step is trained, up to `position`. `now` in milliseconds. */
  passed(now: number, position: Position | undefined): void {
    this.steps += 1;
    if (this.#batchSize === 0) return;
    if (!this.isBatched) this.#expectUpTo(position);
    const seconds = this.#isUntimed ? undefined : (now - this.#since) / 1000;
    this.#stretch().count(this.#examples, seconds, this.#measured);
    if (this.#examples === this.#batchSize) this.#ran.steps += 1;
    this.#since = now;
    this.#examples = this.#batchSize;
    this.#measured = false;
    this.#isUntimed = false;
  }

  /** Training goes on after Pawl was asked; what comes after a save takes its own time. */
  wentOn(now: number, saved: boolean): void {
    this.#since = now;
    this.#isUntimed = saved;
  }

  /** Of this epoch so far; `undefined` where there is no step. */
  toMeasured(): Measured | undefined {
    const stretches = this.#stretches.filter(({ steps }) => steps > 0);
    if (stretches.length === 0) return undefined;
    const { optimizer } = observing;
    return {
      stretches: stretches.map((stretch) => stretch.toStretch()),
      ...(optimizer === undefined ? {} : { optimizer }),
      resizes: this.isBatched,
    };
  }

  /** In a loop of the trainer's own only the position can tell that the last batch is smaller. */
  #expectUpTo(position: Position | undefined): void {
    if (typeof position !== "number" || typeof this.#taken !== "number") return;
    const examples = position - this.#taken;
    this.#taken = position;
    this.#countsExamples ??= examples === this.#batchSize;
    if (this.#countsExamples && examples >= 0 && examples < this.#batchSize) this.expect(examples);
  }

  #stretch(): OpenStretch {
    if (this.#open === undefined) {
      const untimed = Math.max(0, untimedSteps - this.#ran.steps);
      this.#open = new OpenStretch(this.#batchSize, this.#microBatchSize, untimed);
      this.#stretches.push(this.#open);
      if (this.#stretches.length > maxStretches) this.#stretches.shift();
    }
    return this.#open;
  }
}
