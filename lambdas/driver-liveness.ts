import { isNamed } from "../aws/errors.ts";
import { type Executions, isRunning } from "../aws/executions.ts";
import { PawlError } from "../core/errors.ts";
import type { Driver } from "../core/run-state.ts";
import { stateMachineName } from "../core/stack.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { FunctionEnvironment } from "./function-environment.ts";
import { isLocalExecution, leaseLiveness } from "./lease-liveness.ts";
import type { Liveness } from "./ports.ts";

/** The state machine's name in an execution's ARN. */
const executionArn = /^arn:[^:]*:states:[^:]*:[^:]*:execution:([^:]+):[^:]+$/;

/** There is none, or it is elsewhere. */
const absent = ["InvalidArn", "StateMachineDoesNotExist"];

/**
 * Which executions are the stack's own: by all of the ARN, since stacks of another account or Region often have the same
 * name; by the state machine's name alone while a deployment has brought the function's code and not yet its variables.
 */
export const ownExecutions =
  ({ name, executions }: Pick<FunctionEnvironment, "name" | "executions">) =>
  (arn: string): boolean =>
    executions === undefined
      ? executionArn.exec(arn)?.[1] === stateMachineName(name)
      : arn.startsWith(executions);

/**
 * Liveness of any driver: of an execution by Step Functions, of a process by its lease in the store. An execution that is
 * not the stack's own, which a copied run can name, is believed to be gone where nothing can be learned of it.
 */
export function driverLiveness(
  executions: Executions,
  store: ObjectStore,
  isOwn: (executionArn: string) => boolean,
): Liveness {
  const byLease = leaseLiveness(store);
  return {
    async check(run: string, driver: Driver) {
      if (isLocalExecution(driver.id)) return await byLease.check(run, driver);
      const who = `execution ${driver.execution}`;
      if (!executionArn.test(driver.id)) return { alive: false, who };
      try {
        const execution = await executions.describe(driver.id);
        return { alive: isRunning(execution?.status), who };
      } catch (error) {
        const isForeign = !isOwn(driver.id);
        const isClosed = isForeign && error instanceof PawlError && error.code === "AWS_DENIED";
        if (isClosed || isNamed(error, ...absent)) return { alive: false, who };
        throw error;
      }
    },
  };
}
