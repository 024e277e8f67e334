import { decideStop } from "../core/decide.ts";
import { PawlError } from "../core/errors.ts";
import type { StopEvent } from "../core/events.ts";
import { type StopAnswer, StopRequest } from "../core/stop.ts";
import { decideAndJournal } from "./journalled.ts";
import type { Ports } from "./ports.ts";

/**
 * Journals somebody's intent that a run stop; asked again with the same id, tells how far the run is with it, and makes
 * the stop final where its driver did not live to. Throws RUN_NOT_FOUND.
 */
export const stopRun =
  (ports: Pick<Ports, "journal" | "liveness" | "now" | "limits" | "onEntry">) =>
  async (payload: unknown): Promise<StopAnswer> => {
    const { run, id, by, sequence } = StopRequest.parse(payload);
    const { reply } = await decideAndJournal(
      ports,
      run,
      sequence,
      async (head): Promise<StopEvent> => {
        if (head === undefined) {
          throw new PawlError("RUN_NOT_FOUND", `there is no run ${run}`, { details: { run } });
        }
        return { type: "stop", run, id, by, holder: await ports.liveness.check(run, head.state.driver) };
      },
      decideStop,
    );
    return reply;
  };
