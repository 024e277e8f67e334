import type { JobDetail } from "@aws-sdk/client-batch";
import type { Aws } from "./aws.ts";
import { isNamed } from "./errors.ts";

export type { JobDetail } from "@aws-sdk/client-batch";

/** DescribeJobs takes no more at once. */
const mostDescribed = 100;

const load = () => import("./sdk/batch.ts");

/** What is asked of AWS Batch. */
export class Batch {
  readonly #aws: Aws;
  readonly #client;

  constructor(aws: Aws) {
    this.#aws = aws;
    this.#client = aws.client(async () => (await load()).BatchClient);
  }

  /** The jobs that Batch still knows; one that ended is forgotten after a day. */
  async describe(ids: readonly string[]): Promise<JobDetail[]> {
    const jobs: JobDetail[] = [];
    for (let from = 0; from < ids.length; from += mostDescribed) {
      const part = ids.slice(from, from + mostDescribed);
      const answer = await this.#aws.run({ action: "batch:DescribeJobs" }, async () => {
        const { DescribeJobsCommand } = await load();
        return await (await this.#client()).send(new DescribeJobsCommand({ jobs: part }));
      });
      jobs.push(...(answer.jobs ?? []));
    }
    return jobs;
  }

  /** The ids of the jobs of a queue that have this name, whatever their status. */
  async idsNamed(queue: string, name: string): Promise<string[]> {
    const ids: string[] = [];
    let nextToken: string | undefined;
    do {
      const answer = await this.#aws.run({ action: "batch:ListJobs", resource: queue }, async () => {
        const { ListJobsCommand } = await load();
        const command = new ListJobsCommand({
          jobQueue: queue,
          // With a filter, jobs of every status are listed.
          filters: [{ name: "JOB_NAME", values: [name] }],
          nextToken,
        });
        return await (await this.#client()).send(command);
      });
      for (const { jobId, jobName } of answer.jobSummaryList ?? []) {
        // The filter takes capital and small letters for the same.
        if (jobName === name && jobId !== undefined) ids.push(jobId);
      }
      nextToken = answer.nextToken === "" ? undefined : answer.nextToken;
    } while (nextToken !== undefined);
    return ids;
  }

  /** Asks for a job's end: one that waits is cancelled, one that runs gets SIGTERM. Of one that has ended it changes nothing. */
  async terminate(jobId: string, reason: string): Promise<void> {
    try {
      await this.#aws.run({ action: "batch:TerminateJob", resource: jobId }, async () => {
        const { TerminateJobCommand } = await load();
        await (await this.#client()).send(new TerminateJobCommand({ jobId, reason }));
      });
    } catch (error) {
      // It has ended, and is forgotten already.
      if (isNamed(error, "ClientException") && /not (exist|found)/i.test(String(error))) return;
      throw error;
    }
  }
}
