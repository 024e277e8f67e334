import * as z from "zod";

const Lines = z.object({ lines: z.array(z.object({ message: z.string() })) });
const Jobs = z.object({
  jobs: z.array(z.looseObject({ jobId: z.string(), jobName: z.string(), status: z.string() })),
});
export type EmulatedJob = z.infer<typeof Jobs>["jobs"][number];

/** What tests do to the emulated Batch that nobody can ask AWS for. */
export class BatchControl {
  readonly address: string;

  constructor(address: string) {
    this.address = address;
  }

  /** SIGKILL to everything of a job, which nobody says a word about. */
  async killJob(jobId: string): Promise<void> {
    await this.#post("kill", { jobId });
  }

  /** The kernel kills a job's container, which needs more memory than it has. */
  async outOfMemory(jobId: string): Promise<void> {
    await this.#post("out-of-memory", { jobId });
  }

  /** Takes a job's host away without a word. */
  async reclaim(jobId: string, instance: string): Promise<void> {
    await this.#post("reclaim", { jobId, instance });
  }

  /** A job's instance says that it is to be taken away in so many seconds. */
  async notice(jobId: string, seconds: number): Promise<void> {
    await this.#post("notice", { jobId, seconds });
  }

  /** The next `count` submissions are refused with 429. */
  async throttle(count: number): Promise<void> {
    await this.#post("throttle", { count });
  }

  /** What a job has printed. */
  async log(jobId: string): Promise<string> {
    return Lines.parse(await this.#post("log", { jobId }))
      .lines.map(({ message }) => `${message}\n`)
      .join("");
  }

  /** Every job that there is, as DescribeJobs describes it, in the order of submission. */
  async jobs(): Promise<EmulatedJob[]> {
    return Jobs.parse(await this.#post("jobs", {})).jobs;
  }

  async #post(what: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.address}/_pawl/${what}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${what}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}
