import type { FailureClass } from "../failure.ts";

interface RetryRule {
  readonly class: FailureClass;
  readonly form: RegExp;
  readonly retryable: boolean;
}

/** What is the rule for a class is not so for each of its causes. First match wins. */
const rules: readonly RetryRule[] = [
  {
    class: "capacity-never-available",
    form: /MISCONFIGURATION:|ACTION_REQUIRED|CE\(s\) associated|InvalidFleetConfiguration/,
    retryable: false,
  },
  {
    class: "batch-api-error",
    form: /Status ?Code: 5\d\d|Batch\.ServerException|\(ServerException\)|InternalError/,
    retryable: true,
  },
  {
    class: "cannot-pull-image",
    form: /timeout|timed out|canceled|retried \d+ time.{0,400}dial tcp|toomanyrequests/i,
    retryable: true,
  },
  {
    class: "cannot-pull-image",
    form: /manifest (?:unknown|for .{1,200} not found)|not found|does not exist|access denied|not authorized|AccessDenied|no basic auth/i,
    retryable: false,
  },
  {
    class: "data-loader/s3",
    form: /SlowDown|Slow Down|reduce your request rate|\b5\d\d\b|time(?:d )?out/i,
    retryable: true,
  },
  {
    class: "data-loader/s3",
    form: /NoSuchKey|NoSuchBucket|Access ?Denied|Forbid|\((?:403|404)\)|does not exist|Not Found/i,
    retryable: false,
  },
  {
    class: "sfn-error",
    form: /States\.(?:Runtime|DataLimitExceeded)|executing the state '/,
    retryable: false,
  },
];

/** Whether the same thing tried again can go well, where `text`, the strongest sign, says so. */
export const retryable = (name: FailureClass | "none", text: string): boolean | undefined =>
  rules.find((rule) => rule.class === name && rule.form.test(text))?.retryable;
