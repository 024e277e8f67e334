import type { FailureClass } from "../failure.ts";
import type { TrainingJobInput } from "../job.ts";
import type { Next } from "../next.ts";
import type { Dice } from "./dice.ts";
import { opens, run } from "./events.ts";
import type { ModelBatchJob } from "./model-batch-job.ts";
import type { Reply } from "./model-journal.ts";
import type { Move, Request, World } from "./world.ts";

/** What a person starts an execution with. */
export interface DriverInput {
  readonly job?: TrainingJobInput;
  readonly acceptChanges?: boolean;
  readonly startAgain?: boolean;
}

/** An execution of the state machine: Open, then Train, Review, Recover and Wait as it is answered. */
export class ModelDriver {
  readonly execution: string;
  /** Whether whoever asks is told that it is alive. */
  alive = true;
  /** How it ended. */
  last: Next | undefined;
  readonly #world: World;
  readonly #input: DriverInput;
  #asked: Request | undefined;
  #watched: { job: ModelBatchJob; generation: number } | undefined;
  #waits = false;
  #successor: string | undefined;

  constructor(world: World, execution: string, input: DriverInput) {
    this.#world = world;
    this.execution = execution;
    this.#input = input;
    this.#open();
  }

  moves(): Move[] {
    if (!this.alive) return [];
    const moves: Move[] = [];
    const may = (what: string, play: Move["play"]) => moves.push({ name: `${this.execution} ${what}`, play });
    const asked = this.#asked;
    if (asked !== undefined && !this.#world.underWay(asked)) may("asks again", () => this.#world.send(asked));
    const watched = this.#watched;
    if (watched?.job.ended === true) may(`sees ${watched.job.id} end`, (dice) => this.#see(dice));
    if (this.#waits) may("has waited", () => this.#open());
    const { stop, status, driver } = this.#world.journal.head?.state ?? {};
    if (stop !== undefined && driver?.execution === this.execution) {
      if (watched?.job.runs === true && !watched.job.dying)
        may(`asks ${watched.job.id} to leave`, () => {
          watched.job.dying = true;
        });
      if (this.#waits && status === "stopped")
        may("is aborted", () => {
          this.alive = false;
        });
    }
    const successor = this.#successor;
    if (successor !== undefined) {
      may("starts its successor", () => this.#world.startDriver(successor, {}));
      if (this.#world.drivers.has(successor))
        may("ends", () => {
          this.alive = false;
        });
    }
    return moves;
  }

  receive(request: Request, reply: Reply): void {
    if (!this.alive || request !== this.#asked) return;
    this.#asked = undefined;
    switch (reply.action) {
      case "train": {
        if (!("train" in reply)) break;
        const job = this.#world.submit(reply.train.attempt);
        this.#watched = { job, generation: reply.generation };
        return;
      }
      case "wait":
        this.#world.journal.pass(reply.wait.seconds);
        this.#waits = true;
        return;
      case "continue":
        this.#successor = reply.continue.name;
        return;
      case "done":
      case "failed":
        this.last = reply;
        this.alive = false;
        return;
      default:
    }
    throw new Error(`${this.execution} was answered ${reply.action}`);
  }

  #open(): void {
    this.#waits = false;
    const driver = opens(this.execution).driver;
    const { job, acceptChanges = false, startAgain = true } = this.#input;
    this.#asked = this.#world.ask(this, (dice) => ({
      ...opens(this.execution),
      ...(job === undefined ? {} : { job }),
      acceptChanges,
      startAgain,
      holder: this.#world.holderFor(driver),
      evidence: this.#world.evidenceFor(driver, dice),
      random: dice.pick(1000) / 1000,
    }));
  }

  #see(dice: Dice): void {
    const watched = this.#watched;
    if (watched === undefined) return;
    const { job, generation } = watched;
    this.#watched = undefined;
    const well = job.outcome?.result === "done" && !job.reclaimed && job.killedBy === undefined;
    const type = well ? ("trained" as const) : ("failed" as const);
    const random = dice.pick(1000) / 1000;
    this.#asked = this.#world.ask(this, () => ({
      type,
      run,
      generation,
      attempt: job.attempt,
      evidence: this.#world.evidenceOf(job.attempt, job, true),
      random,
    }));
  }
}

/** What is said of a Batch job's end: by its own account, else by Batch. */
export function endOf(job: ModelBatchJob | undefined): FailureClass {
  const result = job?.outcome?.result;
  if (result === "left" || result === "duplicate") return "unknown";
  if (result !== undefined && result !== "done") return result;
  if (job?.killedBy !== undefined) return job.killedBy;
  if (job?.reclaimed === true) return "spot-reclaim";
  return result === "done" ? "unknown" : "interrupted";
}
