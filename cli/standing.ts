import type { RunState } from "../core/run-state.ts";
import { isUnderWay, resting } from "../core/standing.ts";
import { leaseLiveness } from "../lambdas/lease-liveness.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Summary } from "./summary.ts";

/**
 * Whether somebody trains the run now, and who. Of an execution on AWS, Step Functions is asked; where it cannot be, the
 * execution is believed to be alive.
 */
export async function whoDrives(
  store: ObjectStore,
  { run, driver, successor }: Pick<RunState, "run" | "driver"> & { successor?: string | undefined },
): Promise<{ alive: boolean; who: string }> {
  if (!driver.id.startsWith("arn:")) return await leaseLiveness(store).check(run, driver);
  const { isExecutionAlive } = await import("./execution.ts");
  return { alive: await isExecutionAlive(driver.id, successor), who: `execution ${driver.execution}` };
}

/** How the execution ended that drove a run which is not at rest, where that was one on AWS and it can be asked. */
export async function endedAs(state: Pick<RunState, "status" | "driver">): Promise<string | undefined> {
  if (!isUnderWay(state) || !state.driver.id.startsWith("arn:")) return undefined;
  const { endingOf, endingWords } = await import("./execution.ts");
  const ending = await endingOf(state.driver.id);
  return ending === undefined ? undefined : endingWords(ending);
}

/** How a run stands, `driven` by somebody or not. */
export const standing = (state: RunState, driven: boolean): Summary["status"] =>
  driven ? state.status : resting(state);
