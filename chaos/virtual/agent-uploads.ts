import { rmSync } from "node:fs";
import { AttemptError } from "../../agent/attempt-error.ts";
import type { ReviewReply } from "../../core/answers.ts";
import type { SentEvent } from "../../core/events.ts";
import type { Manifest } from "../../core/manifest.ts";
import type { EpochReport } from "../../core/report.ts";
import type { Saving } from "../../core/saving.ts";
import { removeCheckpoint, saveCheckpoint } from "../../store/checkpoints.ts";
import type { PartialEpoch } from "../../store/checkpoints-save.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import type { Life } from "./life.ts";
import type { ModelJob } from "./model-job.ts";
import type { Witness } from "./witness.ts";

/** A folder that the trainer has handed over, or `null` where it keeps nothing. */
export interface HandedOver {
  readonly epoch: number;
  readonly partial: PartialEpoch | undefined;
  readonly folder: string | null;
  /** Of the epochs that are whole and in no earlier checkpoint. */
  readonly reports: readonly EpochReport[];
  /** Settles when Review has answered the newest of these: a commit never comes before it. */
  readonly reported: Promise<ReviewReply> | undefined;
  readonly pauseSeconds: number;
  /** The weights in it, for the witness. */
  readonly weights: string;
}

export interface UploadContext {
  readonly life: Life;
  readonly store: ObjectStore;
  readonly run: string;
  readonly attempt: number;
  readonly batchJobId: string;
  readonly jobDigest: string;
  readonly previous: Manifest | undefined;
  readonly review: (event: SentEvent) => Promise<ReviewReply>;
  readonly witness: Witness;
  readonly job: ModelJob;
}

/** Saves and commits in the order of training, behind it. The first failure stops the queue. */
export class ModelUploads {
  readonly failure = Promise.withResolvers<never>();
  readonly #context: UploadContext;
  #previous: Manifest | undefined;
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #committed = 0;
  #closed = false;
  #onCommit: (() => void)[] = [];
  #removed: string[] = [];
  /** What the newest commit was answered on when to save. */
  saving: Saving | undefined;

  constructor(context: UploadContext) {
    this.#context = context;
    this.#previous = context.previous;
    this.failure.promise.catch(() => {});
  }

  get busy(): boolean {
    return this.#waiting > 0;
  }

  add(save: HandedOver): void {
    this.#waiting += 1;
    this.#queue = this.#queue.then(async () => {
      try {
        if (this.#closed) return;
        await this.#commit(save);
        if (save.partial === undefined) this.#committed = save.epoch;
        this.#waiting -= 1;
        for (const resolve of this.#onCommit.splice(0)) resolve();
      } catch (error) {
        this.failure.reject(error);
        throw error;
      }
    });
    this.#queue.catch(() => {});
  }

  /** Settles when `epoch` is committed, or nothing that could commit it is on its way. */
  async committed(epoch: number): Promise<void> {
    while (this.#committed < epoch && this.busy)
      await new Promise<void>((resolve) => this.#onCommit.push(resolve));
  }

  async drain(): Promise<void> {
    await this.#queue;
  }

  /** Begins nothing more. */
  close(): void {
    this.#closed = true;
  }

  takeRemoved(): string[] {
    return this.#removed.splice(0);
  }

  async #commit(save: HandedOver): Promise<void> {
    const { store, run, attempt, batchJobId, jobDigest, review, life, witness, job } = this.#context;
    const { epoch, partial, folder } = save;
    const told = (await save.reported)?.answer;
    if (told?.action === "leave") throw new AttemptError("left", told.reason);
    // What is of no use must not become a checkpoint that somebody could take up.
    if (told?.action === "fail") throw new AttemptError(told.class, told.reason);
    if (this.#closed) return;
    const began = life.date().getTime();
    let checkpoint: string | null = null;
    if (folder !== null) {
      witness.handedOver(job, save);
      const manifest = await saveCheckpoint(store, {
        run,
        attempt,
        epoch,
        ...(partial === undefined ? {} : { partial }),
        folder,
        jobDigest,
        at: life.moment(),
        framework: "toy 1",
        reports: save.reports,
        ...(this.#previous === undefined ? {} : { previous: this.#previous }),
      });
      this.#previous = manifest;
      checkpoint = manifest.name;
      witness.complete(job, manifest);
    }
    const seconds = (life.date().getTime() - began) / 1000 + save.pauseSeconds;
    const { answer } = await review({
      type: "commit",
      run,
      attempt,
      batchJobId,
      epoch,
      ...(partial === undefined ? {} : { step: partial.step }),
      ...(folder === null ? {} : { took: { pauseSeconds: save.pauseSeconds, seconds } }),
      checkpoint,
      removed: this.takeRemoved(),
    });
    if (answer.action === "leave") throw new AttemptError("left", answer.reason);
    if (answer.action !== "committed")
      throw new AttemptError("unknown", `Review answered '${answer.action}' to a commit`);
    witness.committed(job, save);
    this.saving = answer.saving ?? this.saving;
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    for (const name of answer.remove) {
      try {
        await removeCheckpoint(store, run, name);
        this.#removed.push(name);
      } catch {
        return;
      }
    }
  }
}
