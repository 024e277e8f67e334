import type { ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { Instance } from "../core/instance.ts";
import { TrainingJob } from "../core/job.ts";
import { leavingSeconds } from "../core/policies/save-cost.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { asAttemptError } from "./attempt-error.ts";
import type { AttemptLog } from "./attempt-log.ts";
import { watchBudget } from "./budget-notice.ts";
import { type Claimed, claim } from "./claim.ts";
import { Consultation } from "./consultation.ts";
import { Course } from "./course.ts";
import { aborted, afterAll, type Departure } from "./departure.ts";
import type { AgentEnvironment } from "./environment.ts";
import { sourceFolder } from "./job-source.ts";
import { leaveInOrder } from "./leave-in-order.ts";
import type { Reviewer } from "./reviewer.ts";
import { SaveClock } from "./save-clock.ts";
import { StallWatch } from "./stall-watch.ts";
import { endStalled } from "./stalled.ts";
import { type Restored, restore } from "./starting-checkpoint.ts";
import { TrainerSession } from "./trainer-session.ts";
import { Training } from "./training.ts";
import { Uploads } from "./uploads.ts";
import { within } from "./within.ts";
import { prepareWorkspace, type Workspace } from "./workspace.ts";

export interface AttemptContext {
  readonly environment: AgentEnvironment;
  /** What it runs on, where that is an instance of EC2 that could be asked. */
  readonly instance?: Instance | undefined;
  readonly store: ObjectStore;
  readonly reviewer: Reviewer;
  readonly log: AttemptLog;
  /** Takes what the trainer prints; no more is read until the promise, where there is one, has settled. */
  readonly output: (chunk: Uint8Array) => Promise<void> | undefined;
  /** Why and until when the attempt is to leave. */
  readonly departure: Departure;
  readonly onTrainer: (pid: number) => void;
  /** Where the Python helper is, for PYTHONPATH. */
  readonly pythonHelper: string;
}

export interface AttemptEnd {
  /** Why there is nothing more to train. */
  readonly reason: string;
  /** Dropped checkpoints that are gone and that no commit has told of. */
  readonly removed: string[];
}

/** How long a trainer has to end by itself after SIGTERM. */
const graceMilliseconds = 5000;

/** And where next to no time is left. */
const shortestGraceMilliseconds = 500;

/** How long what is handed over is waited for where nobody said how much time there is. */
const shortWaitMilliseconds = 15_000;

/** Trains one segment. Returns when all of it is committed; throws AttemptError with what happened instead. */
export async function runAttempt(context: AttemptContext): Promise<AttemptEnd> {
  const { environment, store, departure } = context;
  const review = sequenced(context.reviewer, environment.sequence);
  const claimed = await Promise.race([claim(context, review), aborted(departure.asked)]);
  const endBudget = watchBudget(claimed.assignment.budgetSeconds, departure);
  const unpacking = sourceFolder(store, claimed.source, environment.folder);
  const source = await Promise.race([unpacking, aborted(departure.asked)]);
  const workspace = await prepareWorkspace(environment.folder, source);
  const base = { store, folder: source };
  const restored = await restore(base, claimed.assignment, workspace.checkpoint, departure.asked);
  const parts = await prepare(context, review, { ...claimed, source, workspace, restored });
  const { uploads, session, watch, training } = parts;
  const failures = [
    uploads.failure.promise,
    session.failure.promise,
    watch.stall.then((stall) => endStalled(stall, watch, training)),
    aborted(departure.asked).catch((error) => leaveInOrder({ ...parts, departure }, asAttemptError(error))),
  ];
  for (const failure of failures) failure.catch(() => {});
  try {
    departure.asked.throwIfAborted();
    const reason = await Promise.race([training.run(), ...failures]);
    await Promise.race([uploads.drain(), ...failures]);
    return { reason, removed: uploads.takeRemoved() };
  } catch (thrown) {
    const error = departure.asked.aborted
      ? afterAll(asAttemptError(thrown), asAttemptError(departure.asked.reason))
      : asAttemptError(thrown);
    const fenced = error.result === "left";
    if (fenced) uploads.stop();
    const grace = Math.min(graceMilliseconds, millisecondsLeft(departure));
    await training.stop(Math.max(shortestGraceMilliseconds, grace));
    if (!fenced) {
      const handedOver = training.handedOver().then(() => uploads.drain());
      await within(lastUploadMilliseconds(departure), handedOver);
    }
    throw error;
  } finally {
    endBudget();
    watch.end();
    uploads.stop();
    await session.close();
  }
}

interface Beginning extends Omit<Claimed, "source"> {
  /** The folder with the job's code. */
  readonly source: string | undefined;
  readonly workspace: Workspace;
  readonly restored: Restored;
}

/** What trains, watches and saves, before anything is started. */
async function prepare(
  context: AttemptContext,
  review: (event: SentEvent) => Promise<ReviewReply>,
  { assignment, job: input, source, workspace, restored }: Beginning,
) {
  const { environment, store, departure } = context;
  const { run, attempt, batchJobId } = environment;
  const job = TrainingJob.parse(input);
  const { jobDigest, saving, plan, stalls = 0 } = assignment;
  const { previous, resume } = restored;
  const identity = { run, attempt, batchJobId };
  const watch = new StallWatch(job.stall, { earlierSeconds: resume?.seconds ?? 0, stalls });
  const clock: SaveClock = new SaveClock(saving, departure, () => uploads.busy);
  const uploads = new Uploads({
    ...identity,
    store,
    jobDigest,
    previous,
    review,
    onCommitted: (took, next) => clock.committed(took, next),
  });
  const course = new Course({
    identity,
    first: plan,
    lastEpoch: lastEpoch(job, plan.epoch),
    numeric: job.numeric,
    mayStop: job.stop !== undefined,
    resume,
    machine: context.instance?.type,
    review,
    uploads,
    clock,
  });
  const consultation = new Consultation({
    batchSize: job.batchSize,
    ask: (step, measured) => course.consult(step, measured),
  });
  const { epochs, seed } = job;
  const talk = { course, consultation, clock, watch, workspace, run, attempt, epochs, seed, restored };
  const session = await TrainerSession.listen(talk);
  const training = new Training({ ...context, job, workspace, course, clock, watch, session, source });
  return { watch, clock, uploads, course, session, training };
}

/** The last epoch of a segment that begins with `first`. */
const lastEpoch = ({ segment, epochs }: TrainingJob, first: number): number =>
  segment === "auto" ? epochs : Math.min(epochs, first - 1 + segment);

/** Review, as it is asked with the newest sequence that its answers have told. */
function sequenced(reviewer: Reviewer, known: number): (event: SentEvent) => Promise<ReviewReply> {
  let sequence = known;
  return async (event) => {
    const reply = await reviewer.review({ sequence, event });
    sequence = Math.max(sequence, reply.answer.sequence);
    return reply;
  };
}

/** Until the machine is lost, without what the outcome needs. */
const millisecondsLeft = ({ secondsLeft }: Departure): number =>
  Math.max(0, secondsLeft - leavingSeconds) * 1000;

/** How long what is trained and handed over is still committed for when the attempt ends. */
function lastUploadMilliseconds(departure: Departure): number {
  const left = millisecondsLeft(departure);
  return Number.isFinite(left) && !departure.atOnce.aborted ? left : Math.min(shortWaitMilliseconds, left);
}
