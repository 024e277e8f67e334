import type { BatchChange, BatchProgress } from "../../batch-progress.ts";
import { barOf, isBeyond } from "../../learnt-bars.ts";
import { type Bounds, type Range, rangeOf, sizes } from "./bounds.ts";
import type { Choice, Seen } from "./policy.ts";
import { type Speed, speedOf } from "./speed.ts";

/** What a policy looks at once there is something to follow. */
export interface Standing {
  readonly learnt: BatchProgress;
  /** The size in force. */
  readonly size: number;
  /** Every size that the bounds have, ascending, but the barred ones. */
  readonly ladder: readonly number[];
  /** Those of them that may be chosen now; the size in force is among them where it is one of the bounds' sizes. */
  readonly allowed: readonly number[];
  readonly speed: Speed;
}

/** What a policy wants; the size in force is no change. `why` follows `batch size 64 for 32: ` or `batch size 64 held: `. */
export interface Wish {
  readonly size: number;
  readonly why: string;
  readonly predictedGain?: number;
}

/** For people: `410`, `0.0123`. */
export const digits = (value: number): string => String(Number(value.toPrecision(3)));

/** The noise scale as reasons have it. */
export const noiseWords = (noiseScale: number): string =>
  `noise scale ${noiseScale >= 100 ? Math.round(noiseScale) : digits(noiseScale)}`;

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Whether `size` is not tried again yet: it did not pay, or is beyond one that did not. */
const isBarred = (learnt: BatchProgress, size: number): boolean =>
  barOf(learnt, (bar) => isBeyond(bar, size)) !== undefined;

/**
 * How far it may grow since the epoch was begun; what a new epoch begins with counts as growth within it. That is a rung at least:
 * a growth of less than one would hold the size for ever.
 */
function mostGrown(
  ladder: readonly number[],
  { growth }: Bounds,
  { epochStart, size }: BatchProgress,
  epoch: number,
): number {
  if (epochStart.epoch === epoch) return epochStart.size * growth;
  return Math.max(size * growth, ladder.find((rung) => rung > size) ?? size);
}

/**
 * Sizes that may be chosen: grown no more than the bounds allow within an epoch, and no further from what was timed on this machine
 * than a factor of two or one rung, since a model of step times says little about what lies beyond.
 */
function reachable(
  ladder: readonly number[],
  given: Bounds,
  seen: Seen,
  standing: Omit<Standing, "allowed">,
) {
  const { learnt, size, speed } = standing;
  const largest = speed.timed.at(-1) ?? size;
  const smallest = speed.timed[0] ?? size;
  const ceiling = Math.max(2 * largest, ladder.find((rung) => rung > largest) ?? 0);
  const floor = Math.min(smallest / 2, ladder.findLast((rung) => rung < smallest) ?? smallest);
  const most = Math.min(ceiling, mostGrown(ladder, given, learnt, seen.epoch));
  return ladder.filter((rung) => rung === size || (rung <= most && rung >= floor));
}

/** A change that has to be taken back: it is still in force. */
function undone({ changes, size }: BatchProgress): BatchChange | undefined {
  const last = changes.at(-1);
  return last?.outcome === "undone" && last.to === size ? last : undefined;
}

const nearest = (ladder: readonly number[], size: number): number =>
  ladder.reduce((best, rung) => (Math.abs(rung - size) < Math.abs(best - size) ? rung : best));

/**
 * What all policies have in common: the first size, the bounds, changes that are taken back, how long a size is held, what is
 * barred and how far a step may go. `want` says where to go within that.
 */
export function within(given: Bounds, seen: Seen, want: (standing: Standing) => Wish): Choice {
  const { learnt } = seen;
  const range = rangeOf(given);
  if (learnt === undefined) return { size: range.start, reason: `batch size ${range.start}, the first` };
  const speed = speedOf(learnt, seen.microBatchLimit);
  const known = learnt.noiseScale === undefined ? {} : { noiseScale: learnt.noiseScale };
  const { size } = learnt;
  const all = sizes(given);
  const held = (why: string): Choice => ({ ...known, size, reason: `batch size ${size} held: ${why}` });
  const to = (next: number, why: string): Choice => {
    const stepTime = speed.model();
    const reason = `batch size ${next} for ${size}: ${why}`;
    return { ...known, ...(stepTime === undefined ? {} : { stepTime }), size: next, reason };
  };
  const fits = (other: number) => other >= range.min && other <= range.max && other % given.multipleOf === 0;
  if (!fits(size))
    return to(nearest(all, size), `the job's bounds are ${range.min} to ${range.max}${multiples(given)}`);
  const failed = undone(learnt);
  if (failed !== undefined) {
    const back = fits(failed.from) ? failed.from : nearest(all, failed.from);
    if (back !== size) return to(back, failed.because ?? "the change did not pay");
  }
  if (learnt.stepsAtSize < given.hold)
    return held(`${learnt.stepsAtSize} of ${plural(given.hold, "step")} trained with it`);
  const open = learnt.changes.at(-1);
  if (open?.outcome === "open" && open.to === size && open.obtainedGain !== undefined)
    return held(
      `it seems ${digits(open.obtainedGain)} times as fast as ${open.from}, and ${plural(learnt.timedAtSize, "timed step")} are too few to be sure`,
    );
  const most = roomFor(learnt, range);
  const ladder = all.filter(
    (rung) => rung <= Math.max(size, most) && (rung === size || !isBarred(learnt, rung)),
  );
  const standing = { learnt, size, ladder, speed };
  const allowed = reachable(ladder, given, seen, standing);
  const wish = want({ ...standing, allowed });
  if (wish.size === size)
    return held(`${wish.why}${barredWords(learnt, given)}${roomWords(learnt, all, Math.max(size, most))}`);
  const { predictedGain } = wish;
  return { ...to(wish.size, wish.why), ...(predictedGain === undefined ? {} : { predictedGain }) };
}

const multiples = ({ multipleOf }: Bounds): string =>
  multipleOf === 1 ? "" : `, multiples of ${multipleOf}`;

/** Fewer whole steps of an epoch are too few to be timed in one or two epochs, and to learn from. */
const fewestSteps = 8;

/** The largest size that enough steps of an epoch have; never less than the job begins with. */
const roomFor = ({ epochExamples = Number.POSITIVE_INFINITY }: BatchProgress, { start }: Range): number =>
  Math.max(start, Math.floor(epochExamples / fewestSteps));

/** What would be within the bounds, and is too large for the data. */
function roomWords({ epochExamples }: BatchProgress, all: readonly number[], most: number): string {
  const next = all.find((rung) => rung > most);
  return next === undefined || epochExamples === undefined
    ? ""
    : `; ${next} and more have fewer than ${fewestSteps} whole steps in an epoch of ${epochExamples} examples`;
}

/** What would be within the bounds and is not tried now. */
function barredWords(learnt: BatchProgress, given: Bounds): string {
  const range = rangeOf(given);
  const bar = barOf(learnt, ({ size }) => size >= range.min && size <= range.max);
  if (bar === undefined) return "";
  const side = bar.direction === "up" ? "more" : "less";
  return `; ${bar.size} and ${side} not tried again before ${bar.untilExamples} examples are trained`;
}
