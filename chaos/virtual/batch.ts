import type { JobRef, JobSight, Jobs } from "../../lambdas/ports.ts";
import type { FaultKind } from "../faults.ts";
import { fates, hostLost } from "./fates.ts";
import type { Harm } from "./harm.ts";
import { Life } from "./life.ts";
import { StateFailure } from "./machine.ts";
import {
  batchIsDone,
  type Contained,
  describe,
  type ModelJob,
  millisecondsOf,
  SubmitJob,
} from "./model-job.ts";
import type { VirtualTime } from "./time.ts";

export interface BatchWorld {
  readonly time: VirtualTime;
  readonly harm: Harm;
  /** Makes the processes of a job that starts. */
  readonly contain: (job: ModelJob) => Contained;
  /** By how many seconds the clocks of hosts differ at most. */
  readonly skewSeconds: number;
  /** Mean seconds to what befalls an attempt. */
  readonly meanSeconds: number;
  readonly say: (text: string) => void;
}

/** AWS Batch: jobs wait for a host, run there, and end in all the ways that the corpus of signals shows. */
export class ModelBatch implements Jobs {
  readonly jobs: ModelJob[] = [];
  readonly #world: BatchWorld;
  readonly #service: Life;

  constructor(world: BatchWorld) {
    this.#world = world;
    this.#service = new Life(world.time, "Batch");
  }

  /** `batch:submitJob.sync`. Throws StateFailure as the service integration does. */
  async submitAndWait(parameters: unknown): Promise<unknown> {
    const { harm } = this.#world;
    const request = SubmitJob.parse(parameters);
    await this.#service.sleep(0.2);
    const fault = harm.ofSubmission();
    if (fault === "submission refused")
      throw harm.chance.happens("refused how", 0.9)
        ? new StateFailure(
            "Batch.TooManyRequestsException",
            "Too Many Requests (Service: Batch, Status Code: 429)",
          )
        : new StateFailure("Batch.ServerException", "an internal error (Service: Batch, Status Code: 500)");
    const copies = [this.#submit(request)];
    // An answer that was lost: the service integration asks again, and hears of the second only.
    if (fault === "submitted twice") copies.push(this.#submit(request));
    const watched = copies[Math.floor(harm.chance.number("watched") * copies.length)] ?? copies[0];
    if (watched === undefined) throw new Error("nothing was submitted");
    await watched.ended.promise;
    await this.#service.sleep(harm.chance.between("event", 0.5, 20));
    const detail = describe(watched);
    if (detail.Status === "FAILED") throw new StateFailure("States.TaskFailed", JSON.stringify(detail));
    return detail;
  }

  async look(ref: JobRef): Promise<JobSight> {
    await this.#service.sleep(0.1);
    return sight(this.#find(ref));
  }

  async end(ref: JobRef, reason: string): Promise<JobSight> {
    await this.#service.sleep(0.2);
    for (const job of this.#find(ref)) this.terminate(job, reason);
    return sight(this.#find(ref));
  }

  /** TerminateJob: SIGTERM, and 30 s later SIGKILL. */
  terminate(job: ModelJob, reason: string): void {
    if (batchIsDone(job)) return;
    job.terminated = true;
    job.statusReason ??= reason;
    if (job.status !== "RUNNING") {
      this.#conclude(job, {});
      job.life.end();
      return;
    }
    job.contained?.leave();
    this.#service.in(30, () => this.#kill(job, 137));
  }

  get anythingRuns(): boolean {
    return this.jobs.some((job) => job.life.alive || !batchIsDone(job));
  }

  /** Kills a job that runs, if one does. */
  killOne(): void {
    const job = this.jobs.findLast(({ life, status }) => life.alive && status === "RUNNING");
    if (job === undefined) return;
    this.suffer(job, "kill (137)");
    this.#kill(job, 137);
  }

  #find({ attempt, batchJobId }: JobRef): ModelJob[] {
    return this.jobs.filter(
      (job) => job.attempt === attempt && (batchJobId === undefined || job.id === batchJobId),
    );
  }

  #submit(request: SubmitJob): ModelJob {
    const { time, harm, skewSeconds, meanSeconds } = this.#world;
    const { chance } = harm;
    const environment = new Map(
      request.ContainerOverrides.Environment.map(({ Name, Value }) => [Name, Value]),
    );
    const id = `job-${this.jobs.length + 1}`;
    const skew = skewSeconds === 0 ? 0 : chance.between("host's clock", -skewSeconds, skewSeconds);
    const job: ModelJob = {
      id,
      attempt: Number(environment.get("PAWL_ATTEMPT")),
      sequence: Number(environment.get("PAWL_SEQUENCE")),
      request,
      createdAt: time.now,
      instance: `i-0${chance.whole("instance", 0x1000_0000, 0xffff_fff0).toString(16)}`,
      status: "RUNNABLE",
      life: new Life(time, id, skew),
      contained: undefined,
      fate: harm.fate(meanSeconds),
      suffered: undefined,
      terminated: false,
      ended: Promise.withResolvers<void>(),
    };
    this.jobs.push(job);
    if (harm.strikes("submission", "never", 0.04)) {
      this.suffer(job, "never started");
      // Batch cancels what blocks the head of a queue; the others are Sweep's, where they are an attempt's only job.
      const head = chance.happens("at the head", 0.5);
      const blocked = head ? 1800 : chance.between("becomes the head", 7200, 14_400);
      this.#service.in(blocked, () => {
        if (job.status === "RUNNABLE") this.terminate(job, "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY");
      });
      return job;
    }
    this.#service.in(chance.between("capacity", 5, 240), () => this.#start(job));
    return job;
  }

  #start(job: ModelJob): void {
    const { time, say } = this.#world;
    if (batchIsDone(job)) return;
    job.status = "RUNNING";
    job.startedAt = time.now;
    say(`${job.id} of attempt ${job.attempt} runs on ${job.instance}`);
    job.contained = this.#world.contain(job);
    job.life.onEnd(() => {
      job.diedAt = time.now;
    });
    job.contained.run().then((exitCode) => {
      say(`${job.id} exits with ${exitCode}`);
      this.#conclude(job, { exitCode });
      job.life.end();
    });
    if (job.fate !== undefined) this.#service.in(job.fate.after, () => this.#strike(job));
  }

  suffer(job: ModelJob, kind: FaultKind): void {
    job.suffered = kind;
    this.#world.harm.note(kind, job.id);
  }

  #strike(job: ModelJob): void {
    const { harm, say } = this.#world;
    const { fate } = job;
    if (fate === undefined || harm.calm || !job.life.alive || batchIsDone(job)) return;
    say(`${job.id}: ${fate.kind}`);
    this.suffer(job, fate.kind);
    fates[fate.kind].strike({
      job,
      chance: harm.chance,
      kill: (exitCode) => this.#kill(job, exitCode),
      loseHost: () => this.#loseHost(job),
      conclude: () => this.#conclude(job, {}),
      in: (seconds, act) => this.#service.in(seconds, act),
    });
  }

  #kill(job: ModelJob, exitCode: number | undefined): void {
    if (!job.life.alive) return;
    job.life.end();
    this.#conclude(job, exitCode === undefined ? {} : { exitCode });
  }

  #loseHost(job: ModelJob): void {
    if (!job.life.alive) return;
    job.life.end();
    if (batchIsDone(job)) return;
    job.statusReason = hostLost(job);
    // Batch can be minutes late with it.
    this.#service.in(this.#world.harm.chance.between("batch is told", 5, 300), () => this.#conclude(job, {}));
  }

  #conclude(job: ModelJob, { exitCode }: { exitCode?: number }): void {
    if (batchIsDone(job)) return;
    job.stoppedAt = this.#world.time.now;
    if (exitCode !== undefined) job.exitCode = exitCode;
    job.status = exitCode === 0 ? "SUCCEEDED" : "FAILED";
    job.ended.resolve();
  }
}

const sight = (jobs: readonly ModelJob[]): JobSight => {
  const underWay = jobs.filter((job) => !batchIsDone(job));
  const running = underWay.length > 0;
  const stopped = jobs.flatMap(({ stoppedAt }) => millisecondsOf(stoppedAt) ?? []);
  if (running) return { running, waiting: underWay.every(({ status }) => status === "RUNNABLE") };
  if (stopped.length === 0) return { running };
  const [only, ...others] = jobs;
  const told = only === undefined || others.length > 0 ? undefined : describe(only);
  return {
    running,
    stoppedAt: new Date(Math.max(...stopped)).toISOString(),
    ...(told?.Status === "FAILED"
      ? { caught: { error: "States.TaskFailed", cause: JSON.stringify(told) } }
      : {}),
  };
};
