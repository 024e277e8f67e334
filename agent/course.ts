import type { ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { EpochPlan, EpochReport } from "../core/report.ts";
import { AttemptError } from "./attempt-error.ts";
import type { Uploads } from "./uploads.ts";

export type Upcoming = { readonly plan: EpochPlan } | { readonly finish: string };

/**
 * The epochs of this attempt, one after the other: each is planned, trained, reported and saved. Reports go to Review at
 * once, so that the next plan is there when training asks for it; checkpoints follow behind. Training is never more than
 * one epoch ahead of the commits.
 */
export class Course {
  readonly #identity: { run: string; attempt: number; batchJobId: string };
  readonly #review: (event: SentEvent) => Promise<ReviewReply>;
  readonly #uploads: Uploads;
  #plan: EpochPlan;
  #startedAt: number;
  #report: EpochReport | undefined;
  #reply: Promise<ReviewReply> | undefined;
  #saved: { folder: string | null; framework: string | undefined } | undefined;

  constructor(
    identity: { run: string; attempt: number; batchJobId: string },
    first: EpochPlan,
    review: (event: SentEvent) => Promise<ReviewReply>,
    uploads: Uploads,
  ) {
    this.#identity = identity;
    this.#plan = first;
    this.#review = review;
    this.#uploads = uploads;
    this.#startedAt = performance.now();
  }

  /** The epoch that is being trained. */
  get plan(): EpochPlan {
    return this.#plan;
  }

  get reported(): boolean {
    return this.#report !== undefined;
  }

  /** The clock of this epoch starts now. */
  begin(): void {
    this.#startedAt = performance.now();
  }

  /** The current epoch's report; `seconds` is measured here where the trainer does not say. */
  report(report: Pick<EpochReport, "metrics" | "examples"> & { seconds?: number | undefined }): void {
    const { metrics, examples } = report;
    const measured = (performance.now() - this.#startedAt) / 1000;
    this.#report = {
      epoch: this.#plan.epoch,
      metrics,
      ...(examples === undefined ? {} : { examples }),
      seconds: report.seconds ?? measured,
    };
    this.#reply = this.#review({ ...this.#identity, type: "report", report: this.#report });
    this.#reply.catch(() => {});
    this.#queueWhenWhole();
  }

  /** The current epoch's checkpoint: a folder that is the agent's from now on. */
  save(folder: string | null, framework?: string): void {
    this.#saved = { folder, framework };
    this.#queueWhenWhole();
  }

  /** Ends the current epoch and says what comes next. Throws `no-checkpoint` where one was due and none was saved. */
  async next(): Promise<Upcoming> {
    if (this.#report === undefined) this.report({ metrics: {} });
    if (this.#saved === undefined) {
      if (this.#plan.checkpoint) {
        throw new AttemptError(
          "no-checkpoint",
          `epoch ${this.#plan.epoch} was trained without saving a checkpoint`,
        );
      }
      this.save(null);
    }
    const { answer } = (await this.#reply) ?? {};
    if (answer?.action === "finish") return { finish: answer.reason };
    if (answer?.action === "leave") throw new AttemptError("left", answer.reason);
    if (answer?.action !== "train")
      throw new AttemptError("unknown", `Review answered '${answer?.action}' to a report`);
    await this.#uploads.committed(answer.plan.epoch - 2);
    this.#plan = answer.plan;
    this.#report = undefined;
    this.#reply = undefined;
    this.#saved = undefined;
    this.begin();
    return { plan: answer.plan };
  }

  #queueWhenWhole(): void {
    if (this.#report === undefined || this.#reply === undefined || this.#saved === undefined) return;
    this.#uploads.add({ report: this.#report, reported: this.#reply, ...this.#saved });
  }
}
