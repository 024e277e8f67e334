import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JobDefinitions } from "./definitions.ts";
import { EmulatedInstance, metadataAddress } from "./instance.ts";
import { BatchJob } from "./job.ts";
import { summary, wanted } from "./job-list.ts";
import { JobLog } from "./log.ts";
import { type Mount, onHost, withParameters } from "./mounts.ts";
import { type Account, arnOf, checkName, page } from "./names.ts";
import { makeFolder, startProcess } from "./process-container.ts";
import type { Queues } from "./queues.ts";
import { refused, ServiceError } from "./service-error.ts";
import { DescribeJobs, EndJob, ListJobs, SubmitJob } from "./shapes.ts";
import { merged, variables, vcpusOf } from "./submission.ts";
import { Throttle, tooManyRequests } from "./throttle.ts";

export interface JobsOptions {
  readonly account: Account;
  readonly definitions: JobDefinitions;
  readonly queues: Queues;
  /** The folder that jobs work below. */
  readonly folder: string;
  readonly mounts: readonly Mount[];
  /** What every job is given beside what is submitted. */
  readonly environment: Readonly<Record<string, string>>;
  /** Virtual CPUs of all jobs at once on this machine; unlimited where it is absent. */
  readonly maxVcpus?: number;
  /** How long a job is STARTING. */
  readonly startMilliseconds: number;
  readonly stopMilliseconds: number;
}

interface Held {
  readonly job: BatchJob;
  readonly log: JobLog;
  readonly queue: string;
  readonly vcpus: number;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number | undefined;
  /** The compute environment that it has been placed in. */
  placed?: string;
  /** What it runs on, while it does. */
  instance?: EmulatedInstance;
}

/** Batch forgets a job that is over after a day; this many are more than anybody looks for. */
const keptJobs = 5000;

const tooLarge =
  "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the CPU requirement of the job.";

/** The jobs of an account: each waits until there is room, and runs as a process of this machine. */
export class AccountJobs {
  readonly throttle = new Throttle();
  readonly #options: JobsOptions;
  readonly #held = new Map<string, Held>();
  #closing = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  submit(body: unknown): object {
    if (this.throttle.refuses()) throw new ServiceError(tooManyRequests.code, tooManyRequests.message, 429);
    const { account, definitions, queues } = this.#options;
    const given = SubmitJob.parse(body);
    checkName("jobName", given.jobName);
    for (const field of ["arrayProperties", "nodeOverrides", "dependsOn"]) {
      const value = given[field];
      if (value !== undefined && !(Array.isArray(value) && value.length === 0))
        throw refused(`${field} is not emulated`);
    }
    const definition = definitions.find(given.jobDefinition);
    const queue = queues.queue(given.jobQueue);
    if (queue.state !== "ENABLED") throw refused(`JobQueue ${given.jobQueue} is not ENABLED`);
    if (JSON.stringify(given.containerOverrides ?? {}).length > 8192)
      throw refused("Container Overrides length must be at most 8192");
    const id = randomUUID();
    const container = merged(definition, given);
    const parameters = { ...definition.parameters, ...given.parameters };
    const job = new BatchJob({
      id,
      arn: arnOf(account, "job", id),
      request: {
        jobName: given.jobName,
        jobQueue: queue.jobQueueArn,
        jobDefinition: definition.jobDefinitionArn,
        container,
        more: { parameters, tags: { ...given.tags }, dependsOn: [], platformCapabilities: ["EC2"] },
      },
      logStreamName: `${definition.jobDefinitionName}/default/${id.replaceAll("-", "")}`,
      stopMilliseconds: this.#options.stopMilliseconds,
    });
    const held: Held = {
      job,
      log: new JobLog(),
      queue: queue.jobQueueName,
      vcpus: vcpusOf(container),
      command: withParameters(container.command ?? [], parameters),
      environment: variables(container.environment, queue.jobQueueName),
      timeoutSeconds: (given.timeout ?? definition.timeout)?.attemptDurationSeconds,
    };
    this.#held.set(id, held);
    this.#forget();
    job.wait();
    this.place();
    return { jobArn: arnOf(account, "job", id), jobName: given.jobName, jobId: id };
  }

  describe(body: unknown): object {
    const { jobs } = DescribeJobs.parse(body);
    if (jobs.length === 0 || jobs.length > 100) throw refused("1 to 100 jobs can be described at once");
    return { jobs: jobs.flatMap((id) => this.#held.get(idIn(id))?.job.describe() ?? []) };
  }

  list(body: unknown): object {
    const given = ListJobs.parse(body);
    if (given.jobQueue === undefined)
      throw refused("jobQueue is required: no other kind of list is emulated");
    const { jobQueueName } = this.#options.queues.queue(given.jobQueue);
    const found = [...this.#held.values()]
      .filter(({ queue }) => queue === jobQueueName)
      .map(({ job }) => job.describe())
      .filter(wanted(given))
      .toSorted((one, other) => other.createdAt - one.createdAt)
      .map(summary);
    const { items, ...more } = page(found, given);
    return { jobSummaryList: items, ...more };
  }

  terminate(body: unknown): object {
    const { jobId, reason } = EndJob.parse(body);
    this.job(jobId).terminate(reason);
    // What waited behind it may come now.
    this.place();
    return {};
  }

  cancel(body: unknown): object {
    const { jobId, reason } = EndJob.parse(body);
    this.job(jobId).cancel(reason);
    this.place();
    return {};
  }

  job(given: string): BatchJob {
    return this.#find(given).job;
  }

  log(given: string): JobLog {
    return this.#find(given).log;
  }

  has(arn: string): boolean {
    return this.#held.has(idIn(arn));
  }

  /** A job's instance says that it is to be taken away in so many seconds. */
  notice(given: string, seconds: number): void {
    const { instance } = this.#find(given);
    if (instance === undefined) throw refused(`Job ${given} is on no instance`);
    instance.notice(seconds);
  }

  all(): readonly BatchJob[] {
    return [...this.#held.values()].map(({ job }) => job);
  }

  /** Ends every job at once, and waits until nothing of them is left. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const job of this.all()) {
      job.terminate("the emulated Batch is closing");
      job.kill();
    }
    await Promise.allSettled(this.all().map((job) => job.over));
  }

  #find(given: string): Held {
    const found = this.#held.get(idIn(given));
    if (found === undefined) throw refused(`Job ${given} does not exist`);
    return found;
  }

  /** Starts what there is room for, once the answer that is being given has been given. */
  place(): void {
    setImmediate(() => this.#place());
  }

  /** In the order of submission within each queue. */
  #place(): void {
    if (this.#closing) return;
    const blocked = new Set<string>();
    for (const held of this.#held.values()) {
      if (held.job.status !== "RUNNABLE" || blocked.has(held.queue)) continue;
      const room = this.#room(held);
      if (room.environment === undefined) {
        held.job.wait(room.reason);
        // Batch's queues are first in, first out: the head blocks those behind it.
        blocked.add(held.queue);
      } else if (held.job.place()) {
        held.placed = room.environment;
        void this.#run(held).finally(() => this.#place());
      }
    }
  }

  #room({ queue, vcpus }: Held): { environment?: string; reason?: string } {
    const { queues, maxVcpus = Number.POSITIVE_INFINITY } = this.#options;
    const capacities = queues.capacities(queues.queue(queue));
    if (capacities.every((each) => each.vcpus < vcpus)) return { reason: tooLarge };
    if (this.#inUse(() => true) + vcpus > maxVcpus) return {};
    const found = capacities.find(
      (each) => this.#inUse(({ placed }) => placed === each.environment) + vcpus <= each.vcpus,
    );
    return found === undefined ? {} : { environment: found.environment };
  }

  #inUse(counts: (held: Held) => boolean): number {
    return [...this.#held.values()]
      .filter((held) => held.placed !== undefined && !held.job.isOver && counts(held))
      .reduce((sum, { vcpus }) => sum + vcpus, 0);
  }

  async #run(held: Held): Promise<void> {
    const { job, log, command, environment, timeoutSeconds } = held;
    const { folder, mounts, startMilliseconds, queues } = this.#options;
    const own = join(folder, job.id);
    const instance = new EmulatedInstance(queues.instance(held.placed ?? ""));
    held.instance = instance;
    let timer: NodeJS.Timeout | undefined;
    try {
      await makeFolder(own);
      const metadata = { container: metadataAddress, host: await instance.start() };
      // One that is ended meanwhile gives its place to others at once.
      if (startMilliseconds > 0)
        await Promise.race([sleep(startMilliseconds, undefined, { ref: false }), job.over]);
      if (timeoutSeconds !== undefined) timer = setTimeout(() => job.timeOut(), timeoutSeconds * 1000);
      const mapped = (text: string) => onHost([...mounts, metadata], text);
      await job.run(() =>
        startProcess({
          jobId: job.id,
          command: command.map(mapped),
          environment: {
            ...this.#options.environment,
            TMPDIR: own,
            AWS_BATCH_CE_NAME: held.placed ?? "",
            ...Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, mapped(value)])),
          },
          folder: own,
          onOutput: (chunk) => log.add(chunk),
        }),
      );
    } catch (error) {
      log.add(Buffer.from(`${String(error)}\n`));
      job.terminate(`the emulated Batch cannot run it: ${String(error)}`);
    } finally {
      clearTimeout(timer);
      instance.stop();
      delete held.instance;
    }
  }

  #forget(): void {
    for (const [id, { job }] of this.#held) {
      if (this.#held.size <= keptJobs) return;
      if (job.isOver) this.#held.delete(id);
    }
  }
}

const idIn = (given: string): string => given.split(":job/").at(-1) ?? given;
