import type { FailureClass } from "../failure.ts";
import type { Confidence } from "../sign.ts";
import { classOfAwsError } from "./aws-error.ts";
import { type BatchJob, readBatchJob } from "./batch-job.ts";
import type { Finding } from "./diagnose.ts";
import { field, isFields, parseJson, textField } from "./json.ts";
import { plain } from "./plain.ts";

interface ReadCaught {
  /** Only States.TaskFailed carries one. */
  readonly job?: BatchJob;
  readonly finding?: Finding;
}

interface ErrorRule {
  readonly class: FailureClass;
  readonly error: RegExp;
  readonly cause?: RegExp;
  readonly confidence?: Confidence;
}

const throttling = /Too Many Requests|TooManyRequests|Throttl|Rate exceeded|Status Code: 429/i;

/** The event of an execution that somebody stopped; whoever did need not say why. */
export const executionAborted = "ExecutionAborted";

/** By the error's name; where one has several causes, by how the cause begins. First match wins. */
const rules: readonly ErrorRule[] = [
  { class: "job-timeout", error: /^States\.(?:Heartbeat)?Timeout$/ },
  {
    class: "cancelled/terminated-by-user",
    error: /^(?:ExecutionAborted|States\.Aborted|ABORTED)$/i,
    confidence: "medium",
  },
  { class: "batch-api-throttled", error: /^Batch\.(?:TooManyRequests\w*|Throttl\w*|RequestLimitExceeded)/i },
  { class: "batch-api-throttled", error: /^Batch\./, cause: throttling },
  { class: "credentials-expired", error: /^\w*\.?(?:ExpiredToken|RequestExpired)\w*$/ },
  { class: "batch-api-error", error: /^Batch\./ },
  {
    class: "sfn-error",
    error:
      /^(?:States|Lambda|Runtime|Sandbox|Extension|Function|SFN|StepFunctions|DynamoDB|S3|Glue|Events|SQS|SNS)\.\w+$/i,
  },
];

/** What a Catch got: the job where the cause is one, else what the error's name and its text say. */
export function readCaught({
  error,
  cause,
}: {
  readonly error: string;
  readonly cause?: string | undefined;
}): ReadCaught {
  const name = plain(error, 256);
  const rule = rules.find(
    (each) => each.error.test(name) && (each.cause?.test((cause ?? "").slice(0, 2000)) ?? true),
  );
  const parsed = cause === undefined ? undefined : parseJson(cause);
  if (parsed !== undefined && (rule === undefined || name === "States.TaskFailed")) {
    const job = readBatchJob(parsed.value, parsed.whole);
    if (job !== undefined) return { job };
    const lambda = lambdaError(parsed.value);
    if (lambda !== undefined) return { finding: finding("sfn-error", "medium", "Cause.errorType", lambda) };
  }
  // JSON that is no job has nothing to say; its texts are anybody's.
  const words = parsed === undefined || !isFields(parsed.value) ? plain(cause ?? "", 500) : "";
  const text =
    words === ""
      ? `${name === "" ? "an error without a name" : name}, and no cause that can be read`
      : `${name}: ${words}`;
  if (rule !== undefined && name !== "States.TaskFailed")
    return { finding: finding(rule.class, rule.confidence ?? "high", "Error", text) };
  const sdk = words === "" ? undefined : classOfAwsError(words);
  if (sdk !== undefined) return { finding: finding(sdk, "medium", "Cause", words) };
  if (name === "States.TaskFailed") {
    const said = words === "" ? "the Batch job failed, and gave no reason and no exit code" : text;
    return { finding: finding("sfn-error", "low", "Cause", said) };
  }
  return { finding: finding("sfn-error", "low", "Error", text) };
}

const finding = (name: FailureClass, confidence: Confidence, where: string, text: string): Finding => ({
  class: name,
  confidence,
  sign: { where, text: plain(text, 500) },
});

/** A Lambda function's error, as it stands in a cause. */
export function lambdaError(value: unknown): string | undefined {
  const type = textField(value, "errorType");
  const message = field(value, "errorMessage");
  if (type === undefined && typeof message !== "string") return undefined;
  return plain([type, message].filter((part) => typeof part === "string").join(": "), 500);
}
