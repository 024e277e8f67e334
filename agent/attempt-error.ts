import { PawlError } from "../core/errors.ts";
import type { FailureClass } from "../core/failure.ts";
import type { Outcome } from "../core/outcome.ts";

/** What an outcome says besides its result and its message. */
type Facts = Partial<
  Pick<
    Outcome,
    "winner" | "damaged" | "trainer" | "confidence" | "signs" | "place" | "retryable" | "instance"
  >
>;

/** Ends the attempt: what its outcome will say. */
export class AttemptError extends Error {
  readonly result: FailureClass | "left" | "duplicate";
  readonly more: Facts;

  constructor(result: FailureClass | "left" | "duplicate", message: string, more: Facts = {}) {
    super(message);
    this.name = "AttemptError";
    this.result = result;
    this.more = more;
  }
}

/** What an error of the store, of the driver or of ours means for the attempt. */
export function asAttemptError(error: unknown): AttemptError {
  if (error instanceof AttemptError) return error;
  if (error instanceof PawlError) {
    if (error.code === "STORE_FULL") return new AttemptError("disk-full", error.message);
    if (error.code === "CHECKPOINT_PATH") return new AttemptError("no-checkpoint", error.message);
    if (error.code === "JOB_NOT_FOUND") return new AttemptError("image-or-command-error", error.message);
    return new AttemptError("store-failed", error.message);
  }
  if (error instanceof Error && "code" in error && error.code === "ENOSPC") {
    return new AttemptError("disk-full", `the disk of the attempt's folder is full: ${error.message}`);
  }
  // The copy of a plain command's folder meets it first.
  if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_FS_CP_")) {
    const what = "the checkpoint cannot be copied: it holds something that is neither a file nor a folder";
    return new AttemptError("no-checkpoint", `${what}: ${error.message}`);
  }
  return new AttemptError("unknown", error instanceof Error ? (error.stack ?? error.message) : String(error));
}
