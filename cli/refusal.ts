import * as z from "zod";
import { PawlError } from "../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { nextCommand } from "./next-command.ts";

interface Refused {
  readonly run: string;
  readonly store: Pick<ObjectStore, "address">;
}

/** What to do about a run that somebody else trains. */
export const heldNext = ({ run, store }: Refused): string =>
  `Wait until it ends, or stop it with '${nextCommand("stop", run, store)}'; what it has committed is kept.`;

/** The state machine ended without the run: its error in the CLI's words. */
export function refusal(failure: { error: string; cause: string } | undefined, refused: Refused): PawlError {
  const { error, cause } = failure ?? { error: "unknown", cause: "the state machine gave no reason" };
  if (error === "Pawl.RunHeld" || error === "Pawl.Superseded")
    return new PawlError("RUN_HELD", cause, { next: heldNext(refused) });
  if (error === "Pawl.JobChanged")
    return new PawlError("JOB_CHANGED", cause, { next: "Go on with --accept-changes." });
  if (error === "Pawl.NothingLeft") {
    const { run, store } = refused;
    const next = `To begin at epoch 1 again: '${nextCommand("resume", run, store)} --start-again'. The damaged files stay in the store.`;
    return new PawlError("CHECKPOINT_DAMAGED", cause, { next });
  }
  if (error === "Pawl.JobInvalid")
    return new PawlError("JOB_INVALID", cause, {
      next: "Correct the job file, and run the same command again.",
    });
  if (error === "Pawl.CheckpointNotFound")
    return new PawlError("CHECKPOINT_NOT_FOUND", cause, {
      next: "Correct checkpoint.from in the job file, and run the same command again.",
    });
  return new PawlError("DEFINITION_FAILED", `the state machine failed: ${error}: ${causeWords(cause)}`, {
    details: { error, cause },
    next: "What was committed is kept: correct the cause and run the same command again.",
  });
}

const FunctionError = z.object({ errorMessage: z.string() });

/** A cause for people: of a function's error, which is JSON with a trace, its message. */
export function causeWords(cause: string): string {
  try {
    return FunctionError.parse(JSON.parse(cause)).errorMessage;
  } catch {
    return cause.split("\n")[0] ?? cause;
  }
}
