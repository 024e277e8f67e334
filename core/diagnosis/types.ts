import type { FailureClass } from "../failure.ts";
import type { Market } from "../market.ts";
import type { Outcome } from "../outcome.ts";
import type { Confidence, Sign } from "../sign.ts";
import type { BatchJob } from "./batch-job.ts";

/** What is known of an attempt's end, or of anybody's Batch job. Whatever is absent is not known. */
export interface Signals {
  /** The attempt's own account, where it left one that is its own. */
  readonly outcome?: Outcome | undefined;
  /** What the state machine's Catch got. */
  readonly caught?: { readonly error: string; readonly cause?: string | undefined } | undefined;
  /** The job's fields, where they came another way than in a cause. */
  readonly job?: BatchJob | undefined;
  /** The last lines of the log. */
  readonly log?: readonly string[] | undefined;
  /** Whether it is known to be a job of Pawl's; else its own environment tells. */
  readonly ours?: boolean;
  /** What the host was bought as, where that is known. */
  readonly market?: Market | undefined;
}

export interface Diagnosis {
  /** `none`: it has not failed, as far as can be seen. */
  readonly class: FailureClass | "none";
  readonly confidence: Confidence;
  /** The strongest first; never none. */
  readonly signs: readonly Sign[];
  /** One sentence for people. */
  readonly message: string;
  /** Where in the trainer's code: exception, file and line. */
  readonly place?: string;
  /** Whether the same thing tried again can go well, where the signs say so. */
  readonly retryable?: boolean;
  /** The host, where one is named. */
  readonly instance?: string;
  /** ISO 8601 with milliseconds. */
  readonly stoppedAt?: string;
}
