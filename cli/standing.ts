import type { RunState } from "../core/run-state.ts";
import { resting } from "../core/standing.ts";
import { leaseLiveness } from "../local/lease.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Summary } from "./summary.ts";

/** Whether somebody trains the run now, and who. An execution on AWS is believed: the store cannot tell. */
export async function whoDrives(
  store: ObjectStore,
  { run, driver }: Pick<RunState, "run" | "driver">,
): Promise<{ alive: boolean; who: string }> {
  if (driver.id.startsWith("arn:")) return { alive: true, who: `execution ${driver.execution}` };
  return await leaseLiveness(store).check(run, driver);
}

export const isUnderWay = ({ status }: Pick<RunState, "status">): boolean =>
  status === "training" || status === "waiting";

/** How a run stands, `driven` by somebody or not. */
export const standing = (state: RunState, driven: boolean): Summary["status"] =>
  driven ? state.status : resting(state);
