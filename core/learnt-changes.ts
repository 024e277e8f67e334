import { type BatchChange, type BatchProgress, keptChanges } from "./batch-progress.ts";
import { asPassed, directionOf, withBar, withFailure } from "./learnt-bars.ts";
import { rangeOf } from "./policies/batch-size/bounds.ts";
import { type BatchSizePolicy, isAdaptive, usesNorms } from "./policies/batch-size/index.ts";
import { enoughSteps, gain, leastGain, speedOf } from "./policies/batch-size/speed.ts";

/** What a change's gain is reckoned with: no noise scale where the policy does not look at it. */
const noiseFor = (policy: BatchSizePolicy, { noiseScale }: BatchProgress): number | undefined =>
  usesNorms(policy) ? noiseScale : undefined;

const replaced = (state: BatchProgress, change: BatchChange): BatchProgress => ({
  ...state,
  changes: [...state.changes.slice(0, -1), change],
});

/**
 * `state` in which the newest change has failed, on `machine` only where that is given: the policy goes back at once, and does not
 * come again soon.
 */
export const taken = (
  state: BatchProgress,
  change: BatchChange,
  because: string,
  where: { readonly machine?: string } = {},
): BatchProgress => withFailure(replaced(state, { ...change, outcome: "undone", because }), change, where);

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
  if (policy === undefined || !isAdaptive(policy)) return now;
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
  const earlier = state.changes.map(asPassed);
  const changed = { ...now, changeCount: number, changes: [...earlier, change].slice(-keptChanges) };
  // One that was gone back from with all that came of it did not lead here.
  const led = last !== undefined && last.outcome !== "back" && last.to === from;
  const turned = !back && led && directionOf(last) !== directionOf(change);
  return turned ? withBar(changed, { size: from, direction: directionOf(last) }) : changed;
}

/** Whether the job's bounds left no choice: such a change cannot be taken back. */
export function isForced(policy: BatchSizePolicy, { from }: BatchChange): boolean {
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
  if (policy === undefined || !isAdaptive(policy) || change?.outcome !== "open") return state;
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
  return tooSlow(state, outcome, obtainedGain);
}

const tooSlow = (state: BatchProgress, change: BatchChange, obtainedGain: number): BatchProgress => {
  const { machine } = state;
  return taken(state, change, `it trained ${Number(obtainedGain.toPrecision(2))} times as fast`, { machine });
};

/** So many whole epochs a change may stay without an outcome. */
const patience = 4;

/**
 * `state` after `epoch`, which is whole, where the newest change has waited for long enough: with few steps in an epoch too few of them
 * are timed. It is taken back by what its times seem to say, or because there are none, where other sizes have some.
 */
export function givenUp(
  state: BatchProgress,
  epoch: number,
  policy: BatchSizePolicy | undefined,
): BatchProgress {
  const change = state.changes.at(-1);
  if (policy === undefined || !isAdaptive(policy) || change?.outcome !== "open") return state;
  if (policy.policy === "plateau" || isForced(policy, change)) return state;
  const epochs = epoch - change.epoch + (change.step === 0 ? 1 : 0);
  if (epochs < patience || state.stepsAtSize < policy.hold) return state;
  if (change.obtainedGain !== undefined) return tooSlow(state, change, change.obtainedGain);
  const { timed } = speedOf(state, undefined);
  if (timed.length === 0 || timed.includes(change.to)) return state;
  return taken(state, change, `its steps could not be timed in ${epochs} whole epochs`);
}
