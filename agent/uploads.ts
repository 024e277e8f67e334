import { rm } from "node:fs/promises";
import type { ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { Manifest } from "../core/manifest.ts";
import { type Reach, reach } from "../core/position.ts";
import type { EpochReport } from "../core/report.ts";
import type { SaveTimes, Saving } from "../core/saving.ts";
import { type PartialEpoch, removeCheckpoint, type SaveInput, saveCheckpoint } from "../store/checkpoints.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { heed, unexpected } from "./heed.ts";

/** An epoch that is trained and reported, with the answer that Review gives to that. */
export interface Reported {
  readonly report: EpochReport;
  readonly reply: Promise<ReviewReply>;
}

/** What is to be saved and to count, with a folder that is the agent's from now on. */
export interface HandOver {
  /** The last epoch in it, as a whole or in part. */
  readonly epoch: number;
  readonly partial?: PartialEpoch;
  /** The epochs that it completes: one that Review has not answered is never saved before it has. */
  readonly epochs: readonly Reported[];
  /** `null` for trainers that keep nothing. */
  readonly files: SavedFiles | null;
}

export interface SavedFiles {
  readonly folder: string;
  readonly framework?: string | undefined;
  /** When training began to wait for the save, on the clock of `performance.now()`, and when it went on. */
  readonly begunAt: number;
  readonly handedOverAt: number;
}

export interface UploadContext {
  readonly store: ObjectStore;
  readonly run: string;
  readonly attempt: number;
  readonly batchJobId: string;
  readonly jobDigest: string;
  readonly previous: Manifest | undefined;
  readonly review: (event: SentEvent) => Promise<ReviewReply>;
  /** Called when a checkpoint counts. */
  readonly onCommitted: (took: SaveTimes, saving: Saving | undefined) => void;
}

/** The moment that `performance.now()` was `clock`: what was trained until then is in the files. */
const momentOf = (clock: number): string => new Date(Date.now() - (performance.now() - clock)).toISOString();

interface Queued {
  readonly epoch: number;
  readonly reports: number;
  readonly done: Promise<void>;
}

/** Uploads and commits what is handed over in its order, behind the training. The first failure stops the queue. */
export class Uploads {
  readonly #context: UploadContext;
  #previous: Manifest | undefined;
  #queue: Queued[] = [];
  #last: Promise<void> = Promise.resolve();
  #removed: string[] = [];
  readonly #stop = new AbortController();
  /** How far training is that counts by a commit of this attempt. */
  committed: Reach | undefined;
  readonly failure = Promise.withResolvers<never>();

  constructor(context: UploadContext) {
    this.#context = context;
    this.#previous = context.previous;
    this.failure.promise.catch(() => {});
  }

  /** Whether anything is on its way. */
  get busy(): boolean {
    return this.#queue.length > 0;
  }

  /** Epochs that are handed over and do not count yet. */
  get pending(): number {
    return this.#queue.reduce((sum, { reports }) => sum + reports, 0);
  }

  /** Queues what comes after everything that was queued before. */
  add(handOver: HandOver): void {
    const done = this.#last.then(async () => {
      try {
        await this.#commit(handOver);
        this.#queue.shift();
        this.committed = reach({ epoch: handOver.epoch, step: handOver.partial?.step });
      } catch (error) {
        this.failure.reject(error);
        throw error;
      }
    });
    done.catch(() => {});
    this.#queue.push({ epoch: handOver.epoch, reports: handOver.epochs.length, done });
    this.#last = done;
  }

  /** Settles when everything of the epochs up to `epoch` that was queued is committed. */
  async committedThrough(epoch: number): Promise<void> {
    await this.#queue.findLast((queued) => queued.epoch <= epoch)?.done;
  }

  /** Settles when at most so many epochs are pending. */
  async pendingAtMost(epochs: number): Promise<void> {
    while (this.pending > epochs) await this.#queue[0]?.done;
  }

  /** Settles when everything queued is committed. */
  async drain(): Promise<void> {
    await this.#last;
  }

  /** Saves and commits nothing more: what is on its way is left as it is, and is no checkpoint. */
  stop(): void {
    this.#stop.abort();
  }

  /** The dropped checkpoints that are gone and nobody has been told of yet. */
  takeRemoved(): string[] {
    return this.#removed.splice(0);
  }

  async #commit({ epoch, partial, epochs, files }: HandOver): Promise<void> {
    const { run, attempt, batchJobId, review } = this.#context;
    // What is of no use must not become a checkpoint that somebody could take up.
    for (const { reply } of epochs) heed((await reply).answer);
    this.#stop.signal.throwIfAborted();
    const saved = files === null ? undefined : await this.#save(epoch, partial, epochs, files);
    this.#stop.signal.throwIfAborted();
    const { answer } = await review({
      type: "commit",
      run,
      attempt,
      batchJobId,
      epoch,
      ...(partial === undefined ? {} : { step: partial.step }),
      ...(saved === undefined ? {} : { took: saved.took }),
      checkpoint: saved?.name ?? null,
      removed: this.takeRemoved(),
    });
    if (answer.action === "leave") await this.#remove(answer.remove ?? []);
    heed(answer);
    if (answer.action !== "committed") throw unexpected(answer, "commit");
    if (saved !== undefined) this.#context.onCommitted(saved.took, answer.saving);
    // What cannot be removed goes with the attempt's folder.
    if (files !== null) await rm(files.folder, { recursive: true, force: true }).catch(() => {});
    await this.#remove(answer.remove);
  }

  async #save(
    epoch: number,
    partial: PartialEpoch | undefined,
    epochs: readonly Reported[],
    { folder, framework, begunAt, handedOverAt }: SavedFiles,
  ): Promise<{ name: string; took: SaveTimes }> {
    const { store, run, attempt, jobDigest } = this.#context;
    const input: SaveInput = {
      run,
      attempt,
      epoch,
      ...(partial === undefined ? {} : { partial }),
      folder,
      jobDigest,
      at: momentOf(handedOverAt),
      ...(framework === undefined ? {} : { framework }),
      reports: epochs.map(({ report }) => report),
      ...(this.#previous === undefined ? {} : { previous: this.#previous }),
    };
    this.#previous = await saveCheckpoint(store, input, { signal: this.#stop.signal });
    const took = {
      pauseSeconds: (handedOverAt - begunAt) / 1000,
      seconds: (performance.now() - begunAt) / 1000,
    };
    return { name: this.#previous.name, took };
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
