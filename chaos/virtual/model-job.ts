import * as z from "zod";
import type { FaultKind } from "../faults.ts";
import type { Fate } from "./fates.ts";
import type { Life } from "./life.ts";

export const SubmitJob = z.object({
  JobName: z.string(),
  JobQueue: z.string(),
  ContainerOverrides: z.object({ Environment: z.array(z.object({ Name: z.string(), Value: z.string() })) }),
});
export type SubmitJob = z.infer<typeof SubmitJob>;

/** What a container's processes are to its Batch job. */
export interface Contained {
  /** The exit code, once it has ended by itself. */
  run(): Promise<number>;
  /** SIGTERM. */
  leave(): void;
  /** The host is to be reclaimed in so many seconds. */
  notice(seconds: number): void;
  /** Only the trainer: it exits, crashes or hangs. */
  ofTrainer(kind: FaultKind): void;
}

export interface ModelJob {
  readonly id: string;
  readonly attempt: number;
  readonly sequence: number;
  readonly request: SubmitJob;
  readonly createdAt: number;
  readonly instance: string;
  /** What it was known to be, to Batch. */
  status: "RUNNABLE" | "STARTING" | "RUNNING" | "SUCCEEDED" | "FAILED";
  /** Its processes; they can outlive what Batch knows of them. */
  life: Life;
  contained: Contained | undefined;
  fate: Fate | undefined;
  /** The fault that ended it, or that it suffered last. */
  suffered: FaultKind | undefined;
  /** Somebody asked for its end while it ran, or waited to. */
  terminated: boolean;
  startedAt?: number;
  /** When Batch says it stopped, and when its processes did. */
  stoppedAt?: number;
  diedAt?: number;
  exitCode?: number;
  statusReason?: string;
  containerReason?: string;
  readonly ended: PromiseWithResolvers<void>;
}

/** Whether Batch calls it ended. */
export const batchIsDone = ({ status }: ModelJob): boolean => status === "SUCCEEDED" || status === "FAILED";

/** A moment of virtual time as Batch tells it. */
export const millisecondsOf = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Date.UTC(2026, 0, 1) + Math.round(seconds * 1000);

/** The job as Batch describes it, in the casing of a state machine's cause. */
export function describe(job: ModelJob) {
  const { request, exitCode, containerReason } = job;
  const exit = {
    ...(exitCode === undefined ? {} : { ExitCode: exitCode }),
    ...(containerReason === undefined ? {} : { Reason: containerReason }),
  };
  const StatusReason = job.statusReason ?? "Essential container in task exited";
  const times = {
    ...(job.startedAt === undefined ? {} : { StartedAt: millisecondsOf(job.startedAt) }),
    StoppedAt: millisecondsOf(job.stoppedAt),
  };
  return {
    JobId: job.id,
    JobName: request.JobName,
    JobQueue: request.JobQueue,
    Status: job.status,
    StatusReason,
    CreatedAt: millisecondsOf(job.createdAt),
    ...times,
    Attempts: job.startedAt === undefined ? [] : [{ Container: exit, ...times, StatusReason }],
    Container: { ...exit, Environment: request.ContainerOverrides.Environment },
    RetryStrategy: { Attempts: 1, EvaluateOnExit: [] },
  };
}
