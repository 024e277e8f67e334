/**
 * What went wrong between the trainer and Pawl: a stable `code`, and what to do `next`. Codes of the helper's own:
 * `NO_AGENT`, `AGENT_GONE`, `PROTOCOL`, `MISUSE` and `METRIC_INVALID`; others come from the agent, whose words they carry.
 */
export class TrainerError extends Error {
  readonly code: string;
  readonly next: string | undefined;

  constructor(code: string, message: string, more: { next?: string; cause?: unknown } = {}) {
    // An uncaught error shows its message only, so the next step stands in it.
    const text = `[${code}] ${message}${more.next === undefined ? "" : ` ${more.next}`}`;
    super(text, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "TrainerError";
    this.code = code;
    this.next = more.next;
  }
}
