import { isUnderWay } from "../core/standing.ts";
import { leaseLiveness } from "../lambdas/lease-liveness.ts";
import type { Liveness } from "../lambdas/ports.ts";
import type { Journal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** Whether an execution on AWS lives, or the one of that name that it handed over to. */
export type AskExecution = (arn: string, successor?: string) => Promise<boolean>;

/**
 * Liveness of a run's drivers as a machine of one's own sees them: of a process by its lease, of an execution of a stack
 * that has the same store by asking for it. A run at rest is nobody's, whoever drove it: no account is needed to go on with
 * it.
 */
export function localLiveness(
  store: ObjectStore,
  journal: Journal,
  isExecutionAlive: AskExecution = async () => false,
): Liveness {
  const byLease = leaseLiveness(store);
  return {
    async check(run, driver) {
      if (!driver.id.startsWith("arn:")) return await byLease.check(run, driver);
      const state = (await journal.newest(run))?.state;
      const alive =
        state !== undefined && isUnderWay(state) && (await isExecutionAlive(driver.id, state.successor));
      return { alive, who: `execution ${driver.execution}` };
    },
  };
}
