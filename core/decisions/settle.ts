import type { Circumstances } from "../decision.ts";
import { durationWords, secondsBetween } from "../duration.ts";
import type { Evidence } from "../events.ts";
import type { FailureClass } from "../failure.ts";
import { checkpointName } from "../keys.ts";
import { numericProblem } from "../policies/numeric.ts";
import { leavingSeconds } from "../policies/save-cost.ts";
import { isFurther, reach } from "../position.ts";
import {
  type KeptCheckpoint,
  keptFailures,
  keptSigns,
  type LiveAttempt,
  type RunState,
} from "../run-state.ts";
import { countsIn } from "./budget.ts";
import { commitEpochs, reportsToCommit } from "./commit.ts";
import { anew, inFull, placeWords, reachOf, secondsIn } from "./progress.ts";
import { exposed, livedSeconds } from "./saving.ts";

/** By how much the clocks of two machines may differ. */
const clocksDifferMilliseconds = 3_600_000;

/** Whether a checkpoint was saved before the run began: a copy can have brought one of another run of its name. */
const isOlder = (at: string, { startedAt }: RunState): boolean =>
  Date.parse(at) + clocksDifferMilliseconds < Date.parse(startedAt);

/** The epoch that an attempt was in when it ended. */
export const epochOf = ({ pending }: LiveAttempt, { progress }: RunState): number =>
  (pending.at(-1)?.report.epoch ?? progress.epoch) + 1;

/** `state` with every checkpoint committed that the attempt had completed and that is of use, and their names. */
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
    const to = reach(found);
    if (isOlder(found.at, state) || !isFurther(to, reachOf(next.progress))) continue;
    // A part of the epoch in which it diverged would be gone back from at once.
    if (evidence.class === "numeric" && to.step > 0) continue;
    if (found.reports.some(({ metrics }) => numericProblem(job.numeric, metrics) !== undefined)) continue;
    const reports = reportsToCommit(found.reports, next.progress.epoch, to.epoch);
    if (live === undefined || reports === undefined || found.attempt !== attempt.number) continue;
    next = commitEpochs(next, job, live, reports, found);
    adopted.push(found.name);
  }
  return { state: next, adopted };
}

const names = (checkpoints: readonly KeptCheckpoint[]): string[] => checkpoints.map(({ name }) => name);

/** Those of `kept` that can be restored: one that is kept only for the files that others refer to may refer to what is kept no more. */
export function restorable(kept: readonly KeptCheckpoint[]): KeptCheckpoint[] {
  const there = new Set(names(kept));
  return kept.filter((checkpoint) => checkpoint.refersTo.every((name) => there.has(name)));
}

/** `state` gone back to a kept checkpoint, or to the beginning. What was trained since is lost. */
export function goBackTo(state: RunState, target: KeptCheckpoint | undefined): RunState {
  const progress = target === undefined ? anew(state.progress) : inFull(target.progress, state.progress);
  const stays = ({ epoch, step }: KeptCheckpoint) => !isFurther(reach({ epoch, step }), reachOf(progress));
  return {
    ...state,
    kept: state.kept.filter(stays),
    dropped: [...state.dropped, ...names(state.kept.filter((checkpoint) => !stays(checkpoint)))].slice(-200),
    progress,
    recent: state.recent.filter((epoch) => epoch.report.epoch <= progress.epoch),
    lostSeconds: state.lostSeconds + Math.max(0, secondsIn(state.progress) - secondsIn(progress)),
  };
}

/** `state` without the damaged checkpoint, which stays in the store for whoever looks into it. */
function goBack(state: RunState, damaged: string): RunState {
  const others = { ...state, kept: state.kept.filter((checkpoint) => checkpoint.name !== damaged) };
  return goBackTo(others, restorable(others.kept).at(-1));
}

/** The kept checkpoint that is damaged. To name none would be to restore the same one again, for ever. */
const damagedOne = (
  { kept }: RunState,
  { restore }: LiveAttempt,
  { damaged }: Evidence,
): string | undefined =>
  [damaged, restore].find((name) => kept.some((checkpoint) => checkpoint.name === name));

/** The names under which the attempt may have begun checkpoints that nobody will finish or adopt. */
function unfinished(attempt: LiveAttempt, evidence: Evidence, settled: RunState): string[] {
  const savesNothing = attempt.batchJobId === undefined || !attempt.firstPlan.checkpoint;
  if (savesNothing) return [];
  const committed = settled.progress.epoch;
  const last = (attempt.pending.at(-1)?.report.epoch ?? committed) + 1;
  const epochs = Array.from({ length: Math.max(0, last - committed) }, (_, i) => committed + 1 + i);
  const begun = epochs.map((epoch) => checkpointName(epoch, attempt.number));
  const kept = new Set(names(settled.kept));
  const useless = [...evidence.found.map(({ name }) => name), ...(evidence.unfinished ?? [])];
  return [...new Set([...begun, ...useless])].filter((name) => !kept.has(name));
}

/** What happened, in words: `after 41 min 0 s, 3 min 10 s of training lost`. */
function fate(attempt: LiveAttempt, until: string, lostSeconds: number): string[] {
  if (attempt.claimedAt === undefined) return [];
  const lost = lostSeconds === 0 ? "nothing lost" : `${durationWords(lostSeconds)} of training lost`;
  return [`after ${durationWords(livedSeconds(attempt, until))}, ${lost}`];
}

export interface Settled {
  readonly state: RunState;
  /** What happened, in words. */
  readonly reason: string;
  readonly class: FailureClass;
}

/** So long after its last save an attempt is gone that saved and left: it trains nothing meanwhile. */
const farewellSeconds = ({ saveCost }: RunState): number => leavingSeconds + (saveCost?.worstSeconds ?? 0);

/** Failures that are no fault of a machine: they come again wherever it is tried, and say nothing of how often to save. */
const ofTheJob = new Set<FailureClass>(["user-exception", "no-checkpoint", "trainer-protocol", "numeric"]);

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
  const until = evidence.stoppedAt ?? attempt.lastSeenAt;
  const lost = secondsBetween(survivor?.safeAt ?? until, until);
  const damaged =
    evidence.class === "checkpoint-corrupt" ? damagedOne(rescued, attempt, evidence) : undefined;
  const based = damaged === undefined ? rescued : goBack(rescued, damaged);
  const failed = lost > farewellSeconds(rescued) && !ofTheJob.has(evidence.class);
  const lived = exposed(based, attempt, until, failed);
  const record: RunState["failures"]["recent"][number] = {
    attempt: attempt.number,
    class: evidence.class,
    message: evidence.message,
    lostSeconds: lost,
    at: circumstances.at,
    epoch: epochOf(attempt, rescued),
    generation: state.generation,
    ...diagnosisOf(evidence),
  };
  const { failures } = lived;
  const counted = failures.byClass?.[evidence.class] ?? 0;
  const words = [
    `attempt ${attempt.number}: ${evidence.class}: ${evidence.message}`,
    ...fate(attempt, until, lost),
    ...adopted.map((name) => `adopted its checkpoint ${name}`),
    ...(damaged === undefined
      ? []
      : [`checkpoint ${damaged} is damaged, going back to ${placeWords(based.progress)}`]),
  ];
  return {
    state: {
      ...lived,
      live: lived.live.filter((live) => live.number !== attempt.number),
      dropped: [...lived.dropped, ...unfinished(attempt, evidence, rescued)].slice(-200),
      lostSeconds: lived.lostSeconds + lost,
      failures: {
        ...failures,
        withoutProgress: failures.withoutProgress + (countsIn(circumstances.job, evidence.class) ? 1 : 0),
        byClass: { ...failures.byClass, [evidence.class]: counted + 1 },
        total: failures.total + 1,
        recent: [...failures.recent, record].slice(-keptFailures),
      },
    },
    reason: words.join("; "),
    class: evidence.class,
  };
}

/** What the state keeps of a diagnosis. */
const diagnosisOf = ({ confidence, signs, place, instance }: Evidence) => ({
  ...(confidence === undefined ? {} : { confidence }),
  ...(signs === undefined ? {} : { signs: signs.slice(0, keptSigns) }),
  ...(place === undefined ? {} : { place }),
  ...(instance === undefined ? {} : { instance }),
});
