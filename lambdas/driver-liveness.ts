import { isNamed } from "../aws/errors.ts";
import type { Executions } from "../aws/executions.ts";
import { PawlError } from "../core/errors.ts";
import type { Driver } from "../core/run-state.ts";
import { stateMachineName } from "../core/stack.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isLocalExecution, leaseLiveness } from "./lease-liveness.ts";
import type { Liveness } from "./ports.ts";

/** The state machine's name in an execution's ARN. */
const executionArn = /^arn:[^:]*:states:[^:]*:[^:]*:execution:([^:]+):[^:]+$/;

/** One that is to be redriven goes on. */
const alive = new Set<string | undefined>(["RUNNING", "PENDING_REDRIVE"]);

/** There is none, or it is elsewhere. */
const absent = ["InvalidArn", "StateMachineDoesNotExist"];

/**
 * Liveness of any driver: of an execution by Step Functions, of a process by its lease in the store. `name` is the
 * stack's own: an execution of another state machine, which a copied run can name, is believed to be gone where nothing can be
 * learned of it.
 */
export function driverLiveness(executions: Executions, store: ObjectStore, name: string): Liveness {
  const byLease = leaseLiveness(store);
  return {
    async check(run: string, driver: Driver) {
      if (isLocalExecution(driver.id)) return await byLease.check(run, driver);
      const who = `execution ${driver.execution}`;
      const machine = executionArn.exec(driver.id)?.[1];
      if (machine === undefined) return { alive: false, who };
      try {
        const execution = await executions.describe(driver.id);
        return { alive: alive.has(execution?.status), who };
      } catch (error) {
        const isForeign = machine !== stateMachineName(name);
        const isClosed = isForeign && error instanceof PawlError && error.code === "AWS_DENIED";
        if (isClosed || isNamed(error, ...absent)) return { alive: false, who };
        throw error;
      }
    },
  };
}
