import { secondsBetween } from "../duration.ts";
import type { TrainingJob } from "../job.ts";
import {
  checkpointIntervalSeconds,
  epochEnds,
  type FailureSource,
  meanSecondsBetweenFailures,
} from "../policies/checkpoint-interval.ts";
import type { Exposure, LiveAttempt, RunState } from "../run-state.ts";
import type { Saving } from "../saving.ts";
import { charged } from "./cost.ts";
import { isLocal } from "./market.ts";

/** What an attempt's failures come from: its market, or this machine. */
const failureSource = (state: RunState, { market = "spot" }: LiveAttempt): FailureSource =>
  isLocal(state) ? "local" : market;

const exposureOf = ({ exposure }: RunState, source: FailureSource): Exposure =>
  exposure?.[source] ?? { seconds: 0, failures: 0 };

/** How long an attempt has lived by `at`, in seconds: from its claim on. */
export const livedSeconds = ({ claimedAt }: LiveAttempt, at: string): number =>
  secondsBetween(claimedAt ?? at, at);

/**
 * `state` with the life of an attempt counted that is over, and what its instance cost; `lost` where it failed and training
 * was lost with it.
 */
export function exposed(state: RunState, attempt: LiveAttempt, until: string, lost: boolean): RunState {
  const source = failureSource(state, attempt);
  const { seconds, failures } = exposureOf(state, source);
  const more = { seconds: seconds + livedSeconds(attempt, until), failures: failures + (lost ? 1 : 0) };
  return charged({ ...state, exposure: { ...state.exposure, [source]: more } }, attempt, until);
}

/** What `attempt` is told at `at` about when to save. */
export function savingFor(state: RunState, attempt: LiveAttempt, job: TrainingJob, at: string): Saving {
  if (job.checkpoint.policy === "none") return { epochEnds: "always" };
  const { every } = job.checkpoint;
  const cost = state.saveCost;
  const epochSeconds = state.recent.at(-1)?.report.seconds;
  const common = { epochEnds: epochEnds(every, cost, epochSeconds), ...(cost === undefined ? {} : { cost }) };
  switch (every.policy) {
    case "epoch":
      return common;
    case "steps":
      return { ...common, everySteps: every.steps };
    case "time":
      return { ...common, everySeconds: every.seconds };
    case "auto": {
      const source = failureSource(state, attempt);
      const { seconds, failures } = exposureOf(state, source);
      const meanSeconds = meanSecondsBetweenFailures({
        market: source,
        exposureSeconds: seconds + livedSeconds(attempt, at),
        failures,
      });
      const everySeconds = checkpointIntervalSeconds({ save: cost, meanSecondsBetweenFailures: meanSeconds });
      return { ...common, everySeconds };
    }
  }
}
