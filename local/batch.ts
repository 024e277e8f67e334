import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { type PipeReply, PipeRequest } from "../agent/reviewer.ts";
import type { ReviewReply } from "../core/answers.ts";
import { PawlError } from "../core/errors.ts";
import { installation } from "../installation.ts";
import type { JobRef, JobSight, Jobs } from "../lambdas/ports.ts";
import { type Container, endOf, hasEnded, killGroup } from "./batch/container.ts";
import { BatchJob, type JobStatus } from "./batch/job.ts";
import { pascalCase } from "./batch/pascal-case.ts";
import { Throttle, tooManyRequests } from "./batch/throttle.ts";
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

interface Attempt {
  readonly attempt: number;
  readonly job: BatchJob;
}

/** How long a container has between SIGTERM and SIGKILL. */
const stopMilliseconds = 30_000;

/** What a person can do to the Batch of this machine. */
export type LocalBatchControl = Pick<
  LocalBatch,
  "killAll" | "reclaim" | "throttle" | "outOfMemory" | "killJob"
>;

/** AWS Batch inside this process: each job is an agent as a child process, which asks Review through its pipe. */
export class LocalBatch implements Jobs {
  readonly #options: LocalBatchOptions;
  /** What is there of jobs: each until nothing of it is left. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #throttle = new Throttle();
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
    if (this.#throttle.refuses()) throw throttled();
    const given = request.ContainerOverrides.Environment.map(({ Name, Value }) => ({
      name: Name,
      value: Value,
    }));
    const environment = Object.fromEntries(given.map(({ name, value }) => [name, value]));
    const attempt = Number(environment.PAWL_ATTEMPT);
    const id = randomUUID();
    const job = new BatchJob({
      id,
      request: {
        jobName: request.JobName,
        jobQueue: request.JobQueue,
        jobDefinition: request.JobDefinition,
        container: { environment: given },
      },
      stopMilliseconds,
      onStatus: (status) => this.#options.onUpdate?.({ jobId: id, attempt, status }),
    });
    job.wait();
    job.place();
    const folder = join(this.#options.scratch, `${attempt}-${id}`);
    await mkdir(folder, { recursive: true });
    if (this.#closing) throw new StateError("States.TaskFailed", "this machine's Batch is closing");
    if (this.#terminated !== undefined) {
      await removeAttempt(folder);
      job.terminate(this.#terminated);
    }
    this.#attempts.set(id, { attempt, job });
    const detail = await job
      .run(() => this.#start(id, folder, environment))
      .finally(() => this.#attempts.delete(id));
    const described = pascalCase(detail);
    if (detail.status === "FAILED") throw new StateError("States.TaskFailed", JSON.stringify(described));
    return described;
  }

  async look(job: JobRef): Promise<JobSight> {
    return { running: this.#find(job) !== undefined };
  }

  async end(job: JobRef, _reason: string): Promise<JobSight> {
    const found = this.#find(job);
    if (found === undefined) return { running: false };
    await found.job.stop();
    return { running: false, stoppedAt: new Date().toISOString() };
  }

  /** Starts no job any more, and ends every one as Batch would: SIGTERM, and SIGKILL for those that do not leave. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#jobs().map((job) => job.stop()));
  }

  /**
   * TerminateJob for every job, those included that are submitted from now on: SIGTERM, and SIGKILL for those that do not
   * leave. They fail with this reason.
   */
  terminateAll(reason: string): void {
    this.#terminated = reason;
    for (const job of this.#jobs()) job.terminate(reason);
  }

  /** Kills everything at once. `close` then waits until it is gone. */
  killAll(): void {
    this.#closing = true;
    for (const job of this.#jobs()) job.kill();
  }

  /** Takes the host away from every running job, without a word, as a spot reclaim does. */
  reclaim(instance: string): void {
    for (const job of this.#jobs()) job.reclaim(instance);
  }

  /** The next `count` submissions are refused as an account's that has asked for too much. */
  throttle(count: number): void {
    this.#throttle.next(count);
  }

  /** The kernel kills an attempt's containers, which need more memory than they have. */
  outOfMemory(attempt: number): void {
    for (const job of this.#jobs(attempt)) job.outOfMemory();
  }

  /** SIGKILL to everything of an attempt, which nobody says a word about. */
  killJob(attempt: number): void {
    for (const job of this.#jobs(attempt)) job.kill();
  }

  #jobs(attempt?: number): BatchJob[] {
    return [...this.#attempts.values()]
      .filter((each) => attempt === undefined || each.attempt === attempt)
      .map(({ job }) => job);
  }

  #find({ attempt, batchJobId }: JobRef): Attempt | undefined {
    return [...this.#attempts.values()].find(
      (each) => each.attempt === attempt && (batchJobId === undefined || each.job.id === batchJobId),
    );
  }

  #start(id: string, folder: string, environment: Record<string, string>): Container {
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
    const ended = endOf(agent);
    // A container's processes end with it.
    const gone = ended.then(() => removeAttempt(folder)).finally(() => this.#attempts.delete(id));
    gone.catch(() => {});
    return {
      ended,
      gone,
      hasEnded: () => hasEnded(agent),
      stop: () => void agent.kill("SIGTERM"),
      kill: () => {
        killGroup(agent);
        killAttempt(folder);
      },
    };
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

/** What the service integration says of a submission that Batch refused. */
const throttled = (): StateError =>
  new StateError(
    `Batch.${tooManyRequests.code}`,
    `${tooManyRequests.message} (Service: AWSBatch; Status Code: 429; Error Code: ${tooManyRequests.code}; Request ID: ${randomUUID()}; Proxy: null)`,
  );
