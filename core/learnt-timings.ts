import { type BatchProgress, keptMachines, keptTimings } from "./batch-progress.ts";
import { fitStepTime, stepSeconds, type Timing } from "./estimators/step-time.ts";
import type { Stretch } from "./measured.ts";

/** What is known of step times. */
type Known = Pick<BatchProgress, "timings" | "machine" | "suspect">;

/** So many times more or less than was to be expected is a clock that jumped or a machine that slept, not training. */
const wild = 8;

/** Of what was known before so many steps count: a machine that changes is followed within a few epochs. */
const remembered = 64;

/** Medians of fewer steps than about these are at the mercy of a single one, and hardly count beside what was known. */
const sureSteps = 8;

/** Steps that a timing rests on are counted up to this. */
const mostSteps = 256;

/** No step takes less, or more, in seconds. */
const [shortest, longest] = [1e-12, 1e12];

const isFar = (a: number, b: number): boolean => a > b * wild || b > a * wild;

const sameLayout = (a: Timing, b: Timing): boolean =>
  a.batchSize === b.batchSize && a.microBatchSize === b.microBatchSize && a.workers === b.workers;

/** The newest `keptMachines`, the one in use as the newest. */
function keep(known: Known, timings: readonly Timing[]): BatchProgress["timings"] {
  const others = Object.entries(known.timings).filter(([machine]) => machine !== known.machine);
  const kept: [string, Timing[]] = [known.machine, timings.slice(-keptTimings)];
  return Object.fromEntries([...others.slice(-(keptMachines - 1)), kept]);
}

/** Both timings of one layout in one: the geometric mean, so that a step three times too long moves it no more than one too short. */
function merged(old: Timing | undefined, timing: Timing): Timing {
  if (old === undefined) return timing;
  const weight = timing.steps ** 2 / (timing.steps + sureSteps);
  const share = weight / (weight + Math.min(old.steps, remembered));
  const stepSeconds = old.stepSeconds ** (1 - share) * timing.stepSeconds ** share;
  return { ...timing, stepSeconds, steps: Math.min(mostSteps, old.steps + timing.steps) };
}

/**
 * How many times longer all takes than it did, seen from the layout in use. Where that is known well, it is the machine that became
 * slower or faster, busy with something else or too hot, and for other layouts too: else they would look faster only for
 * having been timed in better days.
 */
const driftOf = (old: Timing, newest: Timing, now: Timing): number =>
  old.steps >= remembered && newest.steps >= sureSteps ? now.stepSeconds / old.stepSeconds : 1;

/** `timings` without those that `isStale` says are too old to hold anything against a size. */
export const withoutTimings = (
  timings: BatchProgress["timings"],
  isStale: (batchSize: number, machine: string) => boolean,
): BatchProgress["timings"] =>
  Object.fromEntries(
    Object.entries(timings).map(([machine, known]) => [
      machine,
      known.filter(({ batchSize }) => !isStale(batchSize, machine)),
    ]),
  );

/** What is known with one more stretch: why its time was not taken, or how many steps were. */
type Taken = Known & ({ readonly problem: string } | { readonly steps: number });

/**
 * What is far from all that was expected of it, as it is believed; `undefined` where it is not yet. Where a layout that was timed
 * before takes as much more or less too, it is the machine that has changed, and all that was known of it is forgotten.
 * One that was never timed may be just so, as one that memory has to be swapped for is: enough steps tell, or a second stretch.
 */
function believed(
  { suspect, ...known }: Known,
  timing: Timing,
): (Known & { readonly steps: number }) | undefined {
  const timings = known.timings[known.machine] ?? [];
  const isKnown = (layout: Timing) => timings.some((other) => sameLayout(other, layout));
  // Of another layout it is the time for each example that has to be about the same.
  const each = ({ stepSeconds, batchSize }: Timing) => stepSeconds / batchSize;
  const agreeing = suspect === undefined || isFar(each(timing), each(suspect)) ? undefined : suspect;
  if (agreeing !== undefined && (isKnown(timing) || isKnown(agreeing)))
    return { ...known, timings: keep(known, [timing]), steps: timing.steps };
  const isSure = agreeing !== undefined || timing.steps >= sureSteps;
  if (isKnown(timing) || !isSure) return undefined;
  const same = agreeing !== undefined && sameLayout(agreeing, timing) ? agreeing : undefined;
  const now = merged(same, timing);
  return { ...known, timings: keep(known, [...timings, now]), steps: now.steps };
}

/** `known` with what the steps of a stretch took on the machine in use, or why that was not taken. */
export function withTiming(
  known: Known,
  { batchSize, microBatchSize, workers }: Stretch,
  timed: NonNullable<Stretch["timed"]>,
): Taken {
  const { stepSeconds: seconds } = timed;
  const took = `steps of ${batchSize} examples took ${typeof seconds === "string" ? seconds : Number(seconds.toPrecision(2))} s`;
  if (typeof seconds === "string" || !(seconds > shortest && seconds < longest))
    return { ...known, problem: `${took}, which cannot be` };
  const timing: Timing = {
    batchSize,
    microBatchSize,
    workers,
    stepSeconds: seconds,
    steps: Math.min(mostSteps, timed.steps),
  };
  const timings = known.timings[known.machine] ?? [];
  const old = timings.find((other) => sameLayout(other, timing));
  const model = old === undefined ? fitStepTime(timings) : undefined;
  const expected = old?.stepSeconds ?? (model === undefined ? seconds : stepSeconds(model, timing));
  if (isFar(seconds, expected)) {
    const about = Number(expected.toPrecision(2));
    const problem = `${took}, where about ${about} s were to be expected`;
    return believed(known, timing) ?? { ...known, suspect: timing, problem };
  }
  const { suspect: _suspect, ...trusted } = known;
  const now = merged(old, timing);
  const drift = old !== undefined && old === timings.at(-1) ? driftOf(old, timing, now) : 1;
  const others = timings.filter((other) => other !== old);
  const moved = others.map((other) => ({ ...other, stepSeconds: other.stepSeconds * drift }));
  return { ...trusted, timings: keep(known, [...moved, now]), steps: timed.steps };
}
