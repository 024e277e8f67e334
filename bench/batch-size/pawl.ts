import { type PlanState, planEpoch } from "../../core/decisions/plan.ts";
import { advance, noProgress } from "../../core/decisions/progress.ts";
import { rateAfter, restOf, stepsAtSize } from "../../core/decisions/warm-up.ts";
import { TrainingJob, type TrainingJobInput } from "../../core/job.ts";
import { learn } from "../../core/learn.ts";
import { type Measured, maxStretches } from "../../core/measured.ts";
import type { MemoryLearnt } from "../../core/policies/memory.ts";
import type { EpochPlan, EpochReport } from "../../core/report.ts";
import type { Progress } from "../../core/run-state.ts";
import type { Decider } from "./decider.ts";

/** Pawl's own decisions of the batch size and the learning rate: what Review answers, without a journal around it. */
export class PawlDecider implements Decider {
  readonly isFree = false;
  readonly reasons: string[] = [];
  readonly #job: TrainingJob;
  readonly #memory: MemoryLearnt | undefined;
  #progress: Progress = noProgress;
  #inForce: EpochPlan | undefined;

  constructor(job: Pick<TrainingJobInput, "batchSize" | "learningRate">, memory?: MemoryLearnt) {
    this.#memory = memory;
    this.#job = TrainingJob.parse({ name: "bench", command: ["none"], epochs: 1_000_000, ...job });
  }

  async plan(epoch: number): Promise<EpochPlan> {
    const { plan, reason } = planEpoch(this.#job, this.#state(this.#progress), epoch);
    if (plan.batchSize !== this.#inForce?.batchSize)
      this.reasons.push(`epoch ${epoch} begins with ${reason}`);
    this.#inForce = plan;
    return plan;
  }

  /** As `core/decisions/measured.ts` does: the learning rate changes only with the batch size. */
  async consult(epoch: number, measured: Measured): Promise<EpochPlan> {
    const inForce = this.#inForce;
    if (inForce === undefined) throw new Error("an epoch is consulted about after it was planned");
    const size = measured.stretches.at(-1)?.batchSize;
    const batch = learn(this.#progress.batch, { epoch, measured }, this.#job);
    if (batch === undefined || size === undefined || measured.stretches.length >= maxStretches)
      return inForce;
    const steps = stepsAtSize(measured);
    const { plan, reason } = planEpoch(this.#job, this.#state({ ...this.#progress, batch }), epoch, {
      going: { size, ...restOf(inForce, steps) },
    });
    if (plan.batchSize === inForce.batchSize) return inForce;
    const after = measured.stretches.reduce((sum, stretch) => sum + stretch.steps, 0);
    this.reasons.push(`epoch ${epoch} goes on after step ${after} with ${reason}`);
    this.#inForce = plan;
    return plan;
  }

  async report(report: EpochReport): Promise<void> {
    const { measured } = report;
    const step = measured?.stretches.reduce((sum, { steps }) => sum + steps, 0);
    const rate =
      this.#inForce === undefined || step === undefined || this.#job.learningRate.warmUp === 0
        ? undefined
        : rateAfter(this.#inForce, { step, measured }, { earlier: undefined, factor: 1 });
    this.#progress = advance(this.#progress, report, this.#job, rate);
  }

  async close(): Promise<void> {}

  #state(progress: Progress): PlanState {
    return { progress, memory: this.#memory, numeric: undefined };
  }
}
