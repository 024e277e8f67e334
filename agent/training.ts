import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { TrainingJob } from "../core/job.ts";
import { fillPlaceholders, type TrainerContext, trainerEnvironment } from "../core/trainer-variables.ts";
import { AttemptError } from "./attempt-error.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Course } from "./course.ts";
import { type AgentEnvironment, inheritedEnvironment } from "./environment.ts";
import { readMetricsFile } from "./plain-command.ts";
import type { SaveClock } from "./save-clock.ts";
import type { StallWatch } from "./stall-watch.ts";
import { trainerFailure } from "./trainer-failure.ts";
import { startTrainer, type TrainerExit, type TrainerProcess } from "./trainer-process.ts";
import type { TrainerSession } from "./trainer-session.ts";
import type { SavedFiles } from "./uploads.ts";
import type { Workspace } from "./workspace.ts";

interface TrainingContext {
  readonly environment: AgentEnvironment;
  readonly log: AttemptLog;
  readonly output: (chunk: Uint8Array) => Promise<void> | undefined;
  readonly onTrainer: (pid: number) => void;
  readonly pythonHelper: string;
  readonly job: TrainingJob;
  readonly workspace: Workspace;
  readonly course: Course;
  readonly clock: SaveClock;
  readonly watch: StallWatch;
  readonly session: TrainerSession;
  /** The job's folder. */
  readonly source: string | undefined;
}

/** How long a trainer may take to end once nothing is left to train: it may export something. */
const farewellMilliseconds = 300_000;

/** How long it then has to end by itself after SIGTERM. */
const graceMilliseconds = 5000;

/** More than the stacks of some hundred threads need. */
const mostDumpCharacters = 1_000_000;

/** The training command, run until nothing is left: once for each epoch, or once for all where it says hello. */
export class Training {
  readonly #context: TrainingContext;
  #process: Promise<TrainerProcess> | undefined;
  /** An epoch of a plain command on its way from the command's end to the upload. */
  #handingOver: Promise<void> = Promise.resolve();
  #stopping = false;
  /** What is printed from when its stacks are asked for. */
  #dump: string | undefined;

  constructor(context: TrainingContext) {
    this.#context = context;
  }

  /** Returns why there is nothing more to train. */
  async run(): Promise<string> {
    const { course, session, watch } = this.#context;
    for (;;) {
      this.#process = this.#start();
      const exit = await this.#exit(await this.#process);
      // Asked to leave, it may well have exited with 0: that does not make its epoch a whole one.
      if (this.#stopping) return await this.#interrupted();
      if (exit.exitCode !== 0) throw trainerFailure(exit, this.#context.log.recent());
      if (session.finished !== undefined) return session.finished;
      if (session.greeted) throw this.#endedEarly();
      if (course.resume !== undefined) throw this.#cannotResume(course.resume.step);
      watch.observe("report");
      watch.observe("pause");
      this.#handingOver = this.#handOver();
      await this.#handingOver;
      if (this.#stopping) return await this.#interrupted();
      await session.held();
      const upcoming = await course.next();
      if ("finish" in upcoming) return upcoming.finish;
      if (this.#stopping) return await this.#interrupted();
      watch.observe("resume");
    }
  }

  /** Ends the command, if it runs, and starts it no more: SIGTERM, and SIGKILL after `milliseconds`. */
  async stop(milliseconds: number): Promise<void> {
    this.#stopping = true;
    const running = await this.#process?.catch(() => undefined);
    await running?.stop(milliseconds);
  }

  /** Settles when what a plain command has trained to its end is handed over. */
  async handedOver(): Promise<void> {
    await this.#handingOver;
  }

  /** Ends the command, which is asked for its stacks before: returns what it prints to that. */
  async abort(milliseconds: number): Promise<string> {
    this.#stopping = true;
    this.#dump = "";
    const running = await this.#process?.catch(() => undefined);
    await running?.abort(milliseconds);
    return this.#dump;
  }

  /** The attempt ends for another reason, which is the one that is told: there is nothing to say here. */
  #interrupted(): Promise<never> {
    return new Promise(() => {});
  }

  #endedEarly(): AttemptError {
    const { epoch } = this.#context.course.plan;
    return new AttemptError(
      "user-exception",
      `the trainer ended by itself in epoch ${epoch}, before it was told to`,
    );
  }

  #cannotResume(step: number): AttemptError {
    const { epoch } = this.#context.course.plan;
    return new AttemptError(
      "user-exception",
      `the newest checkpoint is from the middle of epoch ${epoch}, after step ${step}, and this command cannot go on from there, since it does not use the helper: go back to the trainer that saved it (epochs(save=…) and epoch.step()) until that epoch is whole, or begin again with --new`,
      // Another attempt would come to the same end.
      { retryable: false },
    );
  }

  /** What a plain command leaves behind: its metrics, and the checkpoint that it changed. */
  async #handOver(): Promise<void> {
    const { course, workspace, clock } = this.#context;
    const { metrics, examples, norms } = await readMetricsFile(workspace.metricsFile);
    course.report({ metrics, ...(examples === undefined ? {} : { examples }), norms });
    if (!course.plan.checkpoint) return;
    if (clock.demanded || (await course.endIsDue())) course.save(await this.#snapshot());
    else course.skip();
  }

  async #start(): Promise<TrainerProcess> {
    const { job, workspace, environment, course, watch, source } = this.#context;
    const variables: TrainerContext = {
      run: environment.run,
      attempt: environment.attempt,
      epochs: job.epochs,
      plan: course.plan,
      checkpointDir: workspace.checkpoint,
      metricsFile: workspace.metricsFile,
      dataDir: job.data === undefined || source === undefined ? undefined : join(source, job.data),
    };
    const [program = "", ...args] = job.command.map((argument) => fillPlaceholders(argument, variables));
    const inherited = { ...inheritedEnvironment(process.env), ...job.env };
    const pythonPath = [inherited.PYTHONPATH, this.#context.pythonHelper].filter(Boolean).join(":");
    course.begin();
    watch.begin();
    return await startTrainer({
      program,
      args,
      folder: workspace.work,
      environment: {
        PYTHONUNBUFFERED: "1",
        // So that Python shows what all of its threads do when it is ended for a stall.
        PYTHONFAULTHANDLER: "1",
        ...inherited,
        PYTHONPATH: pythonPath,
        ...trainerEnvironment(variables),
        PAWL_SOCKET: workspace.socket,
      },
      onOutput: (chunk) => this.#takeOutput(chunk),
      onProcess: this.#context.onTrainer,
    });
  }

  #takeOutput(chunk: Uint8Array): Promise<unknown> | undefined {
    const { log, output, watch } = this.#context;
    watch.observe("output");
    if (this.#dump !== undefined && this.#dump.length < mostDumpCharacters)
      this.#dump += Buffer.from(chunk).toString();
    const taken = [log.write(chunk), output(chunk)];
    if (taken.every((each) => each === undefined)) return undefined;
    // Whoever prints waits until it is taken, and is not to blame for silence.
    watch.observe("pause");
    return Promise.all(taken).finally(() => watch.observe("resume"));
  }

  async #exit(trainer: TrainerProcess): Promise<TrainerExit> {
    const { session, watch } = this.#context;
    let farewell: NodeJS.Timeout | undefined;
    session.onFinished(() => {
      watch.end();
      farewell = setTimeout(() => void trainer.stop(graceMilliseconds), farewellMilliseconds);
    });
    const exit = await trainer.exit;
    session.onFinished(undefined);
    clearTimeout(farewell);
    return exit;
  }

  async #snapshot(): Promise<SavedFiles> {
    const { workspace, course, clock } = this.#context;
    const { epoch } = course.plan;
    if ((await readdir(workspace.checkpoint).catch(() => [])).length === 0) {
      throw new AttemptError(
        "no-checkpoint",
        `the command ended epoch ${epoch} with exit code 0, but left no file in PAWL_CHECKPOINT_DIR`,
      );
    }
    const begunAt = performance.now();
    clock.begun();
    const folder = await workspace.snapshot(String(epoch));
    return { folder, begunAt, handedOverAt: performance.now() };
  }
}
