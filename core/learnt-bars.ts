import {
  type Bar,
  type BatchChange,
  type BatchProgress,
  keptBars,
  keptChanges,
  nothingLearnt,
} from "./batch-progress.ts";
import { withoutTimings } from "./learnt-timings.ts";

type Step = Pick<BatchChange, "from" | "to">;

export const directionOf = ({ from, to }: Step): Bar["direction"] => (to > from ? "up" : "down");

/** So much longer a bar does not become: powers of two beyond are no numbers any more. */
const mostDoublings = 1000;

/** Whether `bar` keeps training from all that `other` keeps it from, for as long. */
const covers = (bar: Bar, other: Bar): boolean =>
  bar.direction === other.direction &&
  (bar.machine === undefined || bar.machine === other.machine) &&
  bar.untilExamples >= other.untilExamples &&
  (bar.direction === "up" ? bar.size <= other.size : bar.size >= other.size);

/**
 * Nothing on this side of `size` is tried before the examples trained have doubled; before four times as many where that failed
 * before, and so on. On `machine` only, where that is given.
 */
export function withBar(
  state: BatchProgress,
  { size, direction, machine }: Omit<Bar, "untilExamples">,
  examples: number = state.examples,
): BatchProgress {
  const doublings = Math.min(mostDoublings, Math.max(1, state.failures?.[direction] ?? 0));
  const bar: Bar = {
    size,
    direction,
    untilExamples: Math.min(Number.MAX_SAFE_INTEGER, 2 ** doublings * examples),
    ...(machine === undefined ? {} : { machine }),
  };
  const others = state.barred.filter((other) => !covers(bar, other));
  return { ...state, barred: [...others, bar].slice(-keptBars) };
}

/** `state` with one more failure in it, and with a bar before what failed. */
export function withFailure(
  state: BatchProgress,
  change: Step,
  { machine, examples }: { readonly machine?: string; readonly examples?: number } = {},
): BatchProgress {
  const direction = directionOf(change);
  const { up, down } = { up: 0, down: 0, ...state.failures };
  const failures = { up: up + (direction === "up" ? 1 : 0), down: down + (direction === "down" ? 1 : 0) };
  const bar = { size: change.to, direction, ...(machine === undefined ? {} : { machine }) };
  return withBar({ ...state, failures }, bar, examples);
}

/**
 * `state`, gone back to from what came of a growth of Pawl's own, with that growth as one that failed, `because` of what people are told:
 * its size and those beyond it are barred until the examples trained have doubled. `failedAt`: the examples that were
 * trained when it failed, where they count and not those that `state` has.
 */
export function withGrowthBarred(
  state: BatchProgress,
  change: Step & Partial<Omit<BatchChange, "number" | "outcome" | "because">>,
  because: string,
  failedAt: number = state.examples,
): BatchProgress {
  const last = state.changes.at(-1);
  const isNewest = last?.to === change.to && last.from === change.from && state.size === change.to;
  const number = isNewest ? last.number : state.changeCount + 1;
  const failed: BatchChange = {
    epoch: state.epochStart.epoch,
    step: 0,
    ...(isNewest ? last : {}),
    ...change,
    number,
    outcome: "undone",
    because: because.slice(0, 200),
  };
  const earlier = (isNewest ? state.changes.slice(0, -1) : state.changes).map(asPassed);
  const told = { ...state, changeCount: number, changes: [...earlier, failed].slice(-keptChanges) };
  return withFailure(told, change, { examples: Math.max(state.examples, failedAt) });
}

/** What stays of `learnt` where training begins anew: what is known of the machine and of sizes that did not pay, and no steps. */
export function fromBeginning(learnt: BatchProgress): BatchProgress {
  const { first, machine, timings, barred, failures, optimizer, resizes } = learnt;
  return {
    ...nothingLearnt(first, machine),
    timings,
    barred,
    resizes,
    ...(failures === undefined ? {} : { failures }),
    ...(optimizer === undefined ? {} : { optimizer }),
  };
}

/** What was not measured before the next change will not be: training has gone on from it. */
export const asPassed = (change: BatchChange): BatchChange =>
  change.outcome === "open" ? { ...change, outcome: "kept" } : change;

/** The newest bar that holds on the machine in use and `isMeant`; `undefined` without one. */
export const barOf = (
  { barred, examples, machine }: Pick<BatchProgress, "barred" | "examples" | "machine">,
  isMeant: (bar: Bar) => boolean,
): Bar | undefined =>
  barred.findLast(
    (bar) =>
      bar.untilExamples > examples && (bar.machine === undefined || bar.machine === machine) && isMeant(bar),
  );

/** Whether `bar` keeps training from `size`. */
export const isBeyond = ({ direction, size: barred }: Bar, size: number): boolean =>
  direction === "up" ? size >= barred : size <= barred;

/**
 * `state` without the bars that have ended, and without what was timed beyond them: it would speak against those sizes for ever, right
 * or wrong. The model says whether they are worth another try.
 */
export function unbarred(state: BatchProgress): BatchProgress {
  const { examples, barred, size } = state;
  const ended = barred.filter(({ untilExamples }) => untilExamples <= examples);
  if (ended.length === 0) return state;
  const isStale = (other: number, on: string) =>
    other !== size &&
    ended.some((bar) => (bar.machine === undefined || bar.machine === on) && isBeyond(bar, other));
  return {
    ...state,
    barred: barred.filter((bar) => !ended.includes(bar)),
    timings: withoutTimings(state.timings, isStale),
  };
}
