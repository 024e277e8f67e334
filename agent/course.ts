import { isDeepStrictEqual } from "node:util";
import type { ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { GradientNorms, Measured } from "../core/measured.ts";
import { type NumericPolicy, numericProblem } from "../core/policies/numeric.ts";
import type { EpochPlan, EpochReport } from "../core/report.ts";
import { maxPending } from "../core/run-state.ts";
import { unmeasuredEpoch } from "../core/unmeasured.ts";
import type { PartialEpoch } from "../store/checkpoints.ts";
import { AttemptError } from "./attempt-error.ts";
import { heed, unexpected } from "./heed.ts";
import { mergeMeasured } from "./merge-measured.ts";
import type { SaveClock } from "./save-clock.ts";
import type { Resume } from "./starting-checkpoint.ts";
import type { Reported, SavedFiles, Uploads } from "./uploads.ts";

export type Upcoming = { readonly plan: EpochPlan } | { readonly finish: string };

/** At most so many epochs share a checkpoint: as many again may be on their way at the same time. */
const mostShared = maxPending / 2;

interface CourseContext {
  readonly identity: { readonly run: string; readonly attempt: number; readonly batchJobId: string };
  readonly first: EpochPlan;
  /** The last epoch of the segment, after which there is nothing more to train. */
  readonly lastEpoch: number;
  readonly numeric: NumericPolicy;
  /** Whether the job's own rule can end the run at any epoch. */
  readonly mayStop: boolean;
  /** What is trained of the first epoch already. */
  readonly resume: Resume | undefined;
  /** The instance's type, where it is one of EC2. */
  readonly machine: string | undefined;
  readonly review: (event: SentEvent) => Promise<ReviewReply>;
  readonly uploads: Uploads;
  readonly clock: SaveClock;
}

/**
 * The epochs of this attempt, one after the other: each is planned, trained, reported, and saved where that is due. Reports
 * go to Review at once, so that the next plan is there when training asks for it; checkpoints follow behind. Training is
 * never more than one epoch ahead of the commits, or of the checkpoint interval where epochs share one.
 */
export class Course {
  readonly #context: CourseContext;
  #plan: EpochPlan;
  #measured: Measured | undefined;
  #resume: Resume | undefined;
  #startedAt = performance.now();
  #current: Reported | undefined;
  /** Reported, and in no checkpoint that is handed over. */
  #unsaved: Reported[] = [];
  /** What is saved at this epoch's end, before the epoch is reported. */
  #saved: SavedFiles | null | undefined;
  #ended = false;
  #lastSeconds = 0;
  /** How often something was handed over: whoever waits for the next time compares. */
  handOvers = 0;

  constructor(context: CourseContext) {
    this.#context = context;
    this.#plan = context.first;
    this.#measured = context.first.measure === undefined ? undefined : context.resume?.measured;
    this.#resume = context.resume;
    context.clock.begin(context.resume?.step ?? 0);
  }

  /** The epoch that is being trained. */
  get plan(): EpochPlan {
    return this.#plan;
  }

  /** What was trained of this epoch before this attempt. */
  get resume(): Resume | undefined {
    return this.#resume;
  }

  get reported(): boolean {
    return this.#current !== undefined;
  }

  /** Epochs that are trained, and in no checkpoint that is handed over. */
  get unsaved(): number {
    return this.#unsaved.length;
  }

  /** What this epoch has been trained for, in all attempts. */
  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000 + (this.#resume?.seconds ?? 0);
  }

  /** For how long this epoch will still be trained, if it takes as long as the one before. */
  get secondsToEnd(): number {
    return Math.max(0, this.#lastSeconds - this.seconds);
  }

  /** The clock of this epoch starts now. */
  begin(): void {
    this.#startedAt = performance.now();
  }

  /** What was measured of this epoch so far, in all attempts that are in it. */
  get measured(): Measured | undefined {
    return this.#measured;
  }

  /** What the trainer has measured of this epoch since this attempt began it; what nobody asked for is of no use. */
  measure(measured: Measured | undefined): void {
    if (measured === undefined || this.#plan.measure === undefined) return;
    const { machine } = this.#context;
    const here = { ...measured, ...(machine === undefined ? {} : { machine }) };
    this.#measured = mergeMeasured(this.#resume?.measured, here);
  }

  /** Asks Review how the rest of this epoch is to be trained. */
  consult(step: number, measured: Measured): Promise<ReviewReply> {
    const { review, identity } = this.#context;
    return review({ ...identity, type: "measured", epoch: this.#plan.epoch, step, measured });
  }

  /** From now on the epoch is trained by `plan`, of this epoch. Says whether that is another one than before. */
  goOnBy(plan: EpochPlan): boolean {
    if (isDeepStrictEqual(plan, this.#plan)) return false;
    this.#plan = plan;
    return true;
  }

  /** What of this epoch's training goes into a checkpoint of its middle: from it Review knows how the rest goes on. */
  get part(): Pick<PartialEpoch, "seconds" | "plan" | "measured"> {
    const measured = this.#measured === undefined ? {} : { measured: this.#measured };
    return { seconds: this.seconds, plan: this.#plan, ...measured };
  }

  /**
   * The current epoch's report; `seconds` is measured here where the trainer does not say, and so is what a step takes where the
   * trainer measures nothing by itself. `norms` are of all of it.
   */
  report(
    report: Pick<EpochReport, "metrics" | "examples"> & {
      seconds?: number | undefined;
      measured?: Measured | undefined;
      norms?: GradientNorms | undefined;
    },
  ): void {
    const { metrics, examples } = report;
    const seconds = report.seconds ?? this.seconds;
    this.measure(report.measured);
    if (this.#measured === undefined) {
      const { norms } = report;
      this.measure(unmeasuredEpoch(this.#plan, { examples, seconds, norms }));
    }
    const sent: EpochReport = {
      epoch: this.#plan.epoch,
      metrics,
      ...(examples === undefined ? {} : { examples }),
      seconds,
      ...(this.#measured === undefined ? {} : { measured: this.#measured }),
    };
    this.#lastSeconds = sent.seconds;
    const reply = this.#isLast(sent) ? this.#finished() : this.#ask(sent);
    reply.catch(() => {});
    this.#current = { report: sent, reply };
    this.#unsaved.push(this.#current);
    this.#handOverWhenWhole();
  }

  #ask(report: EpochReport): Promise<ReviewReply> {
    return this.#context.review({ ...this.#context.identity, type: "report", report });
  }

  /**
   * Whether there is nothing to ask: nothing follows the segment's last epoch, and its checkpoint brings the report, so that its commit
   * says it all. A loss that is no number, and an epoch that leaves no checkpoint, are for Review.
   */
  #isLast({ epoch, metrics }: EpochReport): boolean {
    const { lastEpoch, numeric } = this.#context;
    return epoch >= lastEpoch && this.#plan.checkpoint && numericProblem(numeric, metrics) === undefined;
  }

  async #finished(): Promise<ReviewReply> {
    const { lastEpoch } = this.#context;
    return { answer: { action: "finish", sequence: 0, reason: `the segment ends with epoch ${lastEpoch}` } };
  }

  /** Whether the end of this epoch is to be saved: as the schedule says, and always where nothing comes after it. */
  async endIsDue(): Promise<boolean> {
    const { clock, lastEpoch, mayStop } = this.#context;
    const others = this.#unsaved.length - (this.reported ? 1 : 0);
    if (this.#plan.epoch >= lastEpoch || others + 1 >= mostShared) return true;
    if (clock.isDueAtEnd(this.#lastSeconds)) return true;
    if (this.#current === undefined) return mayStop;
    const { answer } = await this.#current.reply;
    heed(answer);
    return answer.action !== "train";
  }

  /** The current epoch's checkpoint; `null`: the trainer keeps nothing. */
  save(files: SavedFiles | null): void {
    this.#ended = true;
    this.#saved = files;
    this.#handOverWhenWhole();
  }

  /** A checkpoint in the middle of the current epoch, before it is reported. */
  savePart(at: PartialEpoch, files: SavedFiles): void {
    this.#handOver({ epoch: this.#plan.epoch, partial: at, files });
  }

  /** The end of the current epoch is not saved: a later checkpoint has it too. */
  skip(): void {
    this.#ended = true;
  }

  /** Ends the current epoch and says what comes next. Throws `no-checkpoint` where one was due and none was saved. */
  async next(): Promise<Upcoming> {
    const { uploads, clock } = this.#context;
    if (this.#current === undefined) this.report({ metrics: {} });
    if (!this.#ended) await this.#endWithoutCheckpoint();
    const { answer } = (await this.#current?.reply) ?? {};
    if (answer !== undefined) heed(answer);
    if (answer?.action === "finish") {
      this.#expectSaved(answer.reason);
      return { finish: answer.reason };
    }
    if (answer?.action !== "train") throw unexpected(answer, "report");
    await uploads.committedThrough(answer.plan.epoch - 2);
    await uploads.pendingAtMost(maxPending - 1 - this.#unsaved.length);
    this.#plan = answer.plan;
    this.#measured = undefined;
    this.#resume = undefined;
    this.#current = undefined;
    this.#saved = undefined;
    this.#ended = false;
    clock.begin(0);
    this.begin();
    return { plan: answer.plan };
  }

  /** Whoever asks for its checkpoint before its report was told that none is needed when nobody knew that this is the end. */
  #expectSaved(reason: string): void {
    const { length } = this.#unsaved;
    if (length === 0) return;
    const epochs = length === 1 ? `epoch ${this.#plan.epoch} is` : `the last ${length} epochs are`;
    throw new AttemptError(
      "interrupted",
      `${reason}; ${epochs} in no checkpoint, since the trainer asks for one before it reports the epoch`,
    );
  }

  async #endWithoutCheckpoint(): Promise<void> {
    if (!this.#plan.checkpoint) this.save(null);
    else if (!(await this.endIsDue())) this.skip();
    else {
      throw new AttemptError(
        "no-checkpoint",
        `epoch ${this.#plan.epoch} was trained without saving a checkpoint`,
      );
    }
  }

  #handOverWhenWhole(): void {
    if (this.#current === undefined || this.#saved === undefined) return;
    this.#handOver({ epoch: this.#plan.epoch, files: this.#saved });
    this.#saved = undefined;
  }

  #handOver(what: Pick<Parameters<Uploads["add"]>[0], "epoch" | "partial" | "files">): void {
    this.handOvers += 1;
    this.#context.uploads.add({ ...what, epochs: this.#unsaved.splice(0) });
  }
}
