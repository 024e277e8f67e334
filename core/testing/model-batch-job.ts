import type { Assignment } from "../answers.ts";
import type { FailureClass } from "../failure.ts";
import { checkpointName } from "../keys.ts";
import type { CheckpointSummary } from "../manifest.ts";
import type { Outcome } from "../outcome.ts";
import { reach } from "../position.ts";
import type { EpochPlan, EpochReport } from "../report.ts";
import type { Dice } from "./dice.ts";
import { aCheckpoint, anOutcome, aReport, run } from "./events.ts";
import type { Reply } from "./model-journal.ts";
import { ModelMeasurer } from "./model-measurer.ts";
import type { Move, Request, World } from "./world.ts";

/** What is trained and not committed yet: reports that Review has answered, or has not. */
interface Trained {
  readonly report: EpochReport;
  answered: boolean;
}

interface Saved {
  readonly epoch: number;
  /** Where it is of the middle of that epoch. */
  readonly step?: number;
  /** `null` where the trainer keeps nothing. */
  readonly checkpoint: CheckpointSummary | null;
}

/**
 * A Batch job as the agent is: it claims its assignment, trains at most one epoch ahead of its commits, uploads behind the
 * training, and leaves when told to. Each of its two lines, training and committing, waits for one answer at a time and
 * asks again when none comes.
 */
export class ModelBatchJob {
  readonly id: string;
  readonly attempt: number;
  /** Whether it still does anything. */
  runs = true;
  /** What Batch says of it where its host is lost, whether or not it still runs. */
  reclaimed = false;
  /** It was told to end and has not yet. */
  dying = false;
  outcome: Outcome | undefined;
  /** What ended it without an account. */
  killedBy: FailureClass | undefined;
  readonly #world: World;
  #claimed = false;
  #plan: EpochPlan | undefined;
  #committed = 0;
  /** Steps of the planned epoch that are trained. */
  #step = 0;
  readonly #measurer = new ModelMeasurer();
  #behind: Trained[] = [];
  #saved: Saved | undefined;
  #previous: CheckpointSummary | undefined;
  #lastEpoch = 0;
  #finished = false;
  #toRemove: string[] = [];
  #removed: string[] = [];
  #asked: { training?: Request; committing?: Request } = {};

  constructor(world: World, id: string, attempt: number) {
    this.#world = world;
    this.id = id;
    this.attempt = attempt;
  }

  /** Whether Batch calls it ended. */
  get ended(): boolean {
    return !this.runs || this.reclaimed;
  }

  kill(cause: FailureClass): void {
    this.runs = false;
    this.killedBy = cause;
  }

  moves(): Move[] {
    if (!this.runs) return [];
    const { training, committing } = this.#asked;
    const moves: Move[] = [];
    const may = (what: string, play: Move["play"]) => moves.push({ name: `${this.id} ${what}`, play });
    for (const request of [training, committing]) {
      if (request !== undefined && !this.#world.underWay(request))
        may("asks again", () => this.#world.send(request));
    }
    if (this.dying) may("dies", () => this.kill("interrupted"));
    if (this.outcome !== undefined) {
      may("exits", () => {
        this.runs = false;
      });
      return moves;
    }
    if (!this.#claimed && training === undefined) may("claims", () => this.#claim());
    const plan = this.#plan;
    if (plan !== undefined && training === undefined && plan.epoch - 2 <= this.#committed)
      may(`trains ${plan.epoch}`, (dice) => this.#train(plan, dice));
    if (plan?.measure !== undefined && plan.batchSize !== undefined && training === undefined)
      may(`tells what it measured of ${plan.epoch}`, (dice) => this.#measure(plan, dice));
    if (this.#behind.length > 0 && this.#saved === undefined) may("uploads", (dice) => this.#upload(dice));
    if (
      plan !== undefined &&
      training === undefined &&
      this.#saved === undefined &&
      this.#world.keepsCheckpoints
    )
      may(`saves a part of ${plan.epoch}`, (dice) => this.#uploadPart(plan, dice));
    const saved = this.#saved;
    if (saved !== undefined && committing === undefined && this.#isReported(saved.epoch))
      may(`commits ${saved.checkpoint?.name ?? saved.epoch}`, () => this.#commit(saved));
    const [remove] = this.#toRemove;
    if (remove !== undefined)
      may(`removes ${remove}`, () => {
        this.#world.removeCheckpoint(remove);
        this.#removed.push(remove);
        this.#toRemove.shift();
      });
    if (this.#finished && this.#behind.length === 0 && this.#saved === undefined && training === undefined)
      may("ends", () => this.#end("done"));
    return moves;
  }

  receive(request: Request, reply: Reply): void {
    const line = request === this.#asked.training ? "training" : "committing";
    if (!this.runs || request !== this.#asked[line]) return;
    delete this.#asked[line];
    switch (reply.action) {
      case "begin":
        this.#begin(reply.assignment);
        return;
      case "train":
        if (!("plan" in reply)) break;
        if (this.#plan === undefined) {
          this.#answered();
          this.#step = 0;
          this.#measurer.begin(undefined);
        }
        this.#plan = reply.plan;
        return;
      case "fail":
        this.#end(reply.class);
        return;
      case "finish":
        this.#answered();
        this.#finished = true;
        return;
      case "committed":
        this.#committed = this.#saved === undefined ? this.#committed : reach(this.#saved).epoch;
        this.#behind = this.#behind.filter(({ report }) => report.epoch > this.#committed);
        this.#saved = undefined;
        this.#toRemove = [...new Set([...this.#toRemove, ...reply.remove])].filter(
          (name) => !this.#removed.includes(name),
        );
        return;
      case "leave":
        if (this.outcome === undefined)
          this.#end(
            reply.winner === undefined ? "left" : "duplicate",
            reply.winner === undefined ? {} : { winner: reply.winner },
          );
        return;
      case "noted":
        return;
      default:
    }
    throw new Error(`${this.id} was answered ${reply.action}`);
  }

  #ask(line: "training" | "committing", event: Request["observe"]): void {
    this.#asked[line] = this.#world.ask(this, event);
  }

  #claim(): void {
    this.#ask("training", () => ({ type: "started", run, attempt: this.attempt, batchJobId: this.id }));
  }

  #begin(assignment: Assignment): void {
    this.#claimed = true;
    this.#committed = assignment.plan.epoch - 1;
    this.#lastEpoch = this.#world.lastEpoch(assignment.plan.epoch);
    const { restore } = assignment;
    if (restore === undefined) {
      this.#plan = assignment.plan;
      return;
    }
    const restored = this.#world.restore(restore);
    if (restored === "damaged") {
      this.#end("checkpoint-corrupt", { damaged: restore });
      return;
    }
    const { epoch, step } = reach(restored);
    if (epoch !== this.#committed)
      throw new Error(`${this.id} restores ${restored.name} to train ${assignment.plan.epoch}`);
    this.#step = step;
    this.#measurer.begin(restored.measured);
    this.#previous = restored;
    this.#plan = assignment.plan;
  }

  #train(plan: EpochPlan, dice: Dice): void {
    const loss = this.#world.diverges && dice.once(8) ? "NaN" : dice.pick(10);
    this.#measurer.train(plan, 1 + dice.pick(40), dice);
    const { measured } = this.#measurer;
    const report = { ...aReport(plan.epoch, { loss }), ...(measured === undefined ? {} : { measured }) };
    this.#world.journal.pass(report.seconds);
    this.#plan = undefined;
    // The commit of a segment's last epoch brings its report.
    this.#finished = plan.epoch >= this.#lastEpoch && this.#world.keepsCheckpoints && loss !== "NaN";
    this.#behind.push({ report, answered: this.#finished });
    if (this.#finished) return;
    this.#ask("training", () => ({
      type: "report",
      run,
      attempt: this.attempt,
      batchJobId: this.id,
      report,
    }));
  }

  #trainSteps(plan: EpochPlan, steps: number, dice: Dice): void {
    this.#step += steps;
    this.#measurer.train(plan, steps, dice);
  }

  /** Asks how to go on with the epoch. */
  #measure(plan: EpochPlan, dice: Dice): void {
    this.#trainSteps(plan, 8 * (1 + dice.pick(4)), dice);
    const { measured } = this.#measurer;
    if (measured === undefined) return;
    const { epoch } = plan;
    const step = this.#step;
    this.#ask("training", () => ({
      type: "measured",
      run,
      attempt: this.attempt,
      batchJobId: this.id,
      ...{ epoch, step, measured },
    }));
  }

  /** The report that was asked about is the newest one. */
  #answered(): void {
    const newest = this.#behind.at(-1);
    if (newest !== undefined) newest.answered = true;
  }

  #isReported(epoch: number): boolean {
    return this.#behind.every(({ report, answered }) => answered || report.epoch > epoch);
  }

  /** Writes a manifest for one epoch or all that are behind; what has not changed refers to earlier checkpoints. */
  #upload(dice: Dice): void {
    const reports = this.#behind.slice(0, 1 + dice.pick(2)).map(({ report }) => report);
    const epoch = reports.at(-1)?.epoch ?? 0;
    if (!this.#world.keepsCheckpoints) {
      this.#saved = { epoch, checkpoint: null };
      return;
    }
    const holders = this.#previous === undefined ? [] : [this.#previous.name, ...this.#previous.refersTo];
    const refersTo = holders.filter(() => dice.once(2));
    const checkpoint = { ...aCheckpoint(this.attempt, reports, refersTo), at: this.#world.journal.now };
    this.#world.writeManifest(checkpoint);
    this.#previous = checkpoint;
    this.#saved = { epoch, checkpoint };
  }

  /** Writes a manifest for all that is behind, and for some steps of the epoch that is being trained. */
  #uploadPart(plan: EpochPlan, dice: Dice): void {
    this.#trainSteps(plan, 1 + dice.pick(3), dice);
    const { measured } = this.#measurer;
    const reports = this.#behind.map(({ report }) => report);
    const holders = this.#previous === undefined ? [] : [this.#previous.name, ...this.#previous.refersTo];
    const refersTo = holders.filter(() => dice.once(2));
    const checkpoint: CheckpointSummary = {
      ...aCheckpoint(this.attempt, reports, refersTo),
      name: checkpointName(plan.epoch, this.attempt, this.#step),
      epoch: plan.epoch,
      step: this.#step,
      seconds: this.#step,
      ...(measured === undefined ? {} : { plan, measured }),
      at: this.#world.journal.now,
    };
    this.#world.writeManifest(checkpoint);
    this.#previous = checkpoint;
    this.#saved = { epoch: plan.epoch, step: this.#step, checkpoint };
  }

  #commit({ epoch, step, checkpoint }: Saved): void {
    const removed = this.#removed.splice(0);
    this.#ask("committing", () => ({
      type: "commit",
      run,
      attempt: this.attempt,
      batchJobId: this.id,
      epoch,
      ...(step === undefined ? {} : { step }),
      ...(checkpoint === null ? {} : { took: { pauseSeconds: 1, seconds: 2 } }),
      checkpoint,
      removed,
    }));
  }

  #end(result: Outcome["result"], more: Partial<Outcome> = {}): void {
    const outcome = anOutcome(this.attempt, result, {
      batchJobId: this.id,
      endedAt: this.#world.journal.now,
      ...more,
    });
    this.outcome = outcome;
    const removed = this.#removed.splice(0);
    this.#ask("training", () => ({
      type: "ended",
      run,
      attempt: this.attempt,
      batchJobId: this.id,
      outcome,
      removed,
    }));
  }
}
