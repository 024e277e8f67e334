import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ReviewReply } from "../../core/answers.ts";
import type { TrainingJobInput } from "../../core/job.ts";
import { openRun } from "../../lambdas/open.ts";
import type { Ports } from "../../lambdas/ports.ts";
import { reviewAttempt } from "../../lambdas/review.ts";
import { FakeWorld, run } from "../../lambdas/testing/fake-world.ts";
import { processesNaming } from "../../test/pawl.ts";
import { type JobUpdate, LocalBatch } from "../batch.ts";

/** The Batch of this machine, with a run that has been opened, and real agents. */
export class BatchWorld {
  readonly world: FakeWorld;
  readonly ports: Ports;
  readonly batch: LocalBatch;
  readonly scratch: string;
  readonly updates: JobUpdate[] = [];
  output = "";
  /** Answers in the place of Review. */
  review: (payload: unknown) => Promise<ReviewReply>;
  readonly #heard: { text: string; resolve: () => void }[] = [];

  constructor(root: string, world: FakeWorld, metadata: string | undefined) {
    this.world = world;
    this.ports = world.ports();
    this.review = reviewAttempt(this.ports);
    this.scratch = join(root, "scratch");
    this.batch = new LocalBatch({
      scratch: this.scratch,
      storeAddress: world.store.address,
      ...(metadata === undefined ? {} : { metadata }),
      review: (payload) => this.review(payload),
      onUpdate: (update) => this.updates.push(update),
      onOutput: (_, chunk) => {
        this.output += chunk;
        for (const { text, resolve } of this.#heard) if (this.output.includes(text)) resolve();
      },
    });
  }

  static async make(
    root: string,
    script: string,
    more: Partial<TrainingJobInput> = {},
    metadata?: string,
  ): Promise<BatchWorld> {
    const world = await FakeWorld.make(root);
    const batchWorld = new BatchWorld(root, world, metadata);
    const folder = join(root, "source");
    await mkdir(folder);
    await writeFile(join(folder, "train.sh"), script);
    const job = { name: "digits", command: ["sh", "train.sh"], epochs: 2, ...more };
    await openRun(batchWorld.ports)({
      input: { job, source: { folder } },
      driver: { id: "a", execution: "a" },
    });
    onTestFinished(async () => {
      batchWorld.batch.killAll();
      await batchWorld.batch.close();
      for (const pid of await processesNaming(root)) process.kill(pid, "SIGKILL");
    });
    return batchWorld;
  }

  submit(attempt = 1): Promise<unknown> {
    const Environment = Object.entries({ PAWL_RUN: run, PAWL_ATTEMPT: String(attempt), PAWL_SEQUENCE: "1" });
    return this.batch.submitAndWait({
      JobName: `${run}-${attempt}`,
      JobQueue: "the-queue",
      JobDefinition: "the-definition",
      ContainerOverrides: {
        Environment: Environment.map(([Name, Value]) => ({ Name, Value })),
        ResourceRequirements: [{ Type: "VCPU", Value: "4" }],
      },
    });
  }

  async saying(text: string): Promise<void> {
    if (this.output.includes(text)) return;
    await new Promise<void>((resolve) => this.#heard.push({ text, resolve }));
  }
}
