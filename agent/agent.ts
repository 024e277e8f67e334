import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { failureRule } from "../core/failure.ts";
import { outcomeKey } from "../core/keys.ts";
import type { Outcome } from "../core/outcome.ts";
import { containerVariables } from "../core/stack.ts";
import { installation } from "../installation.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { identify, thisProcess } from "../store/process-identity.ts";
import { runAttempt } from "./attempt.ts";
import { type AttemptError, asAttemptError, AttemptError as Ended } from "./attempt-error.ts";
import { agentRecord, removeDeadFolders, removeFolder, sayAlive } from "./attempt-folders.ts";
import { AttemptLog } from "./attempt-log.ts";
import { killAttemptProcesses } from "./attempt-processes.ts";
import { aborted, Departure } from "./departure.ts";
import { type AgentEnvironment, readAgentEnvironment, readStopSeconds } from "./environment.ts";
import { instanceFacts } from "./instance-facts.ts";
import { lambdaReviewer } from "./lambda-reviewer.ts";
import { pipeReviewer, type Reviewer } from "./reviewer.ts";
import { watchForReclaim } from "./spot-notice.ts";
import { within } from "./within.ts";

/** Told to leave because it is not live, or because another Batch job has its assignment. */
const leftExitCode = 18;

/** How long an ending agent waits for its last log part, for the noting of its outcome, and for its output to be read. */
const farewellMilliseconds = { usual: 15_000, leaving: 3000 };

/** And for the removal of its folder; what is left then is removed by a later attempt. */
const removalMilliseconds = 20_000;

const exitCodeOf = (error: AttemptError): number =>
  error.result === "left" || error.result === "duplicate"
    ? leftExitCode
    : (failureRule(error.result).exitCode ?? 1);

/** The control pipe to the local driver. The agent's life hangs on it: when it closes, everything here ends at once. */
function controlPipe(onClosed: () => void): Reviewer {
  process.once("disconnect", onClosed);
  if (!process.connected) onClosed();
  return pipeReviewer({
    // What cannot be sent any more is nobody's loss: the pipe has closed.
    send: (message) => process.send?.(message, undefined, undefined, () => {}),
    onMessage: (listener) => process.on("message", listener),
  });
}

/** Review by Lambda where its function is named, else through the pipe to the driver that started this process. */
function reviewerOf({ review }: AgentEnvironment, onDriverGone: () => void): Reviewer {
  if (review !== undefined) return lambdaReviewer(review);
  if (process.send !== undefined) return controlPipe(onDriverGone);
  throw new Ended("unknown", `nobody can be asked for work: ${containerVariables.review} is not set`);
}

/** Asks to leave by signals, and when something in this process failed that nobody waited for. */
function departureBySignals(): Departure {
  const departure = new Departure();
  const secondsAfterSignal = readStopSeconds(process.env);
  let signals = 0;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      signals += 1;
      const words = `the attempt was asked to leave (${signal})`;
      const error = new Ended("interrupted", words, { signs: [{ where: "signal", text: signal }] });
      departure.ask(error, signals === 1 ? secondsAfterSignal : undefined);
    });
  }
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => departure.ask(asAttemptError(error)));
  }
  return departure;
}

/** Gives output on to the driver, no faster than it is read. */
function passOn(chunk: Uint8Array): Promise<void> | undefined {
  const { stdout } = process;
  if (!stdout.writable || stdout.write(chunk)) return undefined;
  return new Promise((resolve) => {
    const goOn = () => {
      stdout.off("drain", goOn);
      stdout.off("close", goOn);
      resolve();
    };
    stdout.once("drain", goOn);
    stdout.once("close", goOn);
  });
}

/** Which process this attempt runs as, for whoever ends it when its driver is gone. */
function record(folder: string, name: string, pid: number): void {
  const identity = pid === process.pid ? thisProcess() : identify(pid);
  if (identity !== undefined) writeFileSync(join(folder, name), JSON.stringify(identity));
}

async function main(departure: Departure): Promise<number> {
  const environment = readAgentEnvironment(process.env);
  const { folder, scratch } = environment;
  if (scratch === undefined) return await attend(environment, departure);
  await mkdir(scratch, { recursive: true });
  void removeDeadFolders(scratch);
  const life = sayAlive(folder);
  try {
    return await attend(environment, departure);
  } finally {
    life.end();
    await within(removalMilliseconds, removeFolder(folder));
  }
}

/** One attempt, from its claim to its last word. Returns the exit code. */
async function attend(environment: AgentEnvironment, departure: Departure): Promise<number> {
  const { run, attempt, batchJobId, folder, metadata } = environment;
  const startedAt = new Date().toISOString();
  let trainer: number | undefined;
  const reviewer = reviewerOf(environment, () => {
    endAtOnce(folder, trainer);
    process.exit(failureRule("interrupted").exitCode);
  });
  await mkdir(folder, { recursive: true });
  record(folder, agentRecord, process.pid);

  const [store, instance] = await Promise.all([
    openStore(environment.store),
    metadata === undefined ? undefined : instanceFacts(metadata),
  ]);
  const spot = metadata === undefined ? undefined : watchForReclaim(metadata, departure);
  const log = new AttemptLog(store, run, attempt, batchJobId);
  let failed: AttemptError | undefined;
  let message: string;
  let removed: string[] = [];
  try {
    ({ reason: message, removed } = await runAttempt({
      environment,
      instance,
      store,
      reviewer,
      log,
      output: passOn,
      departure,
      onTrainer: (pid) => {
        trainer = pid;
        record(folder, "trainer.json", pid);
      },
      pythonHelper: installation.pythonHelper,
    }));
  } catch (error) {
    failed = asAttemptError(error);
    message = failed.message;
  }
  spot?.end();
  await farewell(departure, log.close());
  const outcome: Outcome = {
    version: 1,
    run,
    attempt,
    batchJobId,
    result: failed?.result ?? "done",
    message: message.slice(0, 2000),
    ...failed?.more,
    logTail: failed === undefined ? [] : log.tail(),
    startedAt,
    endedAt: new Date().toISOString(),
  };
  await note({ environment, store, reviewer, departure }, outcome, removed);
  endAtOnce(folder, undefined);
  return failed === undefined ? 0 : exitCodeOf(failed);
}

/** Waits for the last of `work`: not for long where the machine is taken away, whether that is known before or comes meanwhile. */
async function farewell({ asked }: Departure, work: Promise<unknown>): Promise<void> {
  await within(farewellMilliseconds.usual, Promise.race([work, aborted(asked)]));
  if (asked.aborted) await within(farewellMilliseconds.leaving, work);
}

/** What an ending agent has to tell with. */
interface Ending {
  readonly environment: AgentEnvironment;
  readonly store: ObjectStore;
  readonly reviewer: Reviewer;
  readonly departure: Departure;
}

/**
 * Leaves the outcome in the store, and tells the driver. Without either, the exit code still says what happened. Of one that
 * did what it was to do the commits say all: its outcome is in the journal alone, unless it does not get there.
 */
async function note(
  { environment, store, reviewer, departure }: Ending,
  outcome: Outcome,
  removed: string[],
): Promise<void> {
  const { run, attempt, batchJobId, sequence } = environment;
  const event = { type: "ended", run, attempt, batchJobId, outcome, removed } as const;
  let told = false;
  const tell = async () => {
    const answered = reviewer.review({ sequence, event }).then(() => {
      told = true;
    });
    await farewell(departure, answered);
  };
  const keep = () => store.create(outcomeKey(run, attempt, batchJobId), JSON.stringify(outcome));
  try {
    if (outcome.result === "done") await tell();
    if (told) return;
    await keep();
    if (outcome.result !== "done") await tell();
  } catch (error) {
    complain("the outcome could not be noted", error);
  }
}

/** Kills the trainer's group, and whatever it started that has left the group; a few times, since some may be starting more. */
function endAtOnce(folder: string, trainer: number | undefined): void {
  try {
    if (trainer !== undefined) process.kill(-trainer, "SIGKILL");
  } catch {
    // It has ended already.
  }
  // One that is just starting another program shows no environment at that moment: it is looked for once more.
  for (let round = 0, none = 0; round < 10 && none < 2; round += 1) {
    none = killAttemptProcesses(folder) === 0 ? none + 1 : 0;
    if (none === 1) pause(startingMilliseconds);
  }
}

/** How long a process takes to become another program. */
const startingMilliseconds = 10;

/** Stands still: this runs where nothing more is waited for. */
const pause = (milliseconds: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

const complain = (what: string, error: unknown): void =>
  console.error(`pawl agent: ${what}: ${error instanceof Error ? error.message : error}`);

/** Output that is still on its way is given a moment; then nothing that is left undone keeps this process. */
async function leaveWith(code: number): Promise<never> {
  const written = [process.stdout, process.stderr].map(
    (stream) => stream.writable && new Promise((resolve) => stream.write("", resolve)),
  );
  await within(farewellMilliseconds.leaving, Promise.all(written));
  process.exit(code);
}

// The driver that reads them may be gone; its pipe tells.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
const departure = departureBySignals();
let code: number;
try {
  code = await main(departure);
} catch (error) {
  complain("the attempt could not begin", error);
  code = exitCodeOf(asAttemptError(error));
}
await leaveWith(code);
