import * as z from "zod";
import { classOfExitCode, type FailureClass } from "./failure.ts";
import type { Outcome } from "./outcome.ts";
import { terminationPrefix } from "./stop.ts";

/** What is known of an attempt's end. */
export interface Signals {
  /** The attempt's own account, where it left one. */
  readonly outcome: Outcome | undefined;
  /** What the state machine's Catch got, where Train failed. */
  readonly caught: { readonly error: string; readonly cause: string | undefined } | undefined;
}

export interface Diagnosis {
  readonly class: FailureClass;
  readonly message: string;
  /** ISO 8601 with milliseconds. */
  readonly stoppedAt?: string;
}

/** A moment since 1970 that has four digits for its year; what is none counts as not given. */
const Milliseconds = z
  .number()
  .min(0)
  .max(Date.UTC(9999, 11, 31));

/** The fields of a Batch job that are read, in the casing of a state machine's cause. Nothing else of it is looked at. */
const BatchJob = z.object({
  StatusReason: z.string().optional(),
  StoppedAt: Milliseconds.optional().catch(undefined),
  Container: z.object({ ExitCode: z.number().optional(), Reason: z.string().optional() }).optional(),
});
type BatchJob = z.infer<typeof BatchJob>;

interface Facts {
  readonly error: string;
  readonly cause: string;
  readonly job: BatchJob | undefined;
}

interface Rule {
  readonly class: FailureClass;
  readonly when: (facts: Facts) => string | false | undefined;
}

const reasonStarts =
  (prefix: string) =>
  ({ job }: Facts) =>
    job?.StatusReason?.startsWith(prefix) === true && job.StatusReason;

/** First match wins, most specific first. Reads parsed fields only: the raw cause holds the job's own words too. */
const rules: readonly Rule[] = [
  { class: "job-timeout", when: reasonStarts("Job attempt duration exceeded timeout") },
  { class: "interrupted", when: reasonStarts(terminationPrefix) },
  { class: "spot-reclaim", when: reasonStarts("Host EC2 (instance") },
  {
    class: "container-oom",
    when: ({ job }) =>
      /^OutOfMemoryError|[Cc]ontainer killed/.test(job?.Container?.Reason ?? "") && job?.Container?.Reason,
  },
  {
    class: "job-timeout",
    when: ({ error }) => error === "States.Timeout" && "the state machine's time limit passed",
  },
  {
    class: "batch-api-throttled",
    when: ({ error, cause }) => error === "Batch.TooManyRequestsException" && cause,
  },
  {
    class: "batch-api-error",
    when: ({ error, cause }) => error.startsWith("Batch.") && `${error}: ${cause}`,
  },
  {
    class: "unknown",
    when: ({ job }) => {
      const code = job?.Container?.ExitCode;
      if (code === undefined) return job?.StatusReason;
      const killed = code > 128 ? ` (killed by signal ${code - 128})` : "";
      return `the Batch job ended with exit code ${code}${killed} and left no account of its end`;
    },
  },
  {
    class: "sfn-error",
    when: ({ job }) =>
      job !== undefined &&
      `the Batch job failed, and gave ${job.Container?.Reason ?? "no reason and no exit code"}`,
  },
  { class: "sfn-error", when: ({ error, cause }) => `${error}: ${cause}` },
];

/** A job that Batch calls succeeded, with a run that is not where it should be. */
const notTrained: Diagnosis = {
  class: "unknown",
  message: "the attempt ended well, but its segment is not committed",
};

function parseJob(caught: Signals["caught"]): BatchJob | undefined {
  if (caught?.error !== "States.TaskFailed" || caught.cause === undefined) return undefined;
  try {
    return BatchJob.safeParse(JSON.parse(caught.cause)).data;
  } catch {
    return undefined;
  }
}

/** Names what happened to an attempt: by its own account first, then by Batch's fields, then by the error alone. */
export function diagnose({ outcome, caught }: Signals): Diagnosis {
  if (outcome !== undefined && outcome.result !== "done") {
    const own = outcome.result === "left" || outcome.result === "duplicate" ? "unknown" : outcome.result;
    return { class: own, message: outcome.message, stoppedAt: outcome.endedAt };
  }
  if (caught === undefined) return notTrained;
  const job = parseJob(caught);
  const facts: Facts = { error: caught.error, cause: (caught.cause ?? "no cause given").slice(0, 500), job };
  for (const rule of rules) {
    const message = rule.when(facts);
    if (typeof message !== "string") continue;
    const stoppedAt = job?.StoppedAt === undefined ? undefined : new Date(job.StoppedAt).toISOString();
    const named = rule.class === "unknown" ? classOfExitCode(job?.Container?.ExitCode ?? 0) : undefined;
    return { class: named ?? rule.class, message, ...(stoppedAt === undefined ? {} : { stoppedAt }) };
  }
  return notTrained;
}
