import { Duration } from "../core/duration.ts";
import { PawlError } from "../core/errors.ts";
import type { WholeRuns } from "../core/prune.ts";
import { type RestingState, restingStates } from "../core/standing.ts";
import type { OptionValues } from "./commands.ts";

const wrong = (message: string, next: string): PawlError => new PawlError("USAGE", message, { next });

/** Which whole runs are to be removed; `undefined` where none is. Throws USAGE. */
export function wholeRuns(options: OptionValues, named: string | undefined): WholeRuns | undefined {
  const { state, olderThan } = options;
  if (options.wholeRuns !== true) {
    if (state === undefined && olderThan === undefined) return undefined;
    const given = state === undefined ? "--older-than" : "--state";
    throw wrong(
      `${given} says which whole runs are to be removed`,
      `Add --whole-runs, or leave ${given} out.`,
    );
  }
  if (named === undefined && olderThan === undefined) {
    throw wrong(
      "--whole-runs needs --older-than, or the name of a run",
      "Say how old the runs must be that are removed: --older-than 30d.",
    );
  }
  return {
    states: typeof state === "string" ? states(state) : ["finished"],
    olderThanSeconds: typeof olderThan === "string" ? seconds(olderThan) : 0,
  };
}

function states(given: string): RestingState[] {
  return given.split(",").map((name) => {
    const found = restingStates.find((state) => state === name.trim());
    if (found !== undefined) return found;
    throw wrong(
      `--state ${given}: '${name}' is none of ${restingStates.join(", ")}`,
      "Name states, with commas between.",
    );
  });
}

function seconds(given: string): number {
  const parsed = Duration.safeParse(given);
  if (parsed.success) return parsed.data;
  throw wrong(`--older-than ${given}: must be a time such as 90min, 12h or 30d`, "Correct --older-than.");
}
