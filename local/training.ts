import { join } from "node:path";
import * as z from "zod";
import { type DecisionLimits, defaultLimits } from "../core/decision.ts";
import { PawlError } from "../core/errors.ts";
import type { PriceList } from "../core/instance.ts";
import type { TrainingJobInput } from "../core/job.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import type { RunState } from "../core/run-state.ts";
import type { JobSource } from "../core/source.ts";
import type { Offers } from "../core/stack.ts";
import { type StopIntent, terminationReason } from "../core/stop.ts";
import { localExecutionId } from "../lambdas/lease-liveness.ts";
import { openRun } from "../lambdas/open.ts";
import type { Ports } from "../lambdas/ports.ts";
import { recoverRun } from "../lambdas/recover.ts";
import { reviewAttempt, reviewRun } from "../lambdas/review.ts";
import { stopRun } from "../lambdas/stop.ts";
import type { Journal } from "../store/journal.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type JobUpdate, LocalBatch, type LocalBatchControl } from "./batch.ts";
import { loadDefinition } from "./definition.ts";
import { type AskExecution, localLiveness } from "./driver-liveness.ts";
import { type ExecutionResult, runExecution, type TaskHandler } from "./interpreter.ts";
import { type HeldLease, takeLease } from "./lease.ts";
import { scratchFolder, sweepScratch } from "./scratch.ts";
import { type StopWatch, watchStop } from "./stop-watch.ts";

/** What happens while a run trains, for whoever shows it. */
export type TrainingMessage =
  | { readonly code: "state.entered"; readonly state: string }
  | { readonly code: "journal.entry"; readonly entry: JournalEntry }
  | { readonly code: "stop.asked"; readonly stop: StopIntent }
  | { readonly code: "job.status"; readonly update: JobUpdate }
  | { readonly code: "trainer.output"; readonly chunk: Uint8Array };

export interface LocalTraining {
  readonly store: ObjectStore;
  readonly run: string;
  readonly job?: TrainingJobInput;
  readonly source?: JobSource;
  readonly acceptChanges: boolean;
  /** Whether a run whose every checkpoint is damaged begins again. */
  readonly startAgain?: boolean;
  /** Aborted once: the attempts are asked to leave, what is trained is committed, and the run can go on later. */
  readonly interrupt: AbortSignal;
  readonly onMessage: (message: TrainingMessage) => void;
  readonly limits?: DecisionLimits;
  /** Whether an execution on AWS lives that drove the run, where that can be asked; else it is taken for gone. */
  readonly isExecutionAlive?: AskExecution;
  /** An execution's input as somebody gives it to a stack, in place of `job`, `source` and `acceptChanges`. */
  readonly input?: unknown;
  /** A stack to be played here: what it can give a job, what that costs, and where an instance's metadata is. */
  readonly stack?: { readonly offers: Offers; readonly prices: PriceList; readonly metadata: string };
  /** Gets the Batch of this machine, to take hosts away from it. */
  readonly onBatch?: (batch: LocalBatchControl) => void;
}

export interface LocalResult {
  /** `stopped`: somebody asked for it, and the run can go on later. */
  readonly result: "finished" | "failed" | "stopped" | "interrupted" | "refused";
  /** Absent where there was never a run. */
  readonly state: RunState | undefined;
  /** The state machine's error, where it failed. */
  readonly error?: { readonly error: string; readonly cause: string };
}

/** Any name will do here; the hand-over's target is this machine itself. */
const stateMachineId = "arn:aws:states:local:000000000000:stateMachine:pawl";

/**
 * Trains a run on this machine until it is finished, failed or interrupted: the synthesised state machine, the Lambda
 * handlers in this process, an agent as a child process for each Batch job. Throws RUN_HELD where another process does.
 */
export async function trainLocally(training: LocalTraining): Promise<LocalResult> {
  const { store, run } = training;
  const definition = await loadDefinition();
  const lease = await takeLease(store, run);
  const scratch = join(scratchFolder(store), run);
  try {
    await sweepScratch(scratch);
    return await new Session(training, lease, scratch).run(definition);
  } finally {
    try {
      // Where another driver has the run, what is there now may be that one's.
      if (!lease.lost.aborted) await sweepScratch(scratch);
    } finally {
      await lease.release();
    }
  }
}

/** What Continue asks of `states:startExecution`. */
const StartExecution = z.object({ Name: z.string() });

type Definition = Awaited<ReturnType<typeof loadDefinition>>;

class Session {
  readonly #training: LocalTraining;
  readonly #lease: HeldLease;
  readonly #journal: Journal;
  readonly #batch: LocalBatch;
  readonly #ports: Ports;
  readonly #started = new Set<string>();
  #successor: string | undefined;
  #thrown: PawlError | undefined;
  readonly #watch: StopWatch;
  /** Aborted where the run is stopped and its execution has nothing left to do but wait. */
  readonly #stopped = new AbortController();
  #stopping = false;
  /** Decisions on their way: an execution that is aborted does not wait for them. */
  readonly #deciding = new Set<Promise<unknown>>();

  constructor(training: LocalTraining, lease: HeldLease, scratch: string) {
    const { store, onMessage, limits = defaultLimits, stack } = training;
    this.#training = training;
    this.#lease = lease;
    this.#journal = openJournal(store);
    this.#batch = new LocalBatch({
      scratch,
      storeAddress: store.address,
      ...(stack === undefined ? {} : { metadata: stack.metadata }),
      review: (payload) => reviewAttempt(this.#ports)(payload),
      onUpdate: (update) => onMessage({ code: "job.status", update }),
      onOutput: (_jobId, chunk) => onMessage({ code: "trainer.output", chunk }),
    });
    this.#ports = {
      store,
      journal: this.#journal,
      liveness: localLiveness(store, this.#journal, training.isExecutionAlive),
      jobs: this.#batch,
      now: () => new Date(),
      random: Math.random,
      limits,
      ...(stack === undefined ? {} : { offers: stack.offers, prices: stack.prices }),
      onEntry: (entry) => {
        onMessage({ code: "journal.entry", entry });
        this.#watch.see(entry);
      },
    };
    this.#watch = watchStop({
      journal: this.#journal,
      run: training.run,
      onStop: (entry, own) => this.#stop(entry, own),
    });
    training.onBatch?.(this.#batch);
  }

  async run(definition: Definition): Promise<LocalResult> {
    try {
      return await this.#drive(definition);
    } catch (error) {
      this.#batch.killAll();
      await this.#batch.close();
      throw error;
    } finally {
      this.#watch.close();
    }
  }

  /** Ends the attempts, so that the state machine comes to the end that Recover then answers. One that waits is aborted. */
  #stop({ state }: JournalEntry, own: boolean): void {
    if (state.stop === undefined || !this.#isOurs(state)) return;
    if (!this.#stopping) {
      this.#stopping = true;
      this.#batch.terminateAll(terminationReason(state.stop));
      this.#training.onMessage({ code: "stop.asked", stop: state.stop });
    }
    if (!own && state.status === "stopped" && state.live.length === 0) this.#stopped.abort();
  }

  #isOurs({ driver }: RunState): boolean {
    return driver.id.startsWith(localExecutionId(this.#lease.holder, ""));
  }

  async #drive(definition: Definition): Promise<LocalResult> {
    const { run, job, source, acceptChanges, startAgain = false } = this.#training;
    let name = `${run}-${this.#lease.holder.slice(0, 8)}`;
    let input: unknown = this.#training.input ?? {
      run,
      acceptChanges,
      ...(startAgain ? { startAgain } : {}),
      ...(job === undefined ? {} : { job }),
      ...(source === undefined ? {} : { source }),
    };
    for (;;) {
      this.#started.add(name);
      const result = await this.#execute(definition, name, input);
      if (result.status === "SUCCEEDED" && this.#successor !== undefined) {
        name = this.#successor;
        this.#successor = undefined;
        input = { run };
        continue;
      }
      return await this.#conclude(result);
    }
  }

  async #execute(definition: Definition, name: string, input: unknown): Promise<ExecutionResult> {
    const stop = AbortSignal.any([this.#training.interrupt, this.#lease.lost, this.#stopped.signal]);
    const result = await runExecution({
      definition,
      input,
      name,
      executionId: localExecutionId(this.#lease.holder, name),
      stateMachineId,
      handlers: {
        Open: this.#telling(openRun(this.#ports)),
        Review: this.#telling(reviewRun(this.#ports)),
        Recover: this.#telling(recoverRun(this.#ports)),
        Train: (parameters) => this.#batch.submitAndWait(parameters),
        Continue: async (parameters) => this.#continue(parameters),
      },
      signal: stop,
      onState: (event) => {
        if (event.type === "entered") this.#training.onMessage({ code: "state.entered", state: event.state });
      },
    });
    return result;
  }

  /** A function whose errors are remembered: the state machine keeps their words only. */
  #telling(handler: TaskHandler): TaskHandler {
    return async (payload) => {
      const decided = handler(payload);
      this.#deciding.add(decided);
      try {
        return await decided;
      } catch (error) {
        if (error instanceof PawlError) this.#thrown = error;
        throw error;
      } finally {
        this.#deciding.delete(decided);
      }
    };
  }

  /** `states:startExecution`: the execution is begun when this one has ended. */
  #continue(parameters: unknown): unknown {
    const { Name: name } = StartExecution.parse(parameters);
    if (this.#started.has(name)) return { ExecutionArn: localExecutionId(this.#lease.holder, name) };
    this.#successor = name;
    return { ExecutionArn: localExecutionId(this.#lease.holder, name), StartDate: Date.now() / 1000 };
  }

  async #conclude(result: ExecutionResult): Promise<LocalResult> {
    if (this.#lease.lost.aborted) throw this.#lease.lost.reason;
    await this.#batch.close();
    // What is decided is written before the lease is given back.
    await Promise.allSettled(this.#deciding);
    const state = await this.#settledState(result);
    const ours = state !== undefined && this.#isOurs(state);
    if (result.status === "ABORTED") {
      if (ours && (state.status === "finished" || state.status === "stopped"))
        return { result: state.status, state };
      return { result: "interrupted", state };
    }
    if (result.status === "SUCCEEDED") {
      if (state?.status !== "finished" && state?.status !== "stopped") {
        throw new PawlError(
          "INTERNAL",
          `the state machine succeeded, but run ${this.#training.run} is ${state?.status}`,
        );
      }
      return { result: state.status, state };
    }
    const { error, cause } = result;
    if (this.#thrown !== undefined && error === this.#thrown.name) throw this.#thrown;
    // What failed before this driver opened the run is not what it was refused for.
    return {
      result: ours && state.status === "failed" ? "failed" : "refused",
      state,
      error: { error, cause },
    };
  }

  /** Where the run stands now. A stop that an interrupted execution did not live to see is final with it. */
  async #settledState({ status }: ExecutionResult): Promise<RunState | undefined> {
    const { run } = this.#training;
    const newest = await this.#journal.newest(run);
    const state = newest?.state;
    if (status !== "ABORTED" || state?.stop === undefined || state.status === "stopped") return state;
    if (!this.#isOurs(state)) return state;
    const gone = { check: async () => ({ alive: false, who: state.driver.execution }) };
    const { id, by } = state.stop;
    await stopRun({ ...this.#ports, liveness: gone })({ run, id, by, sequence: state.sequence });
    return (await this.#journal.newest(run, state.sequence))?.state;
  }
}
