import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { ReviewReply } from "../core/answers.ts";
import type { DecisionLimits } from "../core/decision.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { checkpointPrefix } from "../core/keys.ts";
import type { RunState } from "../core/run-state.ts";
import { openRun } from "../lambdas/open.ts";
import type { JobRef, Ports } from "../lambdas/ports.ts";
import { recoverRun } from "../lambdas/recover.ts";
import { reviewAttempt, reviewRun } from "../lambdas/review.ts";
import { sweepRuns } from "../lambdas/sweep.ts";
import { type Definition, loadDefinition } from "../local/definition.ts";
import { type ExecutionResult, runExecution, StateError, type StateEvent } from "../local/interpreter.ts";
import { removeCheckpoint, saveCheckpoint } from "../store/checkpoints.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";

export const run = "long-1";
const arn = "arn:aws:states:local:000000000000:execution:pawl:";

/** The model after `epochs` epochs: each one depends on the one before, so that none can be left out or trained twice. */
export const modelAfter = (epochs: number): string => {
  let model = "";
  for (let epoch = 1; epoch <= epochs; epoch += 1) model = trainedOn(model, epoch);
  return model;
};

const trainedOn = (model: string, epoch: number): string =>
  createHash("sha256").update(`${model} ${epoch}`).digest("hex");

interface Execution {
  readonly name: string;
  readonly input: unknown;
  readonly stop: AbortController;
  readonly result: Promise<ExecutionResult>;
  /** Absent while it runs. */
  ended?: ExecutionResult;
  /** Events of its history, by Step Functions' rules. */
  events: number;
}

/** One call of a state's task; a test can put something in its place, or break off around it. */
export interface Call {
  readonly execution: string;
  readonly state: string;
  readonly input: unknown;
}

interface Job {
  terminated: boolean;
  readonly done: Promise<unknown>;
}

const SubmitJob = z.object({
  ContainerOverrides: z.object({ Environment: z.array(z.object({ Name: z.string(), Value: z.string() })) }),
});
const StartExecution = z.object({ Name: z.string(), Input: z.unknown() });

export interface MachineOptions {
  readonly limits: DecisionLimits;
  readonly around?: (call: Call, act: () => Promise<unknown>) => Promise<unknown>;
  readonly append?: (entry: JournalEntry, write: () => Promise<boolean>) => Promise<boolean>;
  /** Told of each entry that is durable, also of one whose writer does not live to know it. */
  readonly onWritten?: (entry: JournalEntry) => void;
}

/** Step Functions and Batch in this process: the deployed state machine, the real handlers, and attempts as functions. */
export class InProcessMachine {
  readonly executions = new Map<string, Execution>();
  /** Epochs in the order in which attempts trained them. */
  readonly trained: number[] = [];
  readonly ports: Ports;
  readonly #folder: string;
  readonly #store: ObjectStore;
  readonly #definition: Definition;
  readonly #options: MachineOptions;
  readonly #jobs = new Map<number, Job>();

  constructor(folder: string, store: ObjectStore, definition: Definition, options: MachineOptions) {
    this.#folder = folder;
    this.#store = store;
    this.#definition = definition;
    this.#options = options;
    const journal = openJournal(store);
    const { append = (_entry, write) => write(), onWritten } = options;
    const write = async (entry: JournalEntry): Promise<boolean> => {
      const written = await journal.append(entry);
      if (written) onWritten?.(entry);
      return written;
    };
    this.ports = {
      store,
      journal: { ...journal, append: (entry) => append(entry, () => write(entry)) },
      liveness: {
        check: async (_run, driver) => ({
          alive: this.#isRunning(driver.execution),
          who: `execution ${driver.execution}`,
        }),
      },
      jobs: {
        look: async ({ attempt }) => ({ running: this.#jobs.has(attempt) }),
        end: async (job) => await this.#end(job),
      },
      now: () => new Date(),
      random: () => 0,
      limits: options.limits,
    };
  }

  static async make(folder: string, options: MachineOptions): Promise<InProcessMachine> {
    const store = await openFolderStore(join(folder, "store"));
    return new InProcessMachine(folder, store, await loadDefinition(), options);
  }

  /** StartExecution: the same name and input again is the same execution while it runs, and refused afterwards. */
  start(name: string, input: unknown): { ExecutionArn: string } {
    const known = this.executions.get(name);
    if (known === undefined) {
      const stop = new AbortController();
      // It begins when the call has been answered, and not within it.
      const result = Promise.resolve().then(() => this.#execute(name, input, stop.signal));
      const execution: Execution = { name, input, stop, result, events: 2 };
      this.executions.set(name, execution);
      result.then(
        (ended) => {
          execution.ended = ended;
        },
        () => {},
      );
    } else if (known.ended !== undefined || JSON.stringify(known.input) !== JSON.stringify(input)) {
      throw new StateError("StepFunctions.ExecutionAlreadyExistsException", "Execution Already Exists");
    }
    return { ExecutionArn: `${arn}${name}` };
  }

  /** StopExecution. */
  abort(name: string): void {
    this.executions.get(name)?.stop.abort();
  }

  /** Waits until no execution runs any more: one may have started another. */
  async settled(): Promise<Map<string, ExecutionResult["status"]>> {
    const found = new Map<string, ExecutionResult["status"]>();
    for (const [name, { result }] of this.executions) found.set(name, (await result).status);
    await Promise.allSettled([...this.#jobs.values()].map(({ done }) => done));
    return found;
  }

  /** Sweep, as EventBridge has it asked when an execution has ended. */
  async sweep(name: string) {
    const status = this.executions.get(name)?.ended?.status ?? "RUNNING";
    const input = JSON.stringify(this.executions.get(name)?.input);
    return await sweepRuns(this.ports)({
      "detail-type": "Step Functions Execution Status Change",
      detail: { executionArn: `${arn}${name}`, name, status, input },
    });
  }

  async state(): Promise<RunState> {
    const newest = await this.ports.journal.newest(run);
    if (newest === undefined) throw new Error("the run has not begun");
    return newest.state;
  }

  /** What the newest checkpoint holds. */
  async model(): Promise<string> {
    const name = (await this.state()).kept.at(-1)?.name ?? "none";
    return await this.#restored(name);
  }

  #isRunning(name: string): boolean {
    const execution = this.executions.get(name);
    return execution !== undefined && execution.ended === undefined && !execution.stop.signal.aborted;
  }

  #execute(name: string, input: unknown, signal: AbortSignal): Promise<ExecutionResult> {
    const { ports } = this;
    const tasks: Record<string, (input: unknown) => Promise<unknown>> = {
      Open: openRun(ports),
      Review: reviewRun(ports),
      Recover: recoverRun(ports),
      Train: (parameters) => this.#train(parameters),
      Continue: async (parameters) => {
        const { Name, Input } = StartExecution.parse(parameters);
        return this.start(Name, Input);
      },
    };
    const { around = (_call, act) => act() } = this.#options;
    const handlers = Object.fromEntries(
      Object.entries(tasks).map(([state, task]) => [
        state,
        (given: unknown) => around({ execution: name, state, input: given }, () => task(given)),
      ]),
    );
    return runExecution({
      definition: this.#definition,
      input,
      name,
      executionId: `${arn}${name}`,
      stateMachineId: "arn:aws:states:local:000000000000:stateMachine:pawl",
      handlers,
      signal,
      onState: (event) => this.#count(name, event),
    });
  }

  /**
   * Step Functions' history: a state is entered and left; a task is scheduled and started, by `.sync` submitted too, and
   * succeeds or fails; tried again, it is scheduled and started once more.
   */
  #count(name: string, event: StateEvent): void {
    const execution = this.executions.get(name);
    const state = this.#definition.States[event.state];
    if (execution === undefined || state === undefined) return;
    const begun = state.Type !== "Task" ? 0 : state.Resource.includes("lambda") ? 2 : 3;
    const isTask = state.Type === "Task" ? 1 : 0;
    const events = {
      entered: 1 + begun,
      exited: 1 + isTask,
      failed: isTask,
      caught: 1,
      retried: begun,
    };
    execution.events += events[event.type];
  }

  /** `batch:submitJob.sync`: an attempt from its claim to its end. */
  async #train(parameters: unknown): Promise<unknown> {
    const { ContainerOverrides } = SubmitJob.parse(parameters);
    const environment = new Map(ContainerOverrides.Environment.map(({ Name, Value }) => [Name, Value]));
    const attempt = Number(environment.get("PAWL_ATTEMPT"));
    const JobId = `job-${attempt}`;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const job: Job = { terminated: false, done };
    this.#jobs.set(attempt, job);
    try {
      await this.#attempt(attempt, JobId, Number(environment.get("PAWL_SEQUENCE")), job);
      return { JobId, Status: "SUCCEEDED" };
    } catch (error) {
      const StatusReason = error instanceof Error ? error.message : String(error);
      throw new StateError("States.TaskFailed", JSON.stringify({ JobId, Status: "FAILED", StatusReason }));
    } finally {
      this.#jobs.delete(attempt);
      resolve();
    }
  }

  async #attempt(attempt: number, batchJobId: string, known: number, job: Job): Promise<void> {
    let sequence = known;
    const ask = async (event: object): Promise<ReviewReply["answer"]> => {
      if (job.terminated) throw new Error("Terminated");
      const request = { sequence, event: { run, attempt, batchJobId, ...event } };
      const { answer } = await reviewAttempt(this.ports)(request);
      if (answer.action === "leave") throw new Error(answer.reason);
      sequence = answer.sequence;
      return answer;
    };
    const begun = await ask({ type: "started" });
    if (begun.action !== "begin") throw new Error(`it was answered ${begun.action}`);
    const { assignment } = begun;
    const at = new Date().toISOString();
    let model = assignment.restore === undefined ? "" : await this.#restored(assignment.restore);
    let { plan } = assignment;
    for (;;) {
      const { epoch } = plan;
      this.trained.push(epoch);
      model = trainedOn(model, epoch);
      const report = { epoch, metrics: { loss: 1 / epoch }, examples: 10, seconds: 1 };
      const answer = await ask({ type: "report", report });
      const folder = join(this.#folder, `save-${attempt}`);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "model.txt"), model);
      const { jobDigest } = assignment;
      const saved = { run, attempt, epoch, folder, jobDigest, at, reports: [report] };
      const { name } = await saveCheckpoint(this.#store, saved);
      await rm(folder, { recursive: true });
      const committed = await ask({ type: "commit", epoch, checkpoint: name, removed: [] });
      const remove = committed.action === "committed" ? committed.remove : [];
      await Promise.all(remove.map((dropped) => removeCheckpoint(this.#store, run, dropped)));
      if (answer.action === "train") plan = answer.plan;
      else return await this.#leave({ attempt, batchJobId, at }, remove, ask);
    }
  }

  async #leave(
    own: { attempt: number; batchJobId: string; at: string },
    removed: string[],
    ask: (event: object) => Promise<unknown>,
  ): Promise<void> {
    const { attempt, batchJobId, at } = own;
    const message = "its segment is committed";
    const what = { version: 1, run, attempt, batchJobId, result: "done", message, logTail: [] };
    await ask({ type: "ended", outcome: { ...what, startedAt: at, endedAt: at }, removed });
  }

  async #restored(name: string): Promise<string> {
    const file = await this.#store.read(`${checkpointPrefix(run, name)}model.txt`);
    if (file === undefined) throw new Error(`checkpoint ${name} is not there`);
    return Buffer.from(file.bytes).toString("utf8");
  }

  async #end({ attempt }: JobRef) {
    const job = this.#jobs.get(attempt);
    if (job === undefined) return { running: false };
    job.terminated = true;
    await job.done;
    return { running: false, stoppedAt: new Date().toISOString() };
  }
}
