import type { Batch, JobDetail } from "../aws/batch.ts";
import { markets } from "../core/market.ts";
import { attemptJobName, queueName } from "../core/stack.ts";
import type { JobRef, JobSight, Jobs } from "./ports.ts";

const ended = new Set<string | undefined>(["SUCCEEDED", "FAILED"]);

/** It has no instance yet. */
const waits = new Set<string | undefined>(["SUBMITTED", "PENDING", "RUNNABLE"]);

/**
 * The Batch jobs of a stack's runs. Of an attempt that nobody has claimed all jobs are meant that have its name, since a
 * submission that was repeated after a lost answer makes two. A job that Batch has forgotten has ended: it forgets them a
 * day after that.
 */
export class BatchJobs implements Jobs {
  readonly #batch: Batch;
  readonly #queues: readonly string[];

  /** `name` is the stack's own name, from which its queues' names follow. */
  constructor(batch: Batch, name: string) {
    this.#batch = batch;
    this.#queues = markets.map((market) => queueName(name, market));
  }

  async look(job: JobRef): Promise<JobSight> {
    return sightOf(await this.#find(job));
  }

  async end(job: JobRef, reason: string): Promise<JobSight> {
    const found = await this.#find(job);
    const running = found.filter(({ status }) => !ended.has(status));
    if (running.length === 0) return sightOf(found);
    for (const { jobId, isTerminated, isCancelled } of running) {
      // Asked again it would have another reason, and Recover goes by the reason.
      if (jobId !== undefined && isTerminated !== true && isCancelled !== true)
        await this.#batch.terminate(jobId, reason);
    }
    // What had not begun has ended already.
    return sightOf(await this.#batch.describe(running.flatMap(({ jobId }) => jobId ?? [])));
  }

  async #find({ run, attempt, batchJobId }: JobRef): Promise<JobDetail[]> {
    if (batchJobId !== undefined) return await this.#batch.describe([batchJobId]);
    const name = attemptJobName(run, attempt);
    const lists = await Promise.all(this.#queues.map((queue) => this.#batch.idsNamed(queue, name)));
    const ids = lists.flat();
    return ids.length === 0 ? [] : await this.#batch.describe(ids);
  }
}

function sightOf(jobs: readonly JobDetail[]): JobSight {
  const running = jobs.filter(({ status }) => !ended.has(status));
  if (running.length > 0) return { running: true, waiting: running.every(({ status }) => waits.has(status)) };
  const last = jobs.toSorted((a, b) => (b.stoppedAt ?? 0) - (a.stoppedAt ?? 0))[0];
  if (last === undefined) return { running: false };
  const { stoppedAt } = last;
  return {
    running: false,
    ...(stoppedAt === undefined ? {} : { stoppedAt: new Date(stoppedAt).toISOString() }),
    ...(last.status === "FAILED" ? { caught: caughtOf(last) } : {}),
  };
}

/** A failed job as a state machine that watched it would have caught it; without what the job itself was given. */
function caughtOf(job: JobDetail): NonNullable<JobSight["caught"]> {
  const { jobId, jobName, jobQueue, jobDefinition, status, statusReason } = job;
  const cause = {
    JobId: jobId,
    JobName: jobName,
    JobQueue: jobQueue,
    JobDefinition: jobDefinition,
    Status: status,
    StatusReason: statusReason,
    CreatedAt: job.createdAt,
    StartedAt: job.startedAt,
    StoppedAt: job.stoppedAt,
    Attempts: (job.attempts ?? []).map(({ container, startedAt, stoppedAt, statusReason: reason }) => ({
      Container: containerOf(container),
      StartedAt: startedAt,
      StoppedAt: stoppedAt,
      StatusReason: reason,
    })),
    Container: containerOf(job.container),
  };
  return { error: "States.TaskFailed", cause: JSON.stringify(cause) };
}

const containerOf = (
  container: {
    exitCode?: number | undefined;
    reason?: string | undefined;
    logStreamName?: string | undefined;
  } = {},
) => ({
  ExitCode: container.exitCode,
  Reason: container.reason,
  LogStreamName: container.logStreamName,
});
