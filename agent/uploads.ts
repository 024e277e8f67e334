import { rm } from "node:fs/promises";
import type { ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { Manifest } from "../core/manifest.ts";
import type { EpochReport } from "../core/report.ts";
import { removeCheckpoint, saveCheckpoint } from "../store/checkpoints.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { AttemptError } from "./attempt-error.ts";

/** An epoch that is trained and reported, with the folder that is the agent's from now on. */
export interface TrainedEpoch {
  readonly report: EpochReport;
  /** `null` for trainers that keep nothing. */
  readonly folder: string | null;
  readonly framework: string | undefined;
  /** Settles when Review has answered the report: a commit never comes before it. */
  readonly reported: Promise<ReviewReply>;
}

export interface UploadContext {
  readonly store: ObjectStore;
  readonly run: string;
  readonly attempt: number;
  readonly batchJobId: string;
  readonly jobDigest: string;
  readonly previous: Manifest | undefined;
  readonly review: (event: SentEvent) => Promise<ReviewReply>;
}

/** Uploads and commits trained epochs in their order, behind the training. The first failure stops the queue. */
export class Uploads {
  readonly #context: UploadContext;
  #previous: Manifest | undefined;
  #queue: Promise<void> = Promise.resolve();
  readonly #committed = new Map<number, PromiseWithResolvers<void>>();
  #removed: string[] = [];
  readonly failure = Promise.withResolvers<never>();

  constructor(context: UploadContext) {
    this.#context = context;
    this.#previous = context.previous;
    this.failure.promise.catch(() => {});
  }

  /** Queues an epoch; epochs come in order. */
  add(epoch: TrainedEpoch): void {
    const committed = Promise.withResolvers<void>();
    committed.promise.catch(() => {});
    this.#committed.set(epoch.report.epoch, committed);
    this.#queue = this.#queue.then(async () => {
      try {
        await this.#commit(epoch);
        this.#committed.delete(epoch.report.epoch);
        committed.resolve();
      } catch (error) {
        committed.reject(error);
        this.failure.reject(error);
        throw error;
      }
    });
    this.#queue.catch(() => {});
  }

  /** Settles when `epoch` is committed (at once, if it was never queued or is done). */
  async committed(epoch: number): Promise<void> {
    await this.#committed.get(epoch)?.promise;
  }

  /** Settles when everything queued is committed. */
  async drain(): Promise<void> {
    await this.#queue;
  }

  /** The dropped checkpoints that are gone and nobody has been told of yet. */
  takeRemoved(): string[] {
    return this.#removed.splice(0);
  }

  async #commit(epoch: TrainedEpoch): Promise<void> {
    const { store, run, attempt, batchJobId, jobDigest, review } = this.#context;
    const { report, folder, framework } = epoch;
    let checkpoint: string | null = null;
    if (folder !== null) {
      const manifest = await saveCheckpoint(store, {
        run,
        attempt,
        epoch: report.epoch,
        folder,
        jobDigest,
        at: new Date().toISOString(),
        ...(framework === undefined ? {} : { framework }),
        reports: [report],
        ...(this.#previous === undefined ? {} : { previous: this.#previous }),
      });
      this.#previous = manifest;
      checkpoint = manifest.name;
    }
    const told = (await epoch.reported).answer;
    if (told.action === "leave") throw new AttemptError("left", told.reason);
    const removed = this.takeRemoved();
    const { answer } = await review({
      type: "commit",
      run,
      attempt,
      batchJobId,
      epoch: report.epoch,
      checkpoint,
      removed,
    });
    if (answer.action === "leave") throw new AttemptError("left", answer.reason);
    if (answer.action !== "committed") {
      throw new AttemptError("unknown", `Review answered '${answer.action}' to a commit`);
    }
    // What cannot be removed goes with the attempt's folder.
    if (folder !== null) await rm(folder, { recursive: true, force: true }).catch(() => {});
    await this.#remove(answer.remove);
  }

  /** What cannot be removed now stays listed as dropped in the run's state, and is tried again after the next commit. */
  async #remove(names: readonly string[]): Promise<void> {
    for (const name of names) {
      try {
        await removeCheckpoint(this.#context.store, this.#context.run, name);
        this.#removed.push(name);
      } catch {
        return;
      }
    }
  }
}
