import type { Circumstances } from "../decision.ts";
import type { Evidence } from "../events.ts";
import { type FailureClass, failureRule } from "../failure.ts";
import { checkpointName } from "../keys.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";
import { commitEpochs, reportsToCommit } from "./commit.ts";
import { noProgress } from "./progress.ts";

const secondsBetween = (from: string | undefined, to: string): number =>
  from === undefined ? 0 : Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);

/** By how much the clocks of two machines may differ. */
const clocksDifferMilliseconds = 3_600_000;

/** Whether a checkpoint was saved before the run began: a copy can have brought one of another run of its name. */
const isOlder = (at: string, { startedAt }: RunState): boolean =>
  Date.parse(at) + clocksDifferMilliseconds < Date.parse(startedAt);

/** `state` with every checkpoint committed that the attempt had completed, and their names. */
function adopt(
  state: RunState,
  attempt: LiveAttempt,
  evidence: Evidence,
  { job }: Circumstances,
): { state: RunState; adopted: string[] } {
  const adopted: string[] = [];
  let next = state;
  for (const found of evidence.found) {
    const live = next.live.find((candidate) => candidate.number === attempt.number);
    if (isOlder(found.at, state)) continue;
    const reports = reportsToCommit(found.reports, next.progress.epoch, found.epoch);
    if (live === undefined || reports === undefined || found.attempt !== attempt.number) continue;
    next = commitEpochs(next, job, live, reports, found);
    adopted.push(found.name);
  }
  return { state: next, adopted };
}

/**
 * `state` without the damaged checkpoint, gone back to the newest one before that can be restored: one that is kept only
 * for the files that others refer to may refer to what is kept no more. What was trained since is lost.
 */
function goBack(state: RunState, damaged: string): RunState {
  const others = state.kept.filter((checkpoint) => checkpoint.name !== damaged);
  const names = new Set(others.map((checkpoint) => checkpoint.name));
  const whole = others.findLast((checkpoint) => checkpoint.refersTo.every((name) => names.has(name)));
  const progress = whole?.progress ?? noProgress;
  return {
    ...state,
    kept: others.filter((checkpoint) => checkpoint.epoch <= progress.epoch),
    dropped: [
      ...state.dropped,
      ...others.filter(({ epoch }) => epoch > progress.epoch).map(({ name }) => name),
    ].slice(-200),
    progress,
    recent: state.recent.filter((epoch) => epoch.report.epoch <= progress.epoch),
    lostSeconds: state.lostSeconds + Math.max(0, state.progress.trainedSeconds - progress.trainedSeconds),
  };
}

/** The kept checkpoint that is damaged. To name none would be to restore the same one again, for ever. */
const damagedOne = (
  { kept }: RunState,
  { restore }: LiveAttempt,
  { damaged }: Evidence,
): string | undefined =>
  [damaged, restore].find((name) => kept.some((checkpoint) => checkpoint.name === name));

/** The names under which the attempt may have begun checkpoints that nobody will finish or adopt. */
function incomplete(attempt: LiveAttempt, committed: number): string[] {
  const savesNothing = attempt.batchJobId === undefined || !attempt.firstPlan.checkpoint;
  if (savesNothing) return [];
  const last = (attempt.pending.at(-1)?.report.epoch ?? committed) + 1;
  const epochs = Array.from({ length: Math.max(0, last - committed) }, (_, i) => committed + 1 + i);
  return epochs.map((epoch) => checkpointName(epoch, attempt.number));
}

export interface Settled {
  readonly state: RunState;
  /** What happened, in words. */
  readonly reason: string;
  readonly class: FailureClass;
}

/**
 * `state` with an attempt that failed settled: what it had saved is adopted, what it had not is counted as lost, a
 * checkpoint that it found damaged is left behind, and it is live no more.
 */
export function settle(
  state: RunState,
  attempt: LiveAttempt,
  evidence: Evidence,
  circumstances: Circumstances,
): Settled {
  const { state: rescued, adopted } = adopt(state, attempt, evidence, circumstances);
  const survivor = rescued.live.find((live) => live.number === attempt.number);
  const lost = secondsBetween(survivor?.safeAt, evidence.stoppedAt ?? attempt.lastSeenAt);
  const damaged =
    evidence.class === "checkpoint-corrupt" ? damagedOne(rescued, attempt, evidence) : undefined;
  const based = damaged === undefined ? rescued : goBack(rescued, damaged);
  const counts = failureRule(evidence.class).counts;
  const unfinished = incomplete(attempt, rescued.progress.epoch);
  const record = {
    attempt: attempt.number,
    class: evidence.class,
    message: evidence.message,
    lostSeconds: lost,
    at: circumstances.at,
  };
  const words = [
    `attempt ${attempt.number}: ${evidence.class}: ${evidence.message}`,
    ...adopted.map((name) => `adopted its checkpoint ${name}`),
    ...(damaged === undefined
      ? []
      : [`checkpoint ${damaged} is damaged, going back to epoch ${based.progress.epoch}`]),
  ];
  return {
    state: {
      ...based,
      live: based.live.filter((live) => live.number !== attempt.number),
      dropped: [...based.dropped, ...unfinished].slice(-200),
      lostSeconds: based.lostSeconds + lost,
      failures: {
        withoutProgress: based.failures.withoutProgress + (counts ? 1 : 0),
        total: based.failures.total + 1,
        recent: [...based.failures.recent, record].slice(-5),
      },
    },
    reason: words.join("; "),
    class: evidence.class,
  };
}
