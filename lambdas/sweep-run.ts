import { decideSweep, type RunHead, type Setting } from "../core/decide.ts";
import { type Decision, unchanged } from "../core/decision.ts";
import { driverGoneReason } from "../core/driver-gone.ts";
import type { Evidence, SweepEvent } from "../core/events.ts";
import { TrainingJob } from "../core/job.ts";
import { notStartedReason } from "../core/not-started.ts";
import type { RunState } from "../core/run-state.ts";
import { isUnderWay, resting } from "../core/standing.ts";
import { type SweepAnswer, successorOf } from "../core/sweep.ts";
import { gatherEvidence } from "./evidence.ts";
import { decideAndJournal, type JournalHead } from "./journalled.ts";
import type { JobRef, Notice, Ports } from "./ports.ts";

/** An execution that has ended, as whoever saw it says. */
export interface EndedExecution {
  readonly executionArn: string;
  readonly status: string;
  readonly error?: string | null | undefined;
  readonly cause?: string | null | undefined;
}

interface Swept {
  readonly answer: SweepAnswer;
  /** Attempts whose jobs were ended since they had not started in time. */
  readonly late: number[];
  /** The newest journal entry of a run at rest: until there is another, nothing changes in it. */
  readonly restingAt?: number;
}

/** Step Functions may not find an execution yet that has just begun: for so long after a decision it is believed to live. */
const youngMilliseconds = 120_000;

/** Settles `run` where its driver is gone, and says so; where it lives, ends jobs that were not started in time. */
export async function sweepRun(ports: Ports, run: string, ended?: EndedExecution): Promise<Swept> {
  const { reply: answer, head } = await decideAndJournal(
    ports,
    run,
    0,
    (found) => observe(ports, run, found, ended),
    decideOnKnown,
  );
  if (head === undefined) return { answer, late: [] };
  const { state } = head;
  const underWay = isUnderWay(state);
  // Whoever ended the run does not say so: that would be lost with it. Asked again after a failure, this says it again.
  if (answer.action === "swept" || (!underWay && isDriver(state, ended))) {
    await ports.notify?.(noticeOf(state));
  }
  if (!underWay) return { answer, late: [], restingAt: state.sequence };
  return { answer, late: answer.action === "none" ? await endUnstarted(ports, head) : [] };
}

const decideOnKnown = (
  head: RunHead | undefined,
  event: SweepEvent,
  setting: Setting,
): Decision<SweepAnswer> =>
  head === undefined
    ? unchanged({ action: "none", run: event.run, sequence: 0, reason: `there is no run ${event.run}` })
    : decideSweep(head, event, setting);

const isDriver = ({ driver }: RunState, ended: EndedExecution | undefined): boolean =>
  ended !== undefined && ended.executionArn === driver.id;

async function observe(
  ports: Ports,
  run: string,
  head: JournalHead | undefined,
  ended: EndedExecution | undefined,
): Promise<SweepEvent> {
  const event = { type: "sweep" as const, run };
  const state = head?.state;
  if (state === undefined || !isUnderWay(state)) {
    return { ...event, holder: { alive: false, who: "nobody" }, evidence: [] };
  }
  const holder = await holderOf(ports, state, ended);
  const known = isDriver(state, ended) ? ended : undefined;
  return {
    ...event,
    holder,
    ...(known === undefined
      ? {}
      : {
          ending: {
            status: known.status.slice(0, 50),
            error: (known.error ?? "").slice(0, 256),
            cause: (known.cause ?? "").slice(0, 1000),
          },
        }),
    evidence: holder.alive ? [] : await endLive(ports, state),
  };
}

/** Who drives the run: its driver, or after a hand-over the execution that is to go on. */
async function holderOf(
  ports: Ports,
  state: RunState,
  ended: EndedExecution | undefined,
): Promise<SweepEvent["holder"]> {
  const own = await ports.liveness.check(state.run, state.driver);
  if (own.alive) return own;
  const successor = successorOf(state);
  const newest = successor ?? state.driver;
  const found = successor === undefined ? own : await ports.liveness.check(state.run, successor);
  if (found.alive || newest.id === ended?.executionArn) return found;
  const entry = await ports.journal.entry(state.run, state.sequence);
  const age = ports.now().getTime() - Date.parse(entry?.at ?? state.startedAt);
  return { ...found, alive: age < youngMilliseconds };
}

/** Ends what a driver that is gone has left running: nobody watches it. */
async function endLive(ports: Ports, state: RunState): Promise<Evidence[]> {
  return await Promise.all(
    state.live.map(async (attempt) => {
      const sight = await ports.jobs.end(jobOf(state, attempt), driverGoneReason);
      return await gatherEvidence(ports, state, attempt, {
        gone: !sight.running,
        stoppedAt: sight.stoppedAt,
        caught: sight.caught,
      });
    }),
  );
}

const jobOf = ({ run }: RunState, { number, batchJobId }: RunState["live"][number]): JobRef => ({
  run,
  attempt: number,
  batchJobId,
});

/**
 * Ends jobs that have waited for an instance for longer than the job allows: Batch itself would have them wait for ever.
 * Recover, which is asked then, knows by the reason what it was. Gives the attempts.
 */
async function endUnstarted(ports: Ports, { state, job }: JournalHead): Promise<number[]> {
  const { next } = state;
  if (next.action !== "train") return [];
  const seconds = TrainingJob.parse(job).compute.startWithin;
  const ended: number[] = [];
  for (const attempt of state.live) {
    const waited = (ports.now().getTime() - Date.parse(attempt.submittedAt)) / 1000;
    if (attempt.batchJobId !== undefined || waited <= seconds) continue;
    const sight = await ports.jobs.look(jobOf(state, attempt));
    // One that has an instance and loads its image is as good as started.
    if (!sight.running || sight.waiting === false) continue;
    await ports.jobs.end(jobOf(state, attempt), notStartedReason(Math.round(seconds / 60)));
    ended.push(attempt.number);
  }
  return ended;
}

function noticeOf({ run, status, stop, ending, progress }: RunState): Notice {
  const words = ending ?? status;
  return {
    run,
    subject: `Pawl: run ${run} is ${resting({ status, stop })}`,
    words: `${words}${/[.!?]$/.test(words) ? "" : "."} ${
      progress.epoch === 0 ? "No epoch is" : `Epochs up to ${progress.epoch} are`
    } committed.`,
  };
}
