import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainingJobInput } from "../../core/job.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { automaticRun } from "../../core/names.ts";
import type { RunState } from "../../core/run-state.ts";
import type { Notice } from "../../lambdas/ports.ts";
import { openFolderStore } from "../../store/folder.ts";
import { type Journal, openJournal } from "../../store/journal.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { ModelAgent } from "./agent.ts";
import { Around } from "./around.ts";
import { ModelBatch } from "./batch.ts";
import { Executions } from "./executions.ts";
import { synchronousFileSystem } from "./files.ts";
import { Functions } from "./functions.ts";
import { Harm } from "./harm.ts";
import type { StateMachine } from "./machine.ts";
import type { Plant } from "./planted.ts";
import { VirtualTime } from "./time.ts";
import type { Physics } from "./trainer.ts";
import { Witness } from "./witness.ts";

/** What a run of chaos trains, and in what world. */
export interface Scenario {
  readonly seed: string;
  readonly job: TrainingJobInput;
  readonly physics: Physics;
  readonly turnsPerExecution: number;
  readonly skewSeconds: number;
  /** The longest that a function waits for the store. */
  readonly latencySeconds: number;
  /** Mean seconds to what befalls an attempt. */
  readonly meanSeconds: number;
  /** After so many virtual seconds nothing more goes wrong. */
  readonly harmSeconds: number;
}

export interface WorldOptions {
  readonly machine: StateMachine;
  readonly calm?: boolean;
  readonly planted?: Plant;
}

/** Where folders are in memory, where the system has such a place. */
const inMemory = "/dev/shm";
const mostEvents = 25_000;

/** A world for one run, with everything that a deployment has, in virtual time. */
export class World {
  readonly time = new VirtualTime();
  readonly scenario: Scenario;
  readonly harm: Harm;
  readonly witness: Witness;
  readonly run: string;
  readonly folder: string;
  readonly log: string[] = [];
  readonly executions: Executions;
  readonly notices: Notice[] = [];
  readonly batch: ModelBatch;
  readonly store: ObjectStore;
  readonly journal: Journal;
  /** Checkpoints that have counted at some time. */
  readonly counted = new Set<string>();
  /** Entries that somebody was told are durable. */
  readonly told: JournalEntry[] = [];
  readonly damaged = new Set<string>();
  /** The checkpoints that hold files of another. */
  readonly refersTo = new Map<string, readonly string[]>();
  readonly #functions: Functions;
  readonly #around: Around;
  #events = 0;

  static async make(scenario: Scenario, options: WorldOptions): Promise<World> {
    let folder: string;
    try {
      folder = mkdtempSync(join(inMemory, "pawl-chaos-"));
    } catch {
      folder = mkdtempSync(join(tmpdir(), "pawl-chaos-"));
    }
    return new World(
      scenario,
      options,
      folder,
      await openFolderStore(join(folder, "store"), synchronousFileSystem),
    );
  }

  private constructor(scenario: Scenario, options: WorldOptions, folder: string, store: ObjectStore) {
    const { time } = this;
    this.scenario = scenario;
    this.folder = folder;
    this.store = store;
    this.journal = openJournal(store);
    this.run = automaticRun(scenario.job.name, 1);
    this.harm = new Harm(scenario.seed, options.calm);
    this.harm.onFault = (kind, of) => this.say(`! ${kind}: ${of}`);
    this.witness = new Witness(time);
    const seen = options.planted?.store?.(store) ?? store;
    const say = (text: string) => this.say(text);
    const common = {
      time,
      harm: this.harm,
      say,
      skewSeconds: options.calm === true ? 0 : scenario.skewSeconds,
    };
    this.batch = new ModelBatch({
      ...common,
      meanSeconds: scenario.meanSeconds,
      contain: (job) =>
        new ModelAgent(
          {
            ...common,
            store: seen,
            functions: this.#functions,
            run: this.run,
            scratch: join(folder, "hosts"),
            physics: scenario.physics,
            witness: this.witness,
          },
          job,
        ),
    });
    this.#functions = new Functions({
      ...common,
      store: seen,
      skewSeconds: Math.min(2, common.skewSeconds),
      liveness: {
        check: async (_run, { execution }) => ({
          alive: this.executions.isAlive(execution),
          who: `execution ${execution}`,
        }),
      },
      jobs: this.batch,
      latencySeconds: scenario.latencySeconds,
      limits: { turnsPerExecution: scenario.turnsPerExecution },
      onEntry: (entry) => this.#tell(entry),
      notify: async (notice) => void this.notices.push(notice),
      journalOn: (on) => withPlanted(openJournal(on), options.planted),
    });
    const { machine } = options;
    const parts = { functions: this.#functions, batch: this.batch };
    this.executions = new Executions({ ...common, ...parts, machine, chance: this.harm.chance });
    this.#around = new Around({
      ...common,
      ...parts,
      run: this.run,
      job: scenario.job,
      journal: this.journal,
      executions: this.executions,
      checkpoints: join(folder, "store", "checkpoints"),
      onDamage: (name) => this.damaged.add(name),
    });
  }

  /** Whether a checkpoint was damaged, or one that holds files of it. */
  damagedNow(name: string): boolean {
    return (
      this.damaged.has(name) || (this.refersTo.get(name) ?? []).some((holder) => this.damaged.has(holder))
    );
  }

  say(text: string): void {
    this.log.push(`${this.time.now.toFixed(1).padStart(9)}  ${text}`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #tell(entry: JournalEntry): void {
    const { sequence, decision, state } = entry;
    this.told.push(entry);
    this.#look(state);
    this.say(`   entry ${sequence} ${decision.kind}: ${decision.reason}`);
  }

  /** Plays the run to its end. Throws where it does not come to one. */
  async play(): Promise<void> {
    if (!this.harm.calm && this.scenario.skewSeconds > 0)
      this.harm.note("clocks differ", `by up to ${this.scenario.skewSeconds} s`);
    this.executions.start({ job: this.scenario.job });
    this.executions.schedule();
    this.#around.attend();
    if (!this.harm.calm) this.#around.surround();
    this.#around.in(this.scenario.harmSeconds, () => {
      this.harm.cease();
      this.say("nothing goes wrong any more");
    });
    await this.#until(async () => (await this.journal.newest(this.run))?.state.status === "finished");
    this.harm.cease();
    const idle = () =>
      !this.batch.anythingRuns &&
      this.#functions.running === 0 &&
      this.executions.sweeping === 0 &&
      this.executions.all.every(({ life }) => !life.alive);
    await this.#until(async () => idle(), 1);
    // Whatever nobody else has seen to, Sweep has by its schedule.
    let swept = false;
    void this.executions.sweepNow().then(() => {
      swept = true;
    });
    await this.#until(async () => swept && idle(), 1);
  }

  /** Notes what the kept checkpoints refer to, as long as it can be read. */
  #look({ kept }: RunState): void {
    for (const { name, refersTo } of kept) this.refersTo.set(name, refersTo);
  }

  #underWay(): string {
    const jobs = this.batch.jobs.filter(
      ({ life, status }) => life.alive || !["SUCCEEDED", "FAILED"].includes(status),
    );
    return [
      ...jobs.map(
        ({ id, status, life, suffered }) =>
          `${id} ${status} alive ${life.alive} frozen ${life.frozen} ${suffered}`,
      ),
      ...this.executions.all.filter(({ life }) => life.alive).map(({ name }) => name),
      `${this.#functions.running} functions, ${this.executions.sweeping} sweeps`,
    ].join(", ");
  }

  async #until(done: () => Promise<boolean>, every = 20): Promise<void> {
    for (let look = 0; ; look += 1) {
      if (look % every === 0 && (await done())) return;
      this.#events += 1;
      if (this.#events > mostEvents)
        throw new Error(`not at its end after ${mostEvents} events: ${this.#underWay()}`);
      if (await this.time.advance()) continue;
      if (await done()) return;
      throw new Error("nothing is due, and the run is not at its end");
    }
  }
}

const withPlanted = (journal: Journal, plant: Plant | undefined): Journal => {
  const change = plant?.entry;
  return change === undefined ? journal : { ...journal, append: (entry) => journal.append(change(entry)) };
};
