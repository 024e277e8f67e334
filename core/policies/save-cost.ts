import * as z from "zod";

const Seconds = z.number().min(0);

/** What one save took: `pauseSeconds` that training stood still for, `seconds` from its start until it was durable. */
interface Seen {
  readonly pauseSeconds: number;
  readonly seconds: number;
}

/** What a run's saves have cost, smoothed. */
export const SaveCost = z.strictObject({
  pauseSeconds: Seconds,
  seconds: Seconds,
  /** The longest time until one was durable, slowly forgotten. */
  worstSeconds: Seconds,
  saves: z.int().min(1),
});
export type SaveCost = z.infer<typeof SaveCost>;

/** Weight of the newest save in the mean, from the third on; before that, the mean is a plain one. */
const newestWeight = 0.3;
/** How far the worst moves toward the mean with each save: half of the way in about seven. */
const forgetting = 0.1;
/** One save counts as at most so many times the mean, so that a laptop that slept during one does not spoil it … */
const mostGrowth = 4;
/** … but up to so much always, in seconds. */
const alwaysBelieved = 10;

const believed = (mean: number, seen: number): number =>
  Math.min(seen, Math.max(alwaysBelieved, mostGrowth * mean));

/** The cost with one more save: exponentially weighted means, and a worst that is slowly forgotten. */
export function observeSave(previous: SaveCost | undefined, seen: Seen): SaveCost {
  const { pauseSeconds, seconds } = seen;
  if (previous === undefined) return { pauseSeconds, seconds, worstSeconds: seconds, saves: 1 };
  const weight = Math.max(newestWeight, 1 / (previous.saves + 1));
  const mean = (old: number, value: number) => (1 - weight) * old + weight * believed(old, value);
  const durable = mean(previous.seconds, seconds);
  return {
    pauseSeconds: mean(previous.pauseSeconds, pauseSeconds),
    seconds: durable,
    worstSeconds: Math.max(
      believed(previous.seconds, seconds),
      (1 - forgetting) * previous.worstSeconds + forgetting * durable,
    ),
    saves: previous.saves + 1,
  };
}

/** What an agent keeps of the time that is left, to write its outcome and leave, in seconds. */
export const leavingSeconds = 5;

/**
 * Whether a save that begins now is worth beginning, where the machine is lost in `secondsLeft`.
 *
 * What is trained since the last save is lost without one, so that nothing is risked by trying: it is begun if one that takes
 * as long as usual is done in time, or if nobody knows how long one takes. While another save is on its way (`underWay`), one more takes
 * bandwidth from it and can lose both: then the worst must fit, and 1/n more after n saves (the next of n + 1 alike is
 * longer than all before with probability 1/(n + 1)).
 */
export function saveFits(input: {
  readonly secondsLeft: number;
  readonly save: SaveCost | undefined;
  readonly underWay?: boolean;
}): boolean {
  const { save, underWay = false } = input;
  const left = input.secondsLeft - leavingSeconds;
  if (left <= 0) return false;
  if (save === undefined) return !underWay;
  return left >= (underWay ? save.worstSeconds * (1 + 1 / save.saves) : save.seconds);
}
