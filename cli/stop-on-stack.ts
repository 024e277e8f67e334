import { Aws } from "../aws/aws.ts";
import { isNamed } from "../aws/errors.ts";
import { FunctionError, Functions } from "../aws/functions.ts";
import { PawlError } from "../core/errors.ts";
import { StopAnswer, type StopRequest } from "../core/stop.ts";
import type { Stack } from "./stack.ts";

/**
 * Asks the stack's Stop function. Errors: STACK_REFUSES where it is gone or fails; AWS_DENIED where these credentials
 * may not ask it; the others of AWS.
 */
export async function askToStop(stack: Stack, request: StopRequest): Promise<StopAnswer> {
  const functions = new Functions(new Aws({ region: stack.region }));
  const { run } = request;
  try {
    return StopAnswer.parse(await functions.invoke(stack.stop, request));
  } catch (cause) {
    if (cause instanceof FunctionError) {
      throw new PawlError("STACK_REFUSES", `run ${run} is not stopped: ${cause.type}: ${cause.message}`, {
        next: `Try again; the log of the function ${stack.stop} says more.`,
        details: { run, stack: stack.stackName, function: stack.stop, error: cause.type },
        cause,
      });
    }
    if (isNamed(cause, "ResourceNotFoundException")) {
      throw new PawlError(
        "STACK_REFUSES",
        `the stack ${stack.stackName} has no function ${stack.stop} any more`,
        {
          next: "Deploy it again with 'npx cdk deploy'.",
          details: { run, stack: stack.stackName, function: stack.stop },
          cause,
        },
      );
    }
    throw cause;
  }
}
