import { join } from "node:path";
import type { TrainingJobInput } from "../../core/job.ts";
import { StopAnswer } from "../../core/stop.ts";
import type { Journal } from "../../store/journal.ts";
import { damage } from "../damage.ts";
import type { ModelBatch } from "./batch.ts";
import type { Executions } from "./executions.ts";
import type { Functions } from "./functions.ts";
import type { Harm } from "./harm.ts";
import { Life } from "./life.ts";
import type { VirtualTime } from "./time.ts";

export interface Surroundings {
  readonly time: VirtualTime;
  readonly harm: Harm;
  readonly run: string;
  readonly job: TrainingJobInput;
  readonly journal: Journal;
  readonly executions: Executions;
  readonly functions: Functions;
  readonly batch: ModelBatch;
  /** Where the run's checkpoints are, as files. */
  readonly checkpoints: string;
  readonly onDamage: (name: string) => void;
  readonly say: (text: string) => void;
}

/** What happens around a run: people who start and stop it, and what befalls its executions and its files. */
export class Around {
  readonly #world: Surroundings;
  readonly #life: Life;
  #stopping = false;
  /** With how much of it is drawn. */
  readonly #happenings: readonly (readonly [number, () => Promise<void> | void])[];

  constructor(world: Surroundings) {
    this.#world = world;
    this.#life = new Life(world.time, "around");
    this.#happenings = [
      [2, () => this.#damage()],
      [1, () => this.#startAnother()],
      [2, () => this.#abort()],
      [1, () => this.#stop()],
    ];
  }

  in(seconds: number, act: () => void): void {
    this.#life.in(seconds, act);
  }

  /** A person, or whatever looks after runs: starts it again where nothing drives it. */
  attend(): void {
    const { harm, journal, run, job, executions } = this.#world;
    const { chance } = harm;
    this.#life.in(chance.between("looks", 200, 1500), async () => {
      const newest = await journal.newest(run);
      if (newest?.state.status === "finished") return;
      if (!this.#stopping && executions.all.every(({ life }) => !life.alive)) {
        const again = newest === undefined || chance.happens("with the job", 0.5);
        const last = executions.newest?.ending;
        const nothingLeft =
          last !== "aborted" && last?.status === "FAILED" && last.error === "Pawl.NothingLeft";
        executions.start({ ...(again ? { job } : { run }), ...(nothingLeft ? { startAgain: true } : {}) });
      }
      this.attend();
    });
  }

  /** Lets things happen, now and then. */
  surround(): void {
    const { harm } = this.#world;
    this.#life.in(harm.chance.exponential("around", 700), async () => {
      if (harm.calm) return;
      this.surround();
      if (!harm.strikes("around", "something", 0.5)) return;
      const [, happen] = harm.chance.weighted("what", this.#happenings, ([weight]) => weight);
      await happen();
    });
  }

  async #damage(): Promise<void> {
    const { harm, journal, run, batch, checkpoints, onDamage } = this.#world;
    const kept = (await journal.newest(run))?.state.kept ?? [];
    const done = damage(join(checkpoints, run), kept, harm.chance);
    if (done === undefined) return;
    onDamage(done.name);
    harm.note(done.kind, done.name);
    // Only who restores it finds out.
    if (harm.chance.happens("and a kill", 0.6)) batch.killOne();
  }

  #startAnother(): void {
    const { harm, executions, job, run } = this.#world;
    harm.note("two runners", "by hand");
    executions.start(harm.chance.happens("job", 0.5) ? { job } : { run });
  }

  #abort(): void {
    const { harm, executions, batch } = this.#world;
    const execution = executions.all.findLast(({ life }) => life.alive);
    if (execution === undefined) return;
    // Step Functions ends the job that it waits for, if it still can.
    const job = batch.jobs.findLast(({ life }) => life.alive);
    if (job !== undefined && harm.chance.happens("ends its job", 0.5))
      batch.terminate(job, "the execution was aborted");
    harm.note("execution gone", execution.name);
    execution.life.end();
  }

  /** Somebody stops the run, and starts it again later. */
  async #stop(): Promise<void> {
    const { harm, functions, run, say } = this.#world;
    if (this.#stopping) return;
    this.#stopping = true;
    harm.note("stop by a person", run);
    const id = `stop-${harm.injected.get("stop by a person")}`;
    for (let turn = 0; turn < 200; turn += 1) {
      try {
        const answer = StopAnswer.parse(await functions.invoke("Stop", { run, id, by: "alice@laptop" }));
        if (turn === 0 || answer.action !== "stopping") say(`stop: ${answer.action}`);
        if (answer.action !== "stopping") break;
      } catch (error) {
        say(`stop: ${error instanceof Error ? error.message : error}`);
      }
      await this.#life.sleep(30);
    }
    await this.#life.sleep(harm.chance.between("rests", 10, 900));
    this.#stopping = false;
  }
}
