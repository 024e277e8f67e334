import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AttemptError, asAttemptError } from "../../agent/attempt-error.ts";
import { type Assignment, ReviewReply } from "../../core/answers.ts";
import { PawlError } from "../../core/errors.ts";
import type { SentEvent } from "../../core/events.ts";
import { failureRule } from "../../core/failure.ts";
import { TrainingJob } from "../../core/job.ts";
import { outcomeKey } from "../../core/keys.ts";
import type { Manifest } from "../../core/manifest.ts";
import type { Outcome } from "../../core/outcome.ts";
import { leavingSeconds } from "../../core/policies/save-cost.ts";
import { beginPulse, type LifeSign, observe, stalled } from "../../core/policies/stall.ts";
import { restoreCheckpoint } from "../../store/checkpoints.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import type { FaultKind } from "../faults.ts";
import { ModelUploads } from "./agent-uploads.ts";
import { storeOver } from "./client.ts";
import type { Functions } from "./functions.ts";
import type { Harm } from "./harm.ts";
import { Life } from "./life.ts";
import { StateFailure } from "./machine.ts";
import type { Contained, ModelJob } from "./model-job.ts";
import type { VirtualTime } from "./time.ts";
import { Toy } from "./toy.ts";
import { ModelTrainer, type Physics } from "./trainer.ts";
import type { Witness } from "./witness.ts";

export interface AgentWorld {
  readonly time: VirtualTime;
  readonly harm: Harm;
  readonly store: ObjectStore;
  readonly functions: Functions;
  readonly run: string;
  /** Where attempts work. */
  readonly scratch: string;
  readonly physics: Physics;
  readonly witness: Witness;
  readonly say: (text: string) => void;
}

/** Told to leave because it is not live, or because another Batch job has its assignment. */
const leftExitCode = 18;

/** No further apart than what the policy takes for the watcher's own sleep. */
const lookEverySeconds = 30;

/** Seconds that an ending attempt still commits for. */
const lastUploadSeconds = 15;

/** How often Review is asked where the service fails and not the function, and where the function fails. */
const tries = { service: 6, function: 2 };

const exitCodeOf = ({ result }: AttemptError): number =>
  result === "left" || result === "duplicate" ? leftExitCode : (failureRule(result).exitCode ?? 1);

/**
 * An agent with its trainer, as `agent/` is, in virtual time: it claims its assignment, restores what it is told with the real
 * restore, trains at most one epoch ahead of its commits, saves behind the training with the real save, and leaves when told to.
 */
export class ModelAgent implements Contained {
  readonly #world: AgentWorld;
  readonly #job: ModelJob;
  readonly #life: Life;
  readonly #store: ObjectStore;
  readonly #trainer: Life;
  readonly #leaving = Promise.withResolvers<never>();
  #sequence: number;
  #model: ModelTrainer | undefined;
  #uploads: ModelUploads | undefined;

  constructor(world: AgentWorld, job: ModelJob) {
    this.#world = world;
    this.#job = job;
    this.#life = job.life;
    this.#trainer = new Life(world.time, `${job.id}'s trainer`);
    this.#life.onEnd(() => this.#trainer.end());
    this.#sequence = job.sequence;
    this.#leaving.promise.catch(() => {});
    const { chance } = world.harm;
    this.#store = storeOver(world.store, {
      life: () => this.#life,
      harm: world.harm,
      seconds: (operation, key) =>
        operation === "create" && key.startsWith("checkpoints/")
          ? chance.exponential("upload", world.physics.uploadSeconds)
          : chance.between("latency", 0.01, 0.2),
    });
  }

  leave(): void {
    void this.#depart(new AttemptError("interrupted", "the attempt was asked to leave (SIGTERM)"), 25);
  }

  notice(seconds: number): void {
    const { chance } = this.#world.harm;
    if (chance.happens("rebalance", 0.5)) this.#model?.recommendSaving();
    // The instance's metadata are looked at every 5 s.
    const seen = chance.between("poll", 0, 5);
    const error = new AttemptError("spot-reclaim", "the instance is to be reclaimed");
    this.#life.in(seen, () => void this.#depart(error, seconds - seen));
  }

  /** Leaves with as much as there is time for. */
  async #depart(error: AttemptError, seconds: number): Promise<void> {
    const until = this.#world.time.now + seconds - leavingSeconds;
    const left = () => this.#life.sleep(until - this.#world.time.now);
    if (this.#model !== undefined)
      await this.#life.of(Promise.race([this.#model.saveAndHold(seconds), left()]));
    if (this.#uploads?.busy === true)
      await this.#life.of(Promise.race([this.#uploads.drain().catch(() => {}), left()]));
    this.#end(error);
  }

  ofTrainer(kind: FaultKind): void {
    if (kind === "hang") {
      this.#trainer.freeze();
      return;
    }
    this.#trainer.end();
    const crashed = kind === "trainer crashes";
    const more = { trainer: crashed ? { exitCode: null, signal: "SIGSEGV" } : { exitCode: 1, signal: null } };
    this.#end(
      crashed
        ? new AttemptError("segfault/native-crash", "the trainer was ended by SIGSEGV", more)
        : new AttemptError("user-exception", "the trainer exited with code 1", more),
    );
  }

  /** Looks for signs of life of the trainer, by the policy that the real watch has. */
  #watch({ stalls }: Assignment, job: TrainingJob): (sign: LifeSign) => void {
    const seconds = () => this.#world.time.now;
    let pulse = beginPulse(seconds(), stalls === undefined ? {} : { stalls });
    const observing = (sign: LifeSign) => {
      pulse = observe(pulse, sign, seconds());
    };
    const look = () => {
      if (!this.#trainer.alive) return;
      observing("watch");
      const stall = stalled(job.stall, pulse);
      if (stall === undefined) return this.#life.in(lookEverySeconds, look);
      const { silentSeconds, limitSeconds } = stall;
      const message = `no sign of life for ${Math.round(silentSeconds)} s, and ${Math.round(limitSeconds)} s are the limit`;
      this.#end(new AttemptError("stalled", message));
    };
    look();
    return observing;
  }

  #end(error: AttemptError): void {
    this.#trainer.end();
    this.#leaving.reject(error);
  }

  async run(): Promise<number> {
    const life = this.#life;
    const startedAt = life.moment();
    let failed: AttemptError | undefined;
    let message = "";
    await life.sleep(this.#world.harm.chance.between("start", 1, 20));
    try {
      message = await this.#attempt();
    } catch (error) {
      failed = asAttemptError(error);
      message = failed.message;
    }
    this.#trainer.end();
    const { run } = this.#world;
    const { attempt, id: batchJobId } = this.#job;
    const outcome: Outcome = {
      version: 1,
      run,
      attempt,
      batchJobId,
      result: failed?.result ?? "done",
      message: message.slice(0, 2000),
      ...failed?.more,
      logTail: [],
      startedAt,
      endedAt: life.moment(),
    };
    this.#world.say(`${batchJobId} ends: ${outcome.result}: ${message}`);
    this.#world.witness.left(this.#job, outcome);
    try {
      await this.#store.create(outcomeKey(run, attempt, batchJobId), JSON.stringify(outcome));
      const removed = this.#uploads?.takeRemoved() ?? [];
      await this.#review({ ...this.#identity, type: "ended", outcome, removed });
    } catch (error) {
      this.#world.say(
        `${batchJobId} could not note its outcome: ${error instanceof Error ? error.message : error}`,
      );
    }
    return failed === undefined ? 0 : exitCodeOf(failed);
  }

  get #identity() {
    return { run: this.#world.run, attempt: this.#job.attempt, batchJobId: this.#job.id };
  }

  /** Asks Review as a client of Lambda does. Throws AttemptError `store-failed` where no answer is to be had. */
  async #review(event: SentEvent): Promise<ReviewReply> {
    const { functions } = this.#world;
    const failures = { service: 0, function: 0 };
    for (;;) {
      try {
        const answer = await this.#life.of(functions.invoke("Review", { sequence: this.#sequence, event }));
        const reply = ReviewReply.parse(answer);
        this.#sequence = Math.max(this.#sequence, reply.answer.sequence);
        return reply;
      } catch (error) {
        if (!(error instanceof StateFailure)) throw error;
        const whose =
          error.error.startsWith("Lambda.") || error.error === "Sandbox.Timedout" ? "service" : "function";
        failures[whose] += 1;
        if (failures[whose] >= tries[whose])
          throw new AttemptError("store-failed", `the decision could not be made: ${error.message}`);
        await this.#life.sleep(this.#world.harm.chance.between("again", 0.2, 2 ** failures[whose]));
      }
    }
  }

  async #attempt(): Promise<string> {
    const { physics, witness, harm, scratch } = this.#world;
    const leaving = this.#leaving.promise;
    const claim = this.#review({ ...this.#identity, type: "started" });
    claim.catch(() => {});
    const { answer, job: input } = await Promise.race([claim, leaving]);
    if (answer.action === "leave") {
      const more = answer.winner === undefined ? {} : { winner: answer.winner };
      throw new AttemptError(answer.winner === undefined ? "left" : "duplicate", answer.reason, more);
    }
    if (answer.action !== "begin" || input === undefined)
      throw new AttemptError("unknown", `Review answered '${answer.action}' to a claim`);
    const { assignment } = answer;
    const folder = join(scratch, this.#job.id);
    mkdirSync(folder, { recursive: true });
    witness.claimed(this.#job, assignment);
    const restoring = this.#restore(assignment.restore, join(folder, "checkpoint"));
    restoring.catch(() => {});
    const { toy, previous } = await Promise.race([restoring, leaving]);
    const uploads = new ModelUploads({
      ...this.#identity,
      life: this.#life,
      store: this.#store,
      jobDigest: assignment.jobDigest,
      previous,
      review: (event) => this.#review(event),
      witness,
      job: this.#job,
    });
    this.#uploads = uploads;
    const training = TrainingJob.parse(input);
    this.#model = new ModelTrainer({
      observe: this.#watch(assignment, training),
      life: this.#trainer,
      physics,
      toy,
      assignment,
      resumed: previous,
      job: training,
      uploads,
      folder: join(folder, "saves"),
      report: (report) => this.#review({ ...this.#identity, type: "report", report }),
      measure: (measured) => this.#review({ ...this.#identity, type: "measured", ...measured }),
      witness,
      of: this.#job,
      chance: harm.chance,
    });
    const failures = [uploads.failure.promise, leaving];
    try {
      const reason = await Promise.race([this.#life.of(this.#model.run()), ...failures]);
      await Promise.race([uploads.drain(), ...failures]);
      return reason;
    } catch (error) {
      this.#trainer.end();
      // Told that it is not live: nothing that it has counts any more.
      const fenced = error instanceof AttemptError && error.result === "left";
      if (!fenced) await Promise.race([uploads.drain().catch(() => {}), this.#life.sleep(lastUploadSeconds)]);
      uploads.close();
      throw error;
    }
  }

  async #restore(
    name: string | undefined,
    folder: string,
  ): Promise<{ toy: Toy; previous: Manifest | undefined }> {
    if (name === undefined) return { toy: new Toy(), previous: undefined };
    try {
      const previous = await restoreCheckpoint(this.#store, this.#world.run, name, folder);
      const toy = this.#world.witness.restored(this.#job, name, folder);
      return { toy, previous };
    } catch (error) {
      if (error instanceof PawlError && error.code === "CHECKPOINT_DAMAGED")
        throw new AttemptError("checkpoint-corrupt", error.message, { damaged: name });
      throw error;
    }
  }
}
