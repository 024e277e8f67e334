/** What Step Functions holds an execution to, and the embedded interpreter does not. */

/** Bytes of JSON (UTF-8) that a state may be given, or give on. */
const maxStateBytes = 256 * 1024;

const maxErrorLength = 256;
const maxCauseLength = 32_768;

/** A task's failure by a name that Retry and Catch can match; what handlers throw. */
export class StateError extends Error {
  readonly error: string;
  override readonly cause: string;

  /** Names are cut to 256 characters, causes to 32,768, as Step Functions does. */
  constructor(error: string, cause: string) {
    super(cause.slice(0, maxCauseLength));
    this.error = error.slice(0, maxErrorLength);
    this.cause = this.message;
    // The interpreter matches names with it.
    this.name = this.error;
  }
}

/** A failure that ends the execution, whatever Retry and Catch say: `States.ALL` does not match it on AWS either. */
export class TerminalError extends StateError {
  // The interpreter asks for these two.
  readonly isRetryable = false;
  readonly isCatchable = false;
}

const dataLimitExceeded = (what: string, bytes: number): TerminalError =>
  new TerminalError(
    "States.DataLimitExceeded",
    `${what} has ${bytes} bytes of JSON; Step Functions allows ${maxStateBytes}.`,
  );

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/**
 * `value` as it is after a way over the wire: what JSON cannot say is dropped or changed, as JSON does it, and nothing
 * is shared with the sender.
 *
 * @throws TerminalError States.DataLimitExceeded
 */
export function overTheWire(value: unknown, what: string): Json {
  const text = JSON.stringify(value);
  if (text === undefined) return null;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxStateBytes) throw dataLimitExceeded(what, bytes);
  const received: Json = JSON.parse(text);
  return received;
}

/** The failure where `value` is larger than a state may be given or give on. */
export function sizeProblem(value: unknown, what: string): TerminalError | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? "");
  return bytes > maxStateBytes ? dataLimitExceeded(what, bytes) : undefined;
}
