import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Aws } from "../aws/aws.ts";
import { isNamed } from "../aws/errors.ts";
import { Executions } from "../aws/executions.ts";
import { PawlError } from "../core/errors.ts";
import type { ExecutionInput } from "../core/requests.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { describeEnding } from "./execution.ts";
import { refusal } from "./refusal.ts";
import type { Stack } from "./stack.ts";

/** Step Functions takes no more, in bytes of UTF-8. */
const mostInputBytes = 262_144;

/** Step Functions takes no longer names. */
const longestName = 80;

const lookMilliseconds = 500;

export interface Launch {
  readonly stack: Stack;
  readonly store: ObjectStore;
  readonly run: string;
  readonly input: ExecutionInput;
}

/** The input as it is sent. Throws INPUT_TOO_LARGE. */
export function inputText(input: ExecutionInput): string {
  const text = JSON.stringify(input);
  const bytes = Buffer.byteLength(text);
  if (bytes <= mostInputBytes) return text;
  throw new PawlError(
    "INPUT_TOO_LARGE",
    `the job has ${bytes} bytes as the input of an execution, and may have ${mostInputBytes}`,
    {
      next: "Put what is long (of env, or of the command) into a file beside the job file.",
      details: { bytes, most: mostInputBytes },
    },
  );
}

/** Of each start another, so that no two are taken for one; at its beginning the run, for whoever reads the list. */
const executionName = (run: string): string => {
  const ending = `-${randomBytes(6).toString("hex")}`;
  return `${run.slice(0, longestName - ending.length)}${ending}`;
};

/** Starts an execution; its ARN. Errors: INPUT_TOO_LARGE, STACK_REFUSES, those of AWS. */
export async function startExecution({ stack, run, input }: Launch): Promise<string> {
  const text = inputText(input);
  try {
    return await new Executions(new Aws({ region: stack.region })).start(
      stack.stateMachine,
      executionName(run),
      text,
    );
  } catch (error) {
    if (!isNamed(error, "StateMachineDoesNotExist", "StateMachineDeleting")) throw error;
    throw new PawlError("STACK_REFUSES", `the stack ${stack.stackName} has no state machine any more`, {
      next: "Deploy it again with 'npx cdk deploy'. Its runs are kept.",
      details: { stack: stack.stackName, stateMachine: stack.stateMachine },
      cause: error,
    });
  }
}

/**
 * Waits until the execution has opened its run: `true` once it has, `false` after `milliseconds`, or where `signal`
 * aborts. Throws what it was refused for.
 */
export async function untilOpened(
  { stack, store, run }: Pick<Launch, "stack" | "store" | "run">,
  executionArn: string,
  { milliseconds, signal }: { milliseconds: number; signal: AbortSignal },
): Promise<boolean> {
  const aws = new Aws({ region: stack.region });
  const begun = performance.now();
  while (!signal.aborted) {
    const newest = await openJournal(store).newest(run);
    if (newest?.state.driver.id === executionArn) return true;
    const ended = await describeEnding(aws, executionArn).catch(orNotToldOf);
    if (ended?.status === "SUCCEEDED") return true;
    if (ended !== undefined) {
      const { status, error = status, cause = `it ended as ${status}, and gives no reason` } = ended;
      throw refusal({ error, cause }, { run, store });
    }
    if (performance.now() - begun > milliseconds) return false;
    await sleep(lookMilliseconds, undefined, { signal }).catch(() => {});
  }
  return false;
}

/** It is started: who may not ask after it, or cannot now, only sees it in the journal. */
function orNotToldOf(error: unknown): undefined {
  if (!(error instanceof PawlError)) throw error;
}
