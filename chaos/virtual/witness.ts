import type { Assignment } from "../../core/answers.ts";
import { checkpointName } from "../../core/keys.ts";
import type { Manifest } from "../../core/manifest.ts";
import type { Outcome } from "../../core/outcome.ts";
import type { HandedOver } from "./agent-uploads.ts";
import type { ModelJob } from "./model-job.ts";
import type { VirtualTime } from "./time.ts";
import { Toy } from "./toy.ts";

/** What one Batch job really did. */
export interface Deeds {
  readonly job: ModelJob;
  readonly assignment: Assignment;
  /** Seconds of training, and how many of them each checkpoint has that it handed over. */
  trainedSeconds: number;
  readonly handedOver: Map<string, number>;
  firstStepAt: number | undefined;
}

/** Sees what no decision can: what was really trained, saved, restored and lost. */
export class Witness {
  /** What a run must never do. */
  readonly violations: string[] = [];
  readonly deeds = new Map<string, Deeds>();
  /** By Batch job. */
  readonly outcomes = new Map<string, Outcome>();
  /** The weights of each checkpoint when it was handed over. */
  readonly weights = new Map<string, { weights: string; job: string }>();
  readonly whole = new Set<string>();
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  claimed(job: ModelJob, assignment: Assignment): void {
    const other = [...this.deeds.values()].find(
      ({ assignment: { attempt } }) => attempt === assignment.attempt,
    );
    if (other !== undefined && other.job !== job)
      this.violations.push(`attempt ${assignment.attempt} was given to ${other.job.id} and to ${job.id}`);
    this.deeds.set(job.id, {
      job,
      assignment,
      trainedSeconds: 0,
      handedOver: new Map(),
      firstStepAt: undefined,
    });
  }

  /** What is trained on from `folder`, into which checkpoint `name` was restored, every digest checked. */
  restored(job: ModelJob, name: string, folder: string): Toy {
    let toy: Toy | undefined;
    try {
      toy = Toy.load(folder);
    } catch {
      // It is not what was saved.
    }
    if (toy === undefined || this.weights.get(name)?.weights !== toy.weights)
      this.violations.push(`${job.id} goes on from checkpoint ${name}, which is not what was saved as that`);
    return toy ?? new Toy();
  }

  stepped(job: ModelJob, seconds: number): void {
    const deeds = this.deeds.get(job.id);
    if (deeds === undefined) return;
    deeds.trainedSeconds += seconds;
    deeds.firstStepAt ??= this.#time.now - seconds;
  }

  handedOver(job: ModelJob, { epoch, partial, weights }: HandedOver): void {
    const name = checkpointName(epoch, job.attempt, partial?.step);
    const other = this.weights.get(name);
    if (other !== undefined && other.job !== job.id)
      this.violations.push(`${job.id} saves ${name}, as ${other.job} did`);
    this.weights.set(name, { weights, job: job.id });
    const deeds = this.deeds.get(job.id);
    deeds?.handedOver.set(name, deeds.trainedSeconds);
  }

  complete(_job: ModelJob, { name }: Manifest): void {
    this.whole.add(name);
  }

  committed(_job: ModelJob, _save: HandedOver): void {}

  left(job: ModelJob, outcome: Outcome): void {
    this.outcomes.set(job.id, outcome);
  }
}
