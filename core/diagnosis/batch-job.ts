import { type Fields, field, isFields, listField, textField } from "./json.ts";

/** What Batch says of one attempt's end. */
export interface JobEnd {
  readonly statusReason: string | undefined;
  /** The container's own reason. */
  readonly reason: string | undefined;
  readonly exitCode: number | undefined;
}

/** The fields of a Batch job that are read; nothing else of it is looked at: the rest holds the job's own words. */
export interface BatchJob extends JobEnd {
  readonly status: string | undefined;
  /** The oldest first. */
  readonly attempts: readonly JobEnd[];
  /** Milliseconds since 1970. */
  readonly stoppedAt: number | undefined;
  /** Whether its environment says that it is a job of Pawl's. */
  readonly ours: boolean;
  /** Whether it was read from whole JSON. */
  readonly whole: boolean;
}

/** Any of these tells that something is a job. `stoppedReason` is an ECS task's. */
const names = [
  "statusReason",
  "jobId",
  "jobArn",
  "jobDefinition",
  "jobQueue",
  "container",
  "attempts",
  "containers",
  "exitCode",
  "stoppedReason",
  "logStreamName",
];

const statuses = new Set(["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]);

const isJob = (value: Fields): boolean =>
  names.some((name) => field(value, name) !== undefined) ||
  (statuses.has(textField(value, "status") ?? "") && field(value, "executionArn") === undefined);

/** `value` as a Batch job, in either casing, whole or partial; `undefined` where it is none. */
export function readBatchJob(value: unknown, whole: boolean): BatchJob | undefined {
  const job = firstJob(value);
  if (!isFields(job) || !isJob(job)) return undefined;
  const stoppedAt = field(job, "stoppedAt");
  return {
    ...readEnd(job),
    status: (textField(job, "status") ?? textField(job, "lastStatus"))?.toUpperCase(),
    attempts: [...listField(job, "attempts"), ...listField(job, "eksAttempts")].slice(0, 20).map(readEnd),
    stoppedAt:
      typeof stoppedAt === "number" && stoppedAt >= 0 && stoppedAt < 253402300800000 ? stoppedAt : undefined,
    ours: listField(container(job), "environment")
      .slice(0, 200)
      .some((variable) => ["PAWL_ATTEMPT", "PAWL_RUN"].includes(textField(variable, "name") ?? "")),
    whole,
  };
}

/** Of an answer of DescribeJobs or ListJobs, or of an event of EventBridge, the job: of several, the first that failed. */
function firstJob(value: unknown): unknown {
  const detail = field(value, "detail");
  if (isFields(detail)) return firstJob(detail);
  const lists = [value, field(value, "jobs"), field(value, "jobSummaryList"), field(value, "tasks")];
  const jobs = lists.find((list) => Array.isArray(list));
  if (!Array.isArray(jobs)) return value;
  return jobs.find((job) => textField(job, "status")?.toUpperCase() === "FAILED") ?? jobs[0];
}

/** The container; of several the one that tells most. */
function container(job: unknown): unknown {
  const single = field(job, "container");
  if (single !== undefined) return single;
  const tasks = [
    ...listField(field(job, "ecsProperties"), "taskProperties"),
    ...listField(job, "taskProperties"),
  ];
  const several = [job, ...tasks].flatMap((holder) => listField(holder, "containers")).slice(0, 20);
  const failed = (each: unknown) => (field(each, "exitCode") ?? 0) !== 0;
  return (
    several.find((each) => textField(each, "reason") !== undefined) ?? several.find(failed) ?? several[0]
  );
}

function readEnd(job: unknown): JobEnd {
  // The container may be given alone.
  const inside = container(job) ?? job;
  const exitCode = field(inside, "exitCode") ?? field(job, "exitCode");
  return {
    statusReason: reasonField(job, "statusReason") ?? reasonField(job, "stoppedReason"),
    reason: reasonField(inside, "reason"),
    exitCode: typeof exitCode === "number" && Number.isInteger(exitCode) ? exitCode : undefined,
  };
}

/** A console shows `-` for nothing. */
function reasonField(value: unknown, name: string): string | undefined {
  const text = textField(value, name);
  return text === "-" ? undefined : text;
}
