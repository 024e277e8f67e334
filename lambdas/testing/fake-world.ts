import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ReviewReply } from "../../core/answers.ts";
import { defaultLimits } from "../../core/decision.ts";
import type { TrainingJobInput } from "../../core/job.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { outcomeKey } from "../../core/keys.ts";
import { Next } from "../../core/next.ts";
import { Outcome } from "../../core/outcome.ts";
import type { RunState } from "../../core/run-state.ts";
import type { StopAnswer } from "../../core/stop.ts";
import { saveCheckpoint } from "../../store/checkpoints.ts";
import { openFolderStore } from "../../store/folder.ts";
import { openJournal } from "../../store/journal.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { openRun } from "../open.ts";
import type { JobRef, JobSight, Ports } from "../ports.ts";
import { recoverRun } from "../recover.ts";
import { reviewAttempt, reviewRun } from "../review.ts";
import { stopRun } from "../stop.ts";

export const run = "digits-1";
export const job: TrainingJobInput = {
  name: "digits",
  command: ["true"],
  epochs: 3,
  retry: { baseDelay: "0s" },
};
const at = "2026-11-21T10:00:00.000Z";

/** The handlers with a real store, and with drivers and Batch jobs that are only said to live. */
export class FakeWorld {
  readonly root: string;
  readonly store: ObjectStore;
  /** Drivers that live, by id. */
  readonly alive = new Set<string>();
  /** Batch jobs that run, by id; `""` for those that have not claimed anything. */
  readonly running = new Set<string>();
  /** What was asked to end, in order. */
  readonly ended: JobRef[] = [];
  /** Whether a job that is asked to end does so at once. */
  endsAtOnce = true;
  #millisecond = 0;

  constructor(root: string, store: ObjectStore) {
    this.root = root;
    this.store = store;
  }

  static async make(root: string): Promise<FakeWorld> {
    return new FakeWorld(root, await openFolderStore(join(root, "store")));
  }

  /** Ports as one process has them, on any store that leads to this world's. */
  ports(store: ObjectStore = this.store, more: Partial<Ports> = {}): Ports {
    return {
      store,
      journal: openJournal(store),
      liveness: {
        check: async (_run, driver) => ({
          alive: this.alive.has(driver.id),
          who: `execution ${driver.execution}`,
        }),
      },
      jobs: {
        look: async (of) => this.#sight(of),
        end: async (of) => {
          this.ended.push(of);
          if (this.endsAtOnce) this.running.delete(of.batchJobId ?? "");
          return this.#sight(of);
        },
      },
      now: () => {
        this.#millisecond += 1;
        return new Date(Date.parse(at) + this.#millisecond);
      },
      random: () => 0.5,
      limits: defaultLimits,
      ...more,
    };
  }

  open(driver: string, input: unknown = { job }, ports = this.ports()): Promise<Next> {
    return openRun(ports)({ input, driver: { id: driver, execution: driver } });
  }

  /** Sends an attempt's event; the sequence hint is 0: nothing is known. */
  async send(event: Record<string, unknown>, ports = this.ports()): Promise<ReviewReply> {
    const whole = { run, attempt: 1, batchJobId: "job-a", ...event };
    return await reviewAttempt(ports)({ sequence: 0, event: whole });
  }

  claim = (more: Record<string, unknown> = {}, ports = this.ports()) =>
    this.send({ type: "started", ...more }, ports);

  report = (epoch: number, more: Record<string, unknown> = {}, ports = this.ports()) =>
    this.send({ type: "report", report: { epoch, metrics: { loss: epoch }, seconds: 1 }, ...more }, ports);

  commit = (epoch: number, more: Record<string, unknown> = {}, ports = this.ports()) =>
    this.send({ type: "commit", epoch, checkpoint: `${epoch}-1`, removed: [], ...more }, ports);

  async trained(more: Record<string, unknown> = {}, ports = this.ports()): Promise<Next> {
    const trained = { run, generation: 1, sequence: 0, attempt: 1, result: { jobId: "job-a" }, ...more };
    return Next.parse(await reviewRun(ports)({ trained }));
  }

  recover(
    error: { Error: string; Cause?: string },
    more: Record<string, unknown> = {},
    ports = this.ports(),
  ) {
    return recoverRun(ports)({ run, generation: 1, sequence: 0, attempt: 1, error, ...more });
  }

  stop(id: string, more: Record<string, unknown> = {}, ports = this.ports()): Promise<StopAnswer> {
    return stopRun(ports)({ run, id, by: "alice@laptop", ...more });
  }

  /** A complete checkpoint of an attempt. */
  async save(epoch: number, attempt = 1, metrics: Record<string, number> = { loss: epoch }): Promise<string> {
    const folder = join(this.root, `save-${epoch}-${attempt}`);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "model.txt"), `epoch ${epoch} of attempt ${attempt}`);
    const jobDigest = "d".repeat(64);
    const reports = [{ epoch, metrics, seconds: 2 }];
    const saved = { run, attempt, epoch, folder, jobDigest, at, reports };
    return (await saveCheckpoint(this.store, saved)).name;
  }

  async leaveOutcome(more: Partial<Outcome>, batchJobId = "job-a", attempt = 1): Promise<void> {
    const outcome: Outcome = {
      version: 1,
      run,
      attempt,
      batchJobId,
      result: "user-exception",
      message: "the trainer exited with code 3",
      logTail: [],
      startedAt: at,
      endedAt: at,
      ...more,
    };
    await this.store.create(outcomeKey(run, attempt, batchJobId), JSON.stringify(outcome));
  }

  /** Trains epochs up to this one, as an attempt does that goes well. */
  async train(through: number, attempt = 1, batchJobId = "job-a"): Promise<void> {
    const own = { attempt, batchJobId };
    await this.claim(own);
    for (let epoch = ((await this.state())?.progress.epoch ?? 0) + 1; epoch <= through; epoch += 1) {
      await this.save(epoch, attempt);
      await this.report(epoch, own);
      await this.commit(epoch, { ...own, checkpoint: `${epoch}-${attempt}` });
    }
  }

  /** The account that an attempt has left. */
  async outcome(batchJobId: string, attempt = 1): Promise<Outcome | undefined> {
    const object = await this.store.read(outcomeKey(run, attempt, batchJobId));
    return object === undefined ? undefined : Outcome.parse(JSON.parse(Buffer.from(object.bytes).toString()));
  }

  async journal(): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for await (const entry of openJournal(this.store).entries(run)) entries.push(entry);
    return entries;
  }

  async state(): Promise<RunState | undefined> {
    return (await this.journal()).at(-1)?.state;
  }

  async kinds(): Promise<string[]> {
    return (await this.journal()).map(({ decision }) => decision.kind);
  }

  #sight({ batchJobId }: JobRef): JobSight {
    return this.running.has(batchJobId ?? "") ? { running: true } : { running: false, stoppedAt: at };
  }
}
