/**
 * The one root of Pawl's errors: a stable code, what was wrong, and what the person can do next.
 * `errorTable` is the only place that says which exit code a code ends the CLI with.
 */

/** The CLI's exit codes; the documentation's table is made from this one. */
export const exitCodes = {
  done: 0,
  toolError: 1,
  usage: 2,
  runFailed: 100,
  notFinished: 101,
  notFound: 102,
  stopped: 103,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What each code ends the CLI with; the documentation's table is made from this one. */
export const errorTable = {
  JOB_INVALID: exitCodes.usage,
  JOB_NOT_FOUND: exitCodes.usage,
  JOB_CHANGED: exitCodes.usage,
  NAME_INVALID: exitCodes.usage,
  USAGE: exitCodes.usage,
  RUN_NOT_FOUND: exitCodes.notFound,
  CHECKPOINT_NOT_FOUND: exitCodes.notFound,
  ATTEMPT_NOT_FOUND: exitCodes.notFound,
  RUN_HELD: exitCodes.toolError,
  RUN_OVER: exitCodes.usage,
  RUN_EXISTS: exitCodes.usage,
  RUN_DIVERGED: exitCodes.usage,
  RUN_FAILED: exitCodes.runFailed,
  STOPPED: exitCodes.stopped,
  INTERRUPTED: exitCodes.notFinished,
  CHECKPOINT_DAMAGED: exitCodes.toolError,
  CHECKPOINT_PATH: exitCodes.toolError,
  JOURNAL_DAMAGED: exitCodes.toolError,
  STORE_ADDRESS: exitCodes.usage,
  STORE_UNWRITABLE: exitCodes.toolError,
  STORE_NOT_FOUND: exitCodes.usage,
  STORE_CREDENTIALS: exitCodes.toolError,
  STORE_DENIED: exitCodes.toolError,
  STORE_UNREACHABLE: exitCodes.toolError,
  STORE_FULL: exitCodes.toolError,
  STORE_KEY: exitCodes.toolError,
  STORE_DIGEST: exitCodes.toolError,
  STORE_FAILED: exitCodes.toolError,
  STACK_NOT_FOUND: exitCodes.usage,
  STACK_VERSION: exitCodes.usage,
  STACK_REFUSES: exitCodes.usage,
  INPUT_TOO_LARGE: exitCodes.usage,
  CODE_INVALID: exitCodes.usage,
  CODE_DAMAGED: exitCodes.toolError,
  AWS_REGION: exitCodes.usage,
  AWS_CREDENTIALS: exitCodes.toolError,
  AWS_DENIED: exitCodes.toolError,
  AWS_UNREACHABLE: exitCodes.toolError,
  AWS_FAILED: exitCodes.toolError,
  DEFINITION_UNSUPPORTED: exitCodes.toolError,
  DEFINITION_FAILED: exitCodes.toolError,
  DESTINATION_EXISTS: exitCodes.usage,
  INPUT_UNREADABLE: exitCodes.usage,
  INTERNAL: exitCodes.toolError,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof errorTable;

export class PawlError extends Error {
  readonly code: ErrorCode;
  /** What the person can do about it; a whole sentence. */
  readonly next: string | undefined;
  /** What was wrong, for programs: field, value, key, path … */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    more: { next?: string; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "PawlError";
    this.code = code;
    this.next = more.next;
    this.details = more.details ?? {};
  }

  get exitCode(): ExitCode {
    return errorTable[this.code];
  }
}

const storeWide: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "STORE_CREDENTIALS",
  "STORE_DENIED",
  "STORE_UNREACHABLE",
  "STORE_NOT_FOUND",
]);

/** Whether the store fails for everybody: then it is no matter of the one run that was looked at. */
export const isStoreWide = (error: PawlError): boolean => storeWide.has(error.code);
