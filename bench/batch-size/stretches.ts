import type { Measured } from "../../core/measured.ts";
import type { EpochPlan } from "../../core/report.ts";
import { type Norms, OpenStretch } from "../../trainer/stretch.ts";

/** Measures the stretches of one epoch with the very parts of the trainer's helper, without an agent to tell them to. */
export class Stretches {
  readonly #all: OpenStretch[];
  #measure: EpochPlan["measure"];

  constructor(plan: EpochPlan) {
    this.#all = [opened(plan)];
    this.#measure = plan.measure;
  }

  /** From here on it is trained so. */
  relaid(plan: EpochPlan): void {
    this.#measure = plan.measure;
    const next = opened(plan);
    const { batchSize, microBatchSize } = this.#newest;
    if (next.batchSize !== batchSize || next.microBatchSize !== microBatchSize) this.#all.push(next);
  }

  /** Steps of the newest stretch. */
  get steps(): number {
    return this.#newest.steps;
  }

  /** Whether the norms of the next step's gradients are to be measured. */
  get normsDue(): boolean {
    return this.#measure === "norms" && this.#newest.normsDue;
  }

  /** One step with `examples`, all of a batch or its ragged rest, which is not timed. `isMeasured` where it was trained otherwise to be measured. */
  stepped(examples: number, seconds: number, isMeasured: boolean, norms: Norms | undefined): void {
    const isWhole = examples === this.#newest.batchSize;
    this.#newest.count(examples, isWhole ? seconds : undefined, isMeasured);
    if (norms !== undefined && isWhole) this.#newest.addNorms(norms);
  }

  measured(): Measured {
    const stretches = this.#all.filter(({ steps }) => steps > 0).map((stretch) => stretch.toStretch());
    return { stretches, optimizer: "SGD", resizes: true };
  }

  get #newest(): OpenStretch {
    const newest = this.#all.at(-1);
    if (newest === undefined) throw new Error("an epoch has a stretch from its beginning on");
    return newest;
  }
}

function opened({ batchSize, microBatchSize = batchSize }: EpochPlan): OpenStretch {
  if (batchSize === undefined || microBatchSize === undefined)
    throw new RangeError("the benchmark's trainers take their batch size from the plan, and it has none");
  return new OpenStretch(batchSize, microBatchSize);
}
