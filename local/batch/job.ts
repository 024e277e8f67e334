import { randomUUID } from "node:crypto";
import { constants } from "node:os";
import type { Container, Exit } from "./container.ts";

export type JobStatus = "SUBMITTED" | "RUNNABLE" | "STARTING" | "RUNNING" | "SUCCEEDED" | "FAILED";

export interface NameAndValue {
  readonly name: string;
  readonly value: string;
}

/** What was submitted, as it is described again. */
export interface JobRequest {
  readonly jobName: string;
  readonly jobQueue: string;
  readonly jobDefinition: string;
  /** Whatever else is described of the container: image, command, environment, resource requirements, roles. */
  readonly container: { readonly environment: readonly NameAndValue[]; readonly [key: string]: unknown };
  /** Whatever else is described of the job: parameters, tags, retry strategy. */
  readonly more?: Readonly<Record<string, unknown>>;
}

interface ContainerEnd {
  readonly exitCode?: number;
  /** At most 255 characters, as ECS gives it. */
  readonly reason?: string;
}

interface AttemptDetail {
  readonly container: ContainerEnd & { readonly logStreamName?: string };
  readonly startedAt?: number;
  readonly stoppedAt: number;
  readonly statusReason: string;
}

/** A job as DescribeJobs describes it; times are milliseconds since 1970. */
export interface JobDetail {
  readonly jobId: string;
  readonly jobArn?: string;
  readonly jobName: string;
  readonly jobQueue: string;
  readonly jobDefinition: string;
  readonly status: JobStatus;
  readonly statusReason?: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly stoppedAt?: number;
  /** TerminateJob was asked for it; there only where it was. */
  readonly isTerminated?: true;
  readonly attempts: readonly AttemptDetail[];
  readonly container: JobRequest["container"] & ContainerEnd & { readonly logStreamName?: string };
  readonly [key: string]: unknown;
}

const statusReasons = {
  exited: "Essential container in task exited",
  notStarted: "Task failed to start",
  timedOut: "Job attempt duration exceeded timeout",
  reclaimed: (instance: string) => `Host EC2 (instance ${instance}) terminated.`,
} as const;

const outOfMemoryReason = "OutOfMemoryError: Container killed due to memory usage";

export interface BatchJobOptions {
  readonly id?: string;
  readonly arn?: string;
  readonly request: JobRequest;
  readonly logStreamName?: string;
  /** What a container has between SIGTERM and SIGKILL. */
  readonly stopMilliseconds: number;
  readonly onStatus?: (status: JobStatus) => void;
}

/** How an attempt's end was brought about from outside, where it was. */
type Brought =
  | { readonly by: "terminate"; readonly reason: string }
  | { readonly by: "timeout" }
  | { readonly by: "reclaim"; readonly instance: string }
  | { readonly by: "memory" };

/**
 * One job of AWS Batch: its states, its end and what is said of it, wherever its container runs. It begins as SUBMITTED.
 */
export class BatchJob {
  readonly id: string;
  readonly request: JobRequest;
  readonly createdAt = Date.now();
  readonly #options: BatchJobOptions;
  readonly #over = Promise.withResolvers<JobDetail>();
  #status: JobStatus = "SUBMITTED";
  #waitingFor: string | undefined;
  #container: Container | undefined;
  #brought: Brought | undefined;
  #killed = false;
  #killing: NodeJS.Timeout | undefined;
  #startedAt: number | undefined;
  #stoppedAt: number | undefined;
  #end: (ContainerEnd & { statusReason: string }) | undefined;

  constructor(options: BatchJobOptions) {
    this.id = options.id ?? randomUUID();
    this.request = options.request;
    this.#options = options;
    // Who runs it is told; nobody else need listen.
    this.#over.promise.catch(() => {});
    options.onStatus?.("SUBMITTED");
  }

  get status(): JobStatus {
    return this.#status;
  }

  get isOver(): boolean {
    return this.#status === "SUCCEEDED" || this.#status === "FAILED";
  }

  /** Settles when nothing of it is left. Rejects only where what it left could not be removed. */
  get over(): Promise<JobDetail> {
    return this.#over.promise;
  }

  /** Waits for an instance; `reason` is why there is none, where that is known. */
  wait(reason?: string): void {
    if (this.#status === "SUBMITTED") this.#enter("RUNNABLE");
    this.#waitingFor = reason;
  }

  /** Has been given an instance. Says whether it is to be started on it: not one that has been ended meanwhile. */
  place(): boolean {
    if (this.#status !== "RUNNABLE") return false;
    this.#waitingFor = undefined;
    this.#enter("STARTING");
    return true;
  }

  /** Starts its container and follows it to its end. */
  async run(start: () => Container): Promise<JobDetail> {
    if (this.#status !== "STARTING") return await this.over;
    const container = start();
    this.#container = container;
    this.#startedAt = Date.now();
    this.#enter("RUNNING");
    const exit = await container.ended;
    this.#stoppedAt = Date.now();
    try {
      await container.gone;
    } catch (error) {
      this.#over.reject(error);
      throw error;
    } finally {
      clearTimeout(this.#killing);
    }
    this.#conclude(exit);
    return await this.over;
  }

  /** TerminateJob: SIGTERM, and SIGKILL to what does not leave. One that has no container yet has failed with that. */
  terminate(reason: string): void {
    this.#bring({ by: "terminate", reason });
  }

  /** CancelJob: does nothing to a job that has been given an instance. */
  cancel(reason: string): void {
    if (this.#status === "SUBMITTED" || this.#status === "RUNNABLE") this.terminate(reason);
  }

  /** It has run for longer than it was allowed to. */
  timeOut(): void {
    this.#bring({ by: "timeout" });
  }

  /** Takes its host away without a word, as a spot reclaim does. */
  reclaim(instance: string): void {
    if (this.#container === undefined || this.#container.hasEnded()) return;
    this.#brought = { by: "reclaim", instance };
    this.#container.kill();
  }

  /** The kernel kills its container, which needs more memory than it has. */
  outOfMemory(): void {
    if (this.#container === undefined || this.#container.hasEnded()) return;
    this.#brought = { by: "memory" };
    this.#container.kill();
  }

  /** SIGKILL to everything of it, which nobody says a word about. */
  kill(): void {
    if (this.#container === undefined) return;
    this.#killed ||= !this.#container.hasEnded();
    this.#container.kill();
  }

  /** SIGTERM, and SIGKILL to what does not leave; settles when nothing is left. Why is not said. */
  async stop(): Promise<void> {
    this.#ask();
    await this.#container?.gone;
  }

  #bring(brought: Extract<Brought, { by: "terminate" | "timeout" }>): void {
    if (this.isOver) return;
    this.#brought ??= brought;
    if (this.#container === undefined) this.#conclude(undefined);
    else this.#ask();
  }

  #ask(): void {
    if (this.#container === undefined || this.isOver) return;
    this.#container.stop();
    this.#killing ??= setTimeout(() => this.#container?.kill(), this.#options.stopMilliseconds);
  }

  #enter(status: JobStatus): void {
    this.#status = status;
    this.#options.onStatus?.(status);
  }

  #conclude(exit: Exit | undefined): void {
    this.#end = endOf(exit, this.#brought, this.#killed);
    this.#stoppedAt ??= Date.now();
    const succeeded = this.#end.exitCode === 0 && this.#brought === undefined;
    this.#enter(succeeded ? "SUCCEEDED" : "FAILED");
    this.#over.resolve(this.describe());
  }

  /** As DescribeJobs describes it now. */
  describe(): JobDetail {
    const { request, logStreamName, arn } = this.#options;
    const { statusReason = this.#waitingFor, ...ended } = this.#end ?? {};
    const log = logStreamName === undefined || this.#startedAt === undefined ? {} : { logStreamName };
    const startedAt = this.#startedAt === undefined ? {} : { startedAt: this.#startedAt };
    const stoppedAt = this.#stoppedAt;
    const attempts =
      this.#startedAt === undefined || stoppedAt === undefined || this.#end === undefined
        ? []
        : [
            {
              container: { ...ended, ...log },
              ...startedAt,
              stoppedAt,
              statusReason: this.#end.statusReason,
            },
          ];
    return {
      ...request.more,
      ...(arn === undefined ? {} : { jobArn: arn }),
      jobId: this.id,
      jobName: request.jobName,
      jobQueue: request.jobQueue,
      jobDefinition: request.jobDefinition,
      status: this.#status,
      ...(statusReason === undefined ? {} : { statusReason }),
      createdAt: this.createdAt,
      ...startedAt,
      ...(stoppedAt === undefined ? {} : { stoppedAt }),
      ...(this.#brought?.by === "terminate" ? { isTerminated: true } : {}),
      attempts,
      container: { ...request.container, ...ended, ...log },
    };
  }
}

/** What is said of an end. */
function endOf(
  exit: Exit | undefined,
  brought: Brought | undefined,
  killed: boolean,
): ContainerEnd & { statusReason: string } {
  const killCode = 128 + constants.signals.SIGKILL;
  const code = codeOf(exit);
  const exitCode = code === undefined ? {} : { exitCode: code };
  switch (brought?.by) {
    case "reclaim":
      return { statusReason: statusReasons.reclaimed(brought.instance) };
    case "memory":
      return { exitCode: killCode, reason: outOfMemoryReason, statusReason: statusReasons.exited };
    case "terminate":
      return { ...exitCode, statusReason: brought.reason };
    case "timeout":
      return { ...exitCode, statusReason: statusReasons.timedOut };
    case undefined:
  }
  if (exit?.startError !== undefined)
    return { reason: exit.startError.slice(0, 255), statusReason: statusReasons.notStarted };
  return { ...(killed ? { exitCode: killCode } : exitCode), statusReason: statusReasons.exited };
}

/** A process that a signal has ended has 128 and the signal's number, as in a shell. */
function codeOf(exit: Exit | undefined): number | undefined {
  if (exit === undefined) return undefined;
  if (exit.signal !== null) return 128 + constants.signals[exit.signal];
  return exit.code ?? undefined;
}
