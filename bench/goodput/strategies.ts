import {
  checkpointIntervalSeconds,
  epochEnds,
  meanSecondsBetweenFailures,
} from "../../core/policies/checkpoint-interval.ts";
import { observeSave, type SaveCost } from "../../core/policies/save-cost.ts";

/** When to save: after so many seconds of training, and perhaps at the end of each epoch. */
export interface Saving {
  readonly everySeconds: number;
  readonly atEpochEnds: boolean;
}

/** One run's saving; it learns from what it is told. */
export interface Saver {
  readonly saving: Saving;
  /** A save is durable; the instance is `ageSeconds` old. */
  saved(cost: { pauseSeconds: number; seconds: number }, ageSeconds: number): void;
  failed(livedSeconds: number): void;
}

const knowsAlready = (saving: Saving): Saver => ({ saving, saved() {}, failed() {} });

export const epochOnly = (): Saver =>
  knowsAlready({ everySeconds: Number.POSITIVE_INFINITY, atEpochEnds: true });

export const fixed = (everySeconds: number): Saver => knowsAlready({ everySeconds, atEpochEnds: false });

/** Pawl's own policy on the spot market, with what a run's state carries: failures, exposure, what saves have cost. */
export class Auto implements Saver {
  saving: Saving;
  #failures = 0;
  #exposureSeconds = 0;
  #save: SaveCost | undefined;

  constructor() {
    this.saving = this.#decide(0);
  }

  saved(cost: { pauseSeconds: number; seconds: number }, ageSeconds: number): void {
    this.#save = observeSave(this.#save, cost);
    this.saving = this.#decide(ageSeconds);
  }

  failed(livedSeconds: number): void {
    this.#failures += 1;
    this.#exposureSeconds += livedSeconds;
    this.saving = this.#decide(0);
  }

  #decide(ageSeconds: number): Saving {
    const mean = meanSecondsBetweenFailures({
      market: "spot",
      exposureSeconds: this.#exposureSeconds + ageSeconds,
      failures: this.#failures,
    });
    return {
      everySeconds: checkpointIntervalSeconds({ save: this.#save, meanSecondsBetweenFailures: mean }),
      atEpochEnds: epochEnds({ policy: "auto" }, this.#save) === "always",
    };
  }
}
