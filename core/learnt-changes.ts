import { type BatchChange, type BatchProgress, keptChanges } from "./batch-progress.ts";
import { withoutTimings } from "./learnt-timings.ts";
import { isBetter, type MetricGoal } from "./metric-goal.ts";
import { rangeOf } from "./policies/batch-size/bounds.ts";
import { type BatchSizePolicy, usesNorms } from "./policies/batch-size/index.ts";
import { enoughSteps, gain, leastGain, speedOf } from "./policies/batch-size/speed.ts";
import type { Metrics } from "./report.ts";

/** So many times as much as the metric usually changes in an epoch is more than chance. */
const clearly = 4;

/** What a policy that does not follow what is measured leaves as it is. */
const isFollowed = (
  policy: BatchSizePolicy | undefined,
): policy is Extract<BatchSizePolicy, { hold: number }> => policy !== undefined && "hold" in policy;

/** What a change's gain is reckoned with: no noise scale where the policy does not look at it. */
const noiseFor = (policy: BatchSizePolicy, { noiseScale }: BatchProgress): number | undefined =>
  usesNorms(policy) ? noiseScale : undefined;

const replaced = (state: BatchProgress, change: BatchChange): BatchProgress => ({
  ...state,
  changes: [...state.changes.slice(0, -1), change],
});

/**
 * Nothing on this side of `size` is tried before the examples trained have doubled; before four times as many where that failed
 * before, and so on.
 */
function withBar(state: BatchProgress, size: number, direction: "up" | "down"): BatchProgress {
  const { examples } = state;
  const failures = state.changes.filter(
    ({ outcome, ...change }) => outcome === "undone" && directionOf(change) === direction,
  ).length;
  const bar = {
    size,
    direction,
    untilExamples: Math.min(Number.MAX_SAFE_INTEGER, 2 ** Math.max(1, failures) * examples),
  };
  return { ...state, barred: [...state.barred, bar].slice(-4) };
}

const directionOf = ({ from, to }: Pick<BatchChange, "from" | "to">) => (to > from ? "up" : "down");

/** `state` in which the newest change has failed: the policy goes back at once, and does not come again soon. */
const taken = (state: BatchProgress, change: BatchChange, because: string): BatchProgress =>
  withBar(replaced(state, { ...change, outcome: "undone", because }), change.to, directionOf(change));

/**
 * `state` at another size, from this stretch on. Where that goes back and forth, what was left is barred as after a
 * failure: on input that only fluctuates the number of changes grows with the logarithm of the examples.
 */
export function resized(
  state: BatchProgress,
  to: { readonly batchSize: number; readonly microBatchSize: number; readonly workers: number },
  at: { readonly epoch: number; readonly step: number },
  policy: BatchSizePolicy | undefined,
): BatchProgress {
  const from = state.size;
  const now = { ...state, size: to.batchSize, stepsAtSize: 0, timedAtSize: 0 };
  if (!isFollowed(policy)) return now;
  const number = state.changeCount + 1;
  const last = state.changes.at(-1);
  const back = last?.outcome === "undone" && last.from === to.batchSize && last.to === from;
  const speed = speedOf(state, to.microBatchSize * to.workers);
  const [before, after] = [speed.measured(from), speed.expected(to.batchSize)];
  const stepTime = speed.model();
  // One size alone gives no model worth a prediction.
  const known = before !== undefined && after !== undefined && speed.timed.some((size) => size !== from);
  const change: BatchChange = {
    number,
    ...at,
    from,
    to: to.batchSize,
    ...(state.noiseScale === undefined ? {} : { noiseScale: state.noiseScale }),
    ...(stepTime === undefined ? {} : { stepTime }),
    ...(known && !back ? { predictedGain: gain(before, after, noiseFor(policy, state)) } : {}),
    outcome: back ? "back" : "open",
  };
  // What was not measured by now will not be: training has gone on from it.
  const earlier = state.changes.map((each) =>
    each.outcome === "open" ? { ...each, outcome: "kept" as const } : each,
  );
  const changed = { ...now, changeCount: number, changes: [...earlier, change].slice(-keptChanges) };
  const turned =
    !back && last !== undefined && last.outcome !== "back" && directionOf(last) !== directionOf(change);
  return turned ? withBar(changed, from, directionOf(last)) : changed;
}

/** Whether the job's bounds left no choice: such a change cannot be taken back. */
function isForced(policy: BatchSizePolicy, { from }: BatchChange): boolean {
  if (!("multipleOf" in policy)) return false;
  const { min, max } = rangeOf(policy);
  return from < min || from > max || from % policy.multipleOf !== 0;
}

/** What a change has to obtain: a smaller size that is fast enough by the job's word may cost as much as that allows. */
const needed = (policy: BatchSizePolicy, { from, to }: BatchChange): number =>
  policy.policy === "throughput" && to < from ? Math.min(policy.share, leastGain) : leastGain;

/** So many timed steps tell that a change did not pay: one that the machine was busy with something else in does not decide. */
const sureSteps = 8;

/** Where it obtained less than this share of what was predicted, the measurement is doubted: twice as many steps tell. */
const doubtful = 0.7;

/**
 * `state` with what came of the newest change, once enough of its steps are timed on a machine that timed the size before too: what
 * got done in a second by the measured times, and today's noise scale. A change that waits for a better metric is judged by that alone.
 * One that seems not to pay stays open, with what it obtained so far, until that is sure.
 */
export function judged(state: BatchProgress, policy: BatchSizePolicy | undefined): BatchProgress {
  const change = state.changes.at(-1);
  if (!isFollowed(policy) || change?.outcome !== "open") return state;
  if (state.stepsAtSize < policy.hold || state.timedAtSize < enoughSteps) return state;
  const speed = speedOf(state, undefined);
  const [before, after] = [speed.measured(change.from), speed.measured(change.to)];
  if (before === undefined || after === undefined) {
    // On another machine, or after so long, what it seemed to obtain is nothing to wait for.
    const { obtainedGain: _seemed, ...open } = change;
    return replaced(state, open);
  }
  const obtainedGain = gain(before, after, noiseFor(policy, state));
  const outcome = { ...change, obtainedGain };
  if (obtainedGain >= needed(policy, change) || policy.policy === "plateau" || isForced(policy, change))
    return replaced(state, { ...outcome, outcome: "kept" });
  const unlikely = obtainedGain < doubtful * (change.predictedGain ?? 1);
  if (state.timedAtSize < (unlikely ? 2 : 1) * sureSteps) return replaced(state, outcome);
  return taken(state, outcome, `it trained ${Number(obtainedGain.toPrecision(2))} times as fast`);
}

/**
 * `state` without the bars that have ended, and without what was timed beyond them: it would speak against those sizes for ever, right
 * or wrong. The model says whether they are worth another try.
 */
export function unbarred(state: BatchProgress): BatchProgress {
  const { examples, barred, size } = state;
  const ended = barred.filter(({ untilExamples }) => untilExamples <= examples);
  if (ended.length === 0) return state;
  const isBeyond = (other: number) =>
    other !== size && ended.some((bar) => (bar.direction === "up" ? other >= bar.size : other <= bar.size));
  return {
    ...state,
    barred: barred.filter((bar) => !ended.includes(bar)),
    timings: withoutTimings(state.timings, isBeyond),
  };
}

/** What the policy follows; else what training ends by; else the loss. */
export function followedGoal(policy: BatchSizePolicy | undefined, stop: MetricGoal | undefined): MetricGoal {
  if (policy?.policy === "plateau") return { metric: policy.metric, mode: policy.mode };
  return stop === undefined ? { metric: "loss", mode: "min" } : { metric: stop.metric, mode: stop.mode };
}

/** For people. */
const brief = (value: number): string => String(Number(value.toPrecision(3)));

/** Whether `change` came after the epoch before `epoch` was trained, or in the middle of it. */
const isBetween = (change: BatchChange, epoch: number): boolean =>
  change.epoch === epoch || (change.epoch === epoch - 1 && change.step > 0);

/**
 * `state` with what an epoch's report says of the metric. Where that became clearly worse with a growth, the growth is taken back,
 * however fast it is: by more than four times what it usually changes in an epoch, and by more than a hundredth of it. The
 * first two epochs tell what is usual.
 */
export function withMetric(
  state: BatchProgress,
  { epoch, metrics }: { readonly epoch: number; readonly metrics: Metrics },
  goal: MetricGoal,
  policy: BatchSizePolicy | undefined,
): BatchProgress {
  const { metric: name } = goal;
  const value = metrics[name];
  if (!isBetter(goal, value, undefined)) return state;
  const before = state.metric?.name === name ? state.metric : undefined;
  if (before === undefined)
    return { ...state, metric: { name, best: value, bestEpoch: epoch, last: value, lastEpoch: epoch } };
  const delta = policy?.policy === "plateau" ? policy.minDelta : 0;
  const better = isBetter(goal, value, goal.mode === "max" ? before.best + delta : before.best - delta);
  const moved = Math.min(Number.MAX_VALUE, Math.abs(value - before.last));
  const metric = {
    ...before,
    ...(better ? { best: value, bestEpoch: epoch } : {}),
    last: value,
    lastEpoch: epoch,
    swing: before.swing === undefined ? moved : before.swing / 2 + moved / 2,
  };
  const after = { ...state, metric };
  const change = state.changes.at(-1);
  const worse =
    before.swing !== undefined &&
    isBetter(goal, before.last, value) &&
    moved > Math.max(clearly * before.swing, Math.abs(before.last) / 100);
  if (!worse || !isFollowed(policy) || change === undefined || change.to < change.from) return after;
  if (change.outcome !== "open" && change.outcome !== "kept") return after;
  if (!isBetween(change, epoch) || isForced(policy, change)) return after;
  return taken(
    after,
    change,
    `${name.slice(0, 60)} became worse with it, ${brief(value)} after ${brief(before.last)}`,
  );
}
