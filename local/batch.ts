import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { type PipeReply, PipeRequest } from "../agent/reviewer.ts";
import { within } from "../agent/within.ts";
import type { ReviewReply } from "../core/answers.ts";
import { PawlError } from "../core/errors.ts";
import { installation } from "../installation.ts";
import type { JobRef, JobSight, Jobs } from "../lambdas/ports.ts";
import { StateError } from "./interpreter.ts";
import { killAttempt, removeAttempt } from "./scratch.ts";

/** What Train asks of Batch, in the casing of the state machine. */
const SubmitJob = z.object({
  JobName: z.string(),
  JobQueue: z.string(),
  JobDefinition: z.string(),
  ContainerOverrides: z.object({
    Environment: z.array(z.object({ Name: z.string(), Value: z.string() })),
  }),
});
type SubmitJob = z.infer<typeof SubmitJob>;

type JobStatus = "SUBMITTED" | "RUNNABLE" | "STARTING" | "RUNNING" | "SUCCEEDED" | "FAILED";

export interface JobUpdate {
  readonly jobId: string;
  readonly attempt: number;
  readonly status: JobStatus;
}

export interface LocalBatchOptions {
  /** The run's scratch folder. */
  readonly scratch: string;
  readonly storeAddress: string;
  /** The Review function. */
  readonly review: (payload: unknown) => Promise<ReviewReply>;
  readonly onUpdate?: (update: JobUpdate) => void;
  /** Where agents ask whether their machine is to be reclaimed; as in this process's environment where it is absent. */
  readonly metadata?: string;
  /** What an agent or trainer prints. */
  readonly onOutput?: (jobId: string, chunk: Uint8Array) => void;
}

interface Job {
  readonly id: string;
  readonly attempt: number;
  readonly folder: string;
  readonly agent: ChildProcess;
  /** Settles when the agent has ended and all of its output is read. */
  readonly ended: Promise<void>;
  /** Settles when nothing of the job is left: no process, no folder. */
  readonly gone: Promise<void>;
  reclaimed: string | undefined;
  /** Why it is ended, where somebody asked Batch to. */
  terminated: string | undefined;
}

/** How long the last output of an agent that has ended is waited for. */
const lastOutputMilliseconds = 2000;

/** How long a container has between SIGTERM and SIGKILL. */
const stopTimeoutMilliseconds = 30_000;

/** What a person can do to the Batch of this machine. */
export type LocalBatchControl = Pick<LocalBatch, "killAll" | "reclaim">;

/** AWS Batch on this machine: each job is an agent as a child process, with Batch's states and result shapes. */
export class LocalBatch implements Jobs {
  readonly #options: LocalBatchOptions;
  readonly #jobs = new Map<string, Job>();
  /** Set when everything is to end: nothing is started any more. */
  #closing = false;
  /** Why everything is ended, where somebody asked that it be. */
  #terminated: string | undefined;

  constructor(options: LocalBatchOptions) {
    this.#options = options;
  }

  /** `batch:submitJob.sync`: runs a job to its end. Throws StateError as the service integration does. */
  async submitAndWait(parameters: unknown): Promise<unknown> {
    const request = SubmitJob.parse(parameters);
    const jobId = randomUUID();
    const environment = Object.fromEntries(
      request.ContainerOverrides.Environment.map(({ Name, Value }) => [Name, Value]),
    );
    const attempt = Number(environment.PAWL_ATTEMPT);
    const update = (status: JobStatus) => this.#options.onUpdate?.({ jobId, attempt, status });
    const createdAt = Date.now();
    for (const status of ["SUBMITTED", "RUNNABLE", "STARTING"] as const) update(status);
    const folder = join(this.#options.scratch, `${attempt}-${jobId}`);
    await mkdir(folder, { recursive: true });
    if (this.#closing) throw new StateError("States.TaskFailed", "this machine's Batch is closing");
    if (this.#terminated !== undefined) {
      await removeAttempt(folder);
      update("FAILED");
      throw new StateError("States.TaskFailed", JSON.stringify(unstarted(request, jobId, this.#terminated)));
    }
    const job = this.#start(jobId, attempt, folder, environment);
    const startedAt = Date.now();
    update("RUNNING");
    await job.ended;
    const stoppedAt = Date.now();
    await job.gone;
    const detail = describe(request, job, { createdAt, startedAt, stoppedAt });
    update(detail.Status);
    if (detail.Status === "FAILED") throw new StateError("States.TaskFailed", JSON.stringify(detail));
    return detail;
  }

  async look(job: JobRef): Promise<JobSight> {
    return { running: this.#find(job) !== undefined };
  }

  async end(job: JobRef, _reason: string): Promise<JobSight> {
    const found = this.#find(job);
    if (found === undefined) return { running: false };
    await stop(found);
    return { running: false, stoppedAt: new Date().toISOString() };
  }

  /** Starts no job any more, and ends every one as Batch would: SIGTERM, and SIGKILL for those that do not leave. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#jobs.values()].map(stop));
  }

  /**
   * TerminateJob for every job, those included that are submitted from now on: SIGTERM, and SIGKILL for those that do not
   * leave. They fail with this reason.
   */
  terminateAll(reason: string): void {
    this.#terminated = reason;
    for (const job of this.#jobs.values()) {
      job.terminated = reason;
      // What goes wrong with it is told to whoever waits for the job.
      stop(job).catch(() => {});
    }
  }

  /** Kills everything at once. `close` then waits until it is gone. */
  killAll(): void {
    this.#closing = true;
    for (const job of this.#jobs.values()) killJob(job);
  }

  /** Takes the host away from every running job, without a word, as a spot reclaim does. */
  reclaim(instance: string): void {
    for (const job of this.#jobs.values()) {
      if (hasEnded(job.agent)) continue;
      job.reclaimed = instance;
      killJob(job);
    }
  }

  #find({ attempt, batchJobId }: JobRef): Job | undefined {
    return [...this.#jobs.values()].find(
      (job) => job.attempt === attempt && (batchJobId === undefined || job.id === batchJobId),
    );
  }

  #start(id: string, attempt: number, folder: string, environment: Record<string, string>): Job {
    const agent = fork(installation.agent, [], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      execArgv: [],
      env: {
        ...process.env,
        ...(this.#options.metadata === undefined ? {} : { PAWL_METADATA: this.#options.metadata }),
        ...environment,
        PAWL_STORE: this.#options.storeAddress,
        PAWL_ATTEMPT_FOLDER: folder,
        AWS_BATCH_JOB_ID: id,
      },
    });
    const output = (chunk: Uint8Array) => this.#options.onOutput?.(id, chunk);
    agent.stdout?.on("data", output);
    agent.stderr?.on("data", output);
    agent.on("message", (message) => void this.#answer(agent, message));
    const ended = new Promise<void>((resolve) => {
      const closed = new Promise((read) => agent.once("close", read));
      agent.once("exit", () => void within(lastOutputMilliseconds, closed).then(resolve));
      // Also of a signal or an answer that did not reach it; only one that has no number was never started.
      agent.on("error", () => agent.pid === undefined && resolve());
    });
    // A container's processes end with it.
    const gone = ended.then(() => removeAttempt(folder)).finally(() => this.#jobs.delete(id));
    gone.catch(() => {});
    const job: Job = { id, attempt, folder, agent, ended, gone, reclaimed: undefined, terminated: undefined };
    this.#jobs.set(id, job);
    return job;
  }

  async #answer(agent: ChildProcess, message: unknown): Promise<void> {
    const parsed = PipeRequest.safeParse(message);
    if (!parsed.success) return;
    const { id, request } = parsed.data;
    let reply: PipeReply;
    try {
      reply = { id, reply: await this.#options.review(request) };
    } catch (error) {
      const full = error instanceof PawlError && error.code === "STORE_FULL";
      reply = { id, error: { message: error instanceof Error ? error.message : String(error), full } };
    }
    if (agent.connected) agent.send(reply, () => {});
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

async function stop(job: Job): Promise<void> {
  job.agent.kill("SIGTERM");
  const timer = setTimeout(() => killJob(job), stopTimeoutMilliseconds);
  await job.gone;
  clearTimeout(timer);
}

function killJob({ agent, folder }: Job): void {
  try {
    // Its number may be another's once it has ended.
    if (agent.pid !== undefined && !hasEnded(agent)) process.kill(-agent.pid, "SIGKILL");
  } catch {
    // Nothing of the group is left.
  }
  killAttempt(folder);
}

/** A job that was terminated before it had a host, as Batch describes it. */
const unstarted = (request: SubmitJob, JobId: string, StatusReason: string) => ({
  JobId,
  JobName: request.JobName,
  JobQueue: request.JobQueue,
  JobDefinition: request.JobDefinition,
  Status: "FAILED",
  StatusReason,
  Attempts: [],
  Container: { Environment: request.ContainerOverrides.Environment },
});

/** The job as Batch describes it. */
function describe(
  request: SubmitJob,
  job: Job,
  times: { createdAt: number; startedAt: number; stoppedAt: number },
) {
  const { signalCode, exitCode } = job.agent;
  const code = signalCode === null ? exitCode : 128 + constants.signals[signalCode];
  const reclaimed = job.reclaimed !== undefined;
  const exit = reclaimed || code === null ? {} : { ExitCode: code };
  const Status: "SUCCEEDED" | "FAILED" = code === 0 && !reclaimed ? "SUCCEEDED" : "FAILED";
  const StatusReason = reclaimed
    ? `Host EC2 (instance ${job.reclaimed}) terminated.`
    : (job.terminated ?? "Essential container in task exited");
  return {
    JobId: job.id,
    JobName: request.JobName,
    JobQueue: request.JobQueue,
    JobDefinition: request.JobDefinition,
    Status,
    StatusReason,
    CreatedAt: times.createdAt,
    StartedAt: times.startedAt,
    StoppedAt: times.stoppedAt,
    Attempts: [{ Container: exit, StartedAt: times.startedAt, StoppedAt: times.stoppedAt, StatusReason }],
    Container: { ...exit, Environment: request.ContainerOverrides.Environment },
  };
}
