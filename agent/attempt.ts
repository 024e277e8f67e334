import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import { TrainingJob } from "../core/job.ts";
import { fillPlaceholders, type TrainerContext, trainerEnvironment } from "../core/trainer-variables.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { AttemptError } from "./attempt-error.ts";
import type { AttemptLog } from "./attempt-log.ts";
import { Course } from "./course.ts";
import { type AgentEnvironment, inheritedEnvironment } from "./environment.ts";
import { readMetricsFile } from "./plain-command.ts";
import type { Reviewer } from "./reviewer.ts";
import { restore } from "./starting-checkpoint.ts";
import { startTrainer, type TrainerExit, type TrainerProcess, trainerFailure } from "./trainer-process.ts";
import { TrainerSession } from "./trainer-session.ts";
import { Uploads } from "./uploads.ts";
import { within } from "./within.ts";
import { prepareWorkspace, type Workspace } from "./workspace.ts";

export interface AttemptContext {
  readonly environment: AgentEnvironment;
  readonly store: ObjectStore;
  readonly reviewer: Reviewer;
  readonly log: AttemptLog;
  /** Takes what the trainer prints; no more is read until the promise, where there is one, has settled. */
  readonly output: (chunk: Uint8Array) => Promise<void> | undefined;
  /** Aborts with an AttemptError when the attempt is to leave. */
  readonly leave: AbortSignal;
  readonly onTrainer: (pid: number) => void;
  /** Where the Python helper is, for PYTHONPATH. */
  readonly pythonHelper: string;
}

/** How long a trainer has to end by itself after SIGTERM. */
const graceMilliseconds = 5000;

/** How long a trainer may take to end once nothing is left to train: it may export something. */
const farewellMilliseconds = 300_000;

/** How long what is trained and handed over is still committed for when the attempt ends: a container has 30 s after SIGTERM. */
const lastUploadMilliseconds = 15_000;

export interface AttemptEnd {
  /** Why there is nothing more to train. */
  readonly reason: string;
  /** Dropped checkpoints that are gone and that no commit has told of. */
  readonly removed: string[];
}

/** Trains one segment. Returns when all of it is committed; throws AttemptError with what happened instead. */
export async function runAttempt(context: AttemptContext): Promise<AttemptEnd> {
  const { environment, store, reviewer, leave } = context;
  const { run, attempt, batchJobId } = environment;
  let sequence = environment.sequence;
  const review = async (event: SentEvent): Promise<ReviewReply> => {
    const reply = await reviewer.review({ sequence, event });
    sequence = Math.max(sequence, reply.answer.sequence);
    return reply;
  };
  const identity = { run, attempt, batchJobId };
  const told = aborted(leave);
  const claim = review({ ...identity, type: "started" });
  const { answer, job: input, source } = await Promise.race([claim, told]);
  if (answer.action === "leave") {
    const more = answer.winner === undefined ? {} : { winner: answer.winner };
    throw new AttemptError(answer.winner === undefined ? "left" : "duplicate", answer.reason, more);
  }
  if (answer.action !== "begin" || input === undefined) {
    throw new AttemptError("unknown", `Review answered '${answer.action}' to a claim`);
  }
  const { assignment } = answer;
  const job = TrainingJob.parse(input);
  const workspace = await prepareWorkspace(environment.folder, source?.folder);
  const base = { store, folder: source?.folder };
  const { previous, restoredEpoch } = await restore(base, assignment, workspace.checkpoint, leave);
  const uploads = new Uploads({ ...identity, store, jobDigest: assignment.jobDigest, previous, review });
  const course = new Course(identity, assignment.plan, review, uploads);
  const session = await TrainerSession.listen({
    course,
    workspace,
    run,
    attempt,
    epochs: job.epochs,
    seed: job.seed,
    restoredEpoch,
  });
  const training = new Training({ ...context, job, workspace, course, session, source: source?.folder });
  const failures = [uploads.failure.promise, session.failure.promise, told];
  try {
    leave.throwIfAborted();
    const reason = await Promise.race([training.run(), ...failures]);
    await Promise.race([uploads.drain(), ...failures]);
    return { reason, removed: uploads.takeRemoved() };
  } catch (error) {
    await training.stop();
    if (!isFenced(error)) await within(lastUploadMilliseconds, uploads.drain());
    throw error;
  } finally {
    await session.close();
  }
}

/** Told that it is not live: nothing that it has counts any more. */
const isFenced = (error: unknown): boolean => error instanceof AttemptError && error.result === "left";

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

interface TrainingContext extends AttemptContext {
  readonly job: TrainingJob;
  readonly workspace: Workspace;
  readonly course: Course;
  readonly session: TrainerSession;
  readonly source: string | undefined;
}

/** Ends the training when the attempt ends for another reason, which is the one that is told. */
const stopped = (): AttemptError => new AttemptError("interrupted", "the attempt ends");

/** The training command, run until nothing is left: once for each epoch, or once for all where it says hello. */
class Training {
  readonly #context: TrainingContext;
  #process: Promise<TrainerProcess> | undefined;
  /** An epoch of a plain command on its way from the command's end to the upload. */
  #handingOver: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(context: TrainingContext) {
    this.#context = context;
  }

  /** Returns why there is nothing more to train. */
  async run(): Promise<string> {
    const { course, session } = this.#context;
    for (;;) {
      this.#process = this.#start();
      const exit = await this.#exit(await this.#process);
      // Asked to leave, it may well have exited with 0: that does not make its epoch a whole one.
      if (this.#stopping) throw stopped();
      if (exit.exitCode !== 0) throw trainerFailure(exit, this.#context.log.tail());
      if (session.finished !== undefined) return session.finished;
      if (session.greeted) {
        const { epoch } = course.plan;
        throw new AttemptError(
          "user-exception",
          `the trainer ended by itself in epoch ${epoch}, before it was told to`,
        );
      }
      this.#handingOver = this.#handOver();
      await this.#handingOver;
      if (this.#stopping) throw stopped();
      const upcoming = await course.next();
      if ("finish" in upcoming) return upcoming.finish;
      if (this.#stopping) throw stopped();
    }
  }

  /** Ends the command, if it runs, and starts it no more. What it has trained to the end is handed over first. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const running = await this.#process?.catch(() => undefined);
    await running?.stop(graceMilliseconds);
    await within(lastUploadMilliseconds, this.#handingOver);
  }

  /** What a plain command leaves behind: its metrics, and the checkpoint that it changed. */
  async #handOver(): Promise<void> {
    const { course, workspace } = this.#context;
    const { metrics, examples } = await readMetricsFile(workspace.metricsFile);
    course.report({ metrics, ...(examples === undefined ? {} : { examples }) });
    if (course.plan.checkpoint) course.save(await this.#snapshot());
  }

  async #start(): Promise<TrainerProcess> {
    const { job, workspace, environment, course, log, source } = this.#context;
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
    return await startTrainer({
      program,
      args,
      folder: workspace.work,
      environment: {
        PYTHONUNBUFFERED: "1",
        ...inherited,
        PYTHONPATH: pythonPath,
        ...trainerEnvironment(variables),
        PAWL_SOCKET: workspace.socket,
      },
      onOutput: (chunk) => {
        const taken = [log.write(chunk), this.#context.output(chunk)];
        return taken.every((each) => each === undefined) ? undefined : Promise.all(taken);
      },
      onProcess: this.#context.onTrainer,
    });
  }

  async #exit(trainer: TrainerProcess): Promise<TrainerExit> {
    const { session } = this.#context;
    let farewell: NodeJS.Timeout | undefined;
    session.onFinished(() => {
      farewell = setTimeout(() => void trainer.stop(graceMilliseconds), farewellMilliseconds);
    });
    const exit = await trainer.exit;
    session.onFinished(undefined);
    clearTimeout(farewell);
    return exit;
  }

  async #snapshot(): Promise<string> {
    const { workspace, course } = this.#context;
    const { epoch } = course.plan;
    if ((await readdir(workspace.checkpoint).catch(() => [])).length === 0) {
      throw new AttemptError(
        "no-checkpoint",
        `the command ended epoch ${epoch} with exit code 0, but left no file in PAWL_CHECKPOINT_DIR`,
      );
    }
    return await workspace.snapshot(epoch);
  }
}
