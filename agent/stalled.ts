import { durationWords } from "../core/duration.ts";
import type { Stall } from "../core/policies/stall.ts";
import { AttemptError } from "./attempt-error.ts";
import { innermost } from "./stack-dump.ts";
import type { StallWatch } from "./stall-watch.ts";
import type { Training } from "./training.ts";

/** How long a trainer has to print its stacks before it is killed. */
const dumpMilliseconds = 5000;

/** Ends a trainer that stalls, and says where it was. Always throws. */
export async function endStalled(stall: Stall, watch: StallWatch, training: Training): Promise<never> {
  const frame = innermost(await training.abort(dumpMilliseconds));
  const sign = stall.printing ? "no progress, though it printed," : "no sign of life";
  const silence = durationWords(stall.silentSeconds);
  const limit = `limit ${durationWords(stall.limitSeconds)}, ${watch.limitOrigin}`;
  const message = `${sign} for ${silence} (${limit})`;
  const signs = [{ where: "agent", text: message }];
  if (frame === undefined) throw new AttemptError("stalled", message, { signs });
  throw new AttemptError("stalled", `${message}; it was in ${frame.function} (${frame.place})`, {
    signs: [...signs, { where: "log", text: frame.line.trim().slice(0, 500) }],
    place: `stalled at ${frame.place}`.slice(0, 300),
  });
}
