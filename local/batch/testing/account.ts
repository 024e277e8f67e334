import {
  BatchClient,
  CreateComputeEnvironmentCommand,
  CreateJobQueueCommand,
  DescribeJobsCommand,
  type JobDetail,
  RegisterJobDefinitionCommand,
  SubmitJobCommand,
  type SubmitJobCommandInput,
} from "@aws-sdk/client-batch";
import { expect, onTestFinished } from "vitest";
import { metadataAddress } from "../instance.ts";
import { type BatchServer, type BatchServerOptions, startBatchServer } from "../server.ts";

/** An account of the emulated Batch, spoken to by the real client, that goes when the test has finished. */
export class Account {
  readonly client: BatchClient;
  readonly server: BatchServer;

  constructor(server: BatchServer) {
    this.server = server;
    this.client = new BatchClient({
      endpoint: server.address,
      region: "us-east-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      maxAttempts: 1,
    });
  }

  /** A server with a queue `train`, and a definition `attempt` of what runs `command`. */
  static async make(command: readonly string[], options: BatchServerOptions = {}): Promise<Account> {
    const server = await startBatchServer(options);
    const account = new Account(server);
    onTestFinished(async () => {
      account.client.destroy();
      await server.close();
    });
    await account.client.send(
      new CreateComputeEnvironmentCommand({
        computeEnvironmentName: "gpus",
        type: "MANAGED",
        computeResources: {
          type: "SPOT",
          maxvCpus: 8,
          subnets: ["subnet-1"],
          instanceTypes: ["g5.xlarge"],
        },
      }),
    );
    await account.client.send(
      new CreateJobQueueCommand({
        jobQueueName: "train",
        priority: 1,
        computeEnvironmentOrder: [{ order: 1, computeEnvironment: "gpus" }],
      }),
    );
    await account.register(command);
    return account;
  }

  async register(command: readonly string[]) {
    return await this.client.send(
      new RegisterJobDefinitionCommand({
        jobDefinitionName: "attempt",
        type: "container",
        parameters: { word: "from the definition" },
        containerProperties: {
          image: "python:3.13",
          command: [...command],
          environment: [
            { name: "A", value: "of the definition" },
            { name: "B", value: "kept" },
            { name: "METADATA", value: metadataAddress },
          ],
          resourceRequirements: [
            { type: "VCPU", value: "1" },
            { type: "MEMORY", value: "2048" },
          ],
        },
      }),
    );
  }

  async submit(more: Partial<SubmitJobCommandInput> = {}): Promise<string> {
    const { jobId = "" } = await this.client.send(
      new SubmitJobCommand({ jobName: "job", jobQueue: "train", jobDefinition: "attempt", ...more }),
    );
    return jobId;
  }

  async describe(jobId: string): Promise<JobDetail> {
    const { jobs: [job] = [] } = await this.client.send(new DescribeJobsCommand({ jobs: [jobId] }));
    return job ?? expect.unreachable(`there is no job ${jobId}`);
  }

  async reaching(jobId: string, ...statuses: string[]): Promise<JobDetail> {
    await expect
      .poll(async () => (await this.describe(jobId)).status, { timeout: 20_000, interval: 20 })
      .toSatisfy((status) => statuses.includes(status));
    return await this.describe(jobId);
  }

  ended(jobId: string): Promise<JobDetail> {
    return this.reaching(jobId, "SUCCEEDED", "FAILED");
  }

  async saying(jobId: string, text: string): Promise<void> {
    await expect.poll(() => this.printed(jobId), { timeout: 20_000, interval: 20 }).toContain(text);
  }

  printed(jobId: string): string {
    const lines = this.server.jobs.log(jobId).lines();
    return lines.map(({ message }) => `${message}\n`).join("");
  }

  async control(what: string, body: object): Promise<void> {
    const init = { method: "POST", body: JSON.stringify(body) };
    expect((await fetch(`${this.server.address}/_pawl/${what}`, init)).status).toBe(200);
  }
}

export const shell = (script: string): string[] => ["sh", "-c", script];

/** Says `begun`, and waits for its end. */
export const waiting = shell("echo begun; sleep 600");

/** What the client throws where the server refuses. */
export const refusal = (message: string | RegExp) => ({
  name: "ClientException",
  message: expect.stringMatching(message),
  $metadata: expect.objectContaining({ httpStatusCode: 400 }),
});
