import type { ReviewAnswer } from "./answers.ts";
import type { Circumstances, Decision, DecisionLimits } from "./decision.ts";
import { unchanged } from "./decision.ts";
import { open, refuse } from "./decisions/open.ts";
import { recover, trained } from "./decisions/recover.ts";
import { type ReviewEvent, review } from "./decisions/review.ts";
import { stop } from "./decisions/stop.ts";
import { sweep } from "./decisions/sweep.ts";
import type { FailedEvent, OpenEvent, RunEvent, StopEvent, SweepEvent, TrainedEvent } from "./events.ts";
import { TrainingJob, type TrainingJobInput } from "./job.ts";
import { jobChanges, jobDigest } from "./job-digest.ts";
import type { Next } from "./next.ts";
import type { RunState } from "./run-state.ts";
import type { StopAnswer } from "./stop.ts";
import type { SweepAnswer } from "./sweep.ts";

/** Where a run stands: its state after the newest entry, and the job in force, as it was given. */
export interface RunHead {
  readonly state: RunState;
  readonly job: TrainingJobInput;
}

/** When a decision is made (ISO 8601 with milliseconds), and what bounds it. */
export interface Setting {
  readonly at: string;
  readonly limits: DecisionLimits;
}

export type MachineEvent = OpenEvent | TrainedEvent | FailedEvent;

const circumstances = (job: TrainingJob, { at, limits }: Setting): Circumstances => ({
  job,
  jobDigest: jobDigest(job),
  at,
  limits,
});

function decideOpen(head: RunHead | undefined, event: OpenEvent, setting: Setting): Decision<Next> {
  const given = event.job ?? head?.job;
  if (given === undefined) {
    const cause = `there is no run ${event.run}, and no job to begin it with`;
    return unchanged(refuse({ run: event.run, sequence: 0, generation: 0 }, "Pawl.RunNotFound", cause));
  }
  const job = TrainingJob.parse(given);
  const previousJob = head === undefined ? undefined : TrainingJob.parse(head.job);
  const changes = previousJob === undefined ? [] : jobChanges(previousJob, job);
  return open(head?.state, event, { ...circumstances(job, setting), previousJob, changes });
}

const notOpened = (run: string, type: string): RangeError =>
  new RangeError(`run ${run} has not been opened: ${type} came first`);

/** What the state machine is answered. */
export function decideNext(head: RunHead | undefined, event: MachineEvent, setting: Setting): Decision<Next> {
  if (event.type === "open") return decideOpen(head, event, setting);
  if (head === undefined) throw notOpened(event.run, event.type);
  const around = circumstances(TrainingJob.parse(head.job), setting);
  return event.type === "trained" ? trained(head.state, event, around) : recover(head.state, event, around);
}

/** What an attempt is answered. */
export function decideAnswer(
  head: RunHead | undefined,
  event: ReviewEvent,
  setting: Setting,
): Decision<ReviewAnswer> {
  if (head === undefined) throw notOpened(event.run, event.type);
  return review(head.state, event, circumstances(TrainingJob.parse(head.job), setting));
}

/** What whoever asks for a stop is answered. */
export function decideStop(
  head: RunHead | undefined,
  event: StopEvent,
  setting: Setting,
): Decision<StopAnswer> {
  if (head === undefined) throw notOpened(event.run, event.type);
  return stop(head.state, event, circumstances(TrainingJob.parse(head.job), setting));
}

/** What Sweep does about a run whose driver may be gone. */
export function decideSweep(
  head: RunHead | undefined,
  event: SweepEvent,
  setting: Setting,
): Decision<SweepAnswer> {
  if (head === undefined) throw notOpened(event.run, event.type);
  return sweep(head.state, event, circumstances(TrainingJob.parse(head.job), setting));
}

/**
 * Every decision about a run: a function of where it stands, one event and the time. The same in Lambdas, on a laptop,
 * in replay and in simulation.
 */
export function decide(
  head: RunHead | undefined,
  event: RunEvent,
  setting: Setting,
): Decision<Next | ReviewAnswer | StopAnswer | SweepAnswer> {
  switch (event.type) {
    case "open":
    case "trained":
    case "failed":
      return decideNext(head, event, setting);
    case "stop":
      return decideStop(head, event, setting);
    case "sweep":
      return decideSweep(head, event, setting);
    default:
      return decideAnswer(head, event, setting);
  }
}

/** The head after a changed decision on `event`. */
export const advanceHead = (head: RunHead | undefined, event: RunEvent, state: RunState): RunHead => {
  const given = event.type === "open" && state.job.sequence === state.sequence ? event.job : undefined;
  const job = given ?? head?.job;
  if (job === undefined) throw notOpened(event.run, event.type);
  return { state, job };
};
