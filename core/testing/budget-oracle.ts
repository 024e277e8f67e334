import { type FailureClass, failureRule } from "../failure.ts";
import type { TrainingJob } from "../job.ts";
import { type LiveAttempt, planInForce, type RunState } from "../run-state.ts";

/** An attempt that fails, and the state that it lived in. */
interface Failing {
  readonly before: RunState;
  readonly live: LiveAttempt | undefined;
  readonly name: FailureClass;
  /** Nobody goes on from it, or somebody does by hand: then training does not go back for it. */
  readonly noted: boolean;
}

/** How many failures without progress there were, and when they are too many: said again, in other words than the decision's. */
export class BudgetOracle {
  withoutProgress = 0;
  readonly #ofClass = new Map<FailureClass, number>();
  /** The epoch of the last numeric failure, and how often in a row it was there or before. */
  #numeric = { epoch: 0, times: 0 };

  refill(): void {
    this.withoutProgress = 0;
    this.#ofClass.clear();
  }

  /** Somebody starts the run again by hand. */
  beginAgain(): void {
    this.#numeric = { epoch: 0, times: 0 };
  }

  /** Counts a failure; says whether no other attempt may follow it. */
  fail(job: TrainingJob, { before, live, name, noted }: Failing): boolean {
    const { counts, after, budget } = failureRule(name);
    const ofClass = (this.#ofClass.get(name) ?? 0) + 1;
    this.#ofClass.set(name, ofClass);
    if (counts) this.withoutProgress += 1;
    if (after === "give-up") return true;
    if (budget !== undefined && ofClass >= budget) return true;
    if (counts && this.withoutProgress >= job.retry.failuresWithoutProgress) return true;
    if (after === "shrink") {
      const plan = live && planInForce(live);
      return plan?.microBatchSize === undefined ? ofClass >= 2 : plan.microBatchSize === 1;
    }
    if (after === "roll-back" && !noted) {
      const epoch = (live?.pending.at(-1)?.report.epoch ?? before.progress.epoch) + 1;
      const again = epoch <= this.#numeric.epoch;
      this.#numeric = again
        ? { epoch: this.#numeric.epoch, times: this.#numeric.times + 1 }
        : { epoch, times: 1 };
      return this.#numeric.times > job.numeric.times;
    }
    return false;
  }
}
