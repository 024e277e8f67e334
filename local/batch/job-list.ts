import type { JobDetail } from "./job.ts";
import { refused } from "./service-error.ts";
import type { ListJobs } from "./shapes.ts";

/** What ListJobs is asked for: by one filter, or by status (RUNNING unless another is given). */
export function wanted({ filters = [], jobStatus = "RUNNING" }: ListJobs): (job: JobDetail) => boolean {
  const [filter, another] = filters;
  if (filter === undefined) return ({ status }) => status === jobStatus;
  if (another !== undefined) throw refused("only one filter can be used at a time");
  const { name, values } = filter;
  switch (name) {
    case "JOB_NAME":
      return ({ jobName }) => values.some((value) => matches(jobName, value));
    case "JOB_DEFINITION":
      return ({ jobDefinition }) => values.some((value) => matchesDefinition(jobDefinition, value));
    case "BEFORE_CREATED_AT":
      return ({ createdAt }) => values.some((value) => createdAt < Number(value));
    case "AFTER_CREATED_AT":
      return ({ createdAt }) => values.some((value) => createdAt > Number(value));
    default:
      throw refused(`there is no filter ${name}`);
  }
}

/** Without regard to case; an asterisk at the end stands for any more. */
function matches(text: string, value: string): boolean {
  const [one, other] = [text.toLowerCase(), value.toLowerCase()];
  return other.endsWith("*") ? one.startsWith(other.slice(0, -1)) : one === other;
}

const matchesDefinition = (arn: string, value: string): boolean => {
  const name = arn.split("job-definition/").at(-1) ?? arn;
  return matches(arn, value) || matches(name, value) || matches(name.split(":")[0] ?? name, value);
};

export function summary({
  jobArn,
  jobId,
  jobName,
  createdAt,
  status,
  statusReason,
  startedAt,
  stoppedAt,
  ...job
}: JobDetail) {
  const { exitCode, reason } = job.container;
  const container = { exitCode, reason };
  return {
    ...{ jobArn, jobId, jobName, createdAt, status, statusReason, startedAt, stoppedAt },
    jobDefinition: job.jobDefinition,
    ...(exitCode === undefined && reason === undefined ? {} : { container }),
  };
}
