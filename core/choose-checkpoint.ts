import type { Which } from "./checkpoint-source.ts";
import { bestCheckpoint } from "./decisions/progress.ts";
import { PawlError } from "./errors.ts";
import type { TrainingJob } from "./job.ts";
import type { KeptCheckpoint, RunState } from "./run-state.ts";

/**
 * The kept checkpoint of a run that `which` names: of a whole epoch; only where there is none yet, the newest from the middle
 * of the first. Throws CHECKPOINT_NOT_FOUND, which says which there are. */
export function chooseCheckpoint(
  { run, kept }: Pick<RunState, "run" | "kept">,
  job: TrainingJob,
  which: Which,
): KeptCheckpoint {
  const whole = kept.filter(({ step }) => step === undefined);
  const epochs = whole.map((checkpoint) => checkpoint.epoch).join(", ");
  const there = epochs === "" ? "it has none" : `it has those of epochs ${epochs}`;
  const missing = (what: string, next: string) =>
    new PawlError("CHECKPOINT_NOT_FOUND", `run ${run} has no checkpoint ${what}: ${there}`, {
      next,
      details: { run, which, epochs: whole.map((checkpoint) => checkpoint.epoch) },
    });
  if (which === "last") {
    const last = whole.at(-1) ?? kept.at(-1);
    if (last === undefined) throw missing("yet", "Train it first.");
    return last;
  }
  if (which === "best") {
    const goal = job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined;
    if (goal === undefined) {
      const next = "Say what best means with checkpoint.best in its job, or name an epoch.";
      throw missing("known as its best", next);
    }
    const best = bestCheckpoint(goal, whole);
    if (best === undefined)
      throw missing(`with a value of ${goal.metric}`, "Report the metric, or name an epoch.");
    return best;
  }
  const named = whole.findLast((checkpoint) => checkpoint.epoch === which);
  if (named === undefined) throw missing(`of epoch ${which}`, "Name one of these.");
  return named;
}
