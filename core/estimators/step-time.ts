import * as z from "zod";
import { nonNegativeLeastSquares, type Row } from "./non-negative.ts";

/** How the examples of a step are laid out. */
export interface Layout {
  /** Examples of a step, over all workers. */
  readonly batchSize: number;
  /** Examples at once, in each worker. */
  readonly microBatchSize: number;
  readonly workers: number;
}

/** Seconds of a step = fixed + per micro-batch + per example of a worker + per worker beyond the first. */
export const StepTime = z.strictObject({
  fixedSeconds: z.number().min(0),
  perMicroBatchSeconds: z.number().min(0),
  perExampleSeconds: z.number().min(0),
  perWorkerSeconds: z.number().min(0),
});
export type StepTime = z.infer<typeof StepTime>;

/** What steps of one layout took on one machine. */
export const Timing = z.strictObject({
  batchSize: z.int().min(1),
  microBatchSize: z.int().min(1),
  workers: z.int().min(1),
  /** The median of the newest ones. */
  stepSeconds: z.number().positive(),
  /** Steps that it rests on. */
  steps: z.int().min(1),
});
export type Timing = z.infer<typeof Timing>;

/** What is multiplied with the four times of the model, in their order. */
function features({ batchSize, microBatchSize, workers }: Layout): [number, number, number, number] {
  const examples = batchSize / workers;
  return [1, Math.ceil(examples / microBatchSize - 1e-9), examples, workers - 1];
}

/** How much less each timing counts than the next newer one: of ten the oldest counts a fifth. */
const older = 0.85;

/** Medians of fewer steps than about these are themselves uncertain. */
const sureSteps = 4;

/** Residuals up to this share of the time are noise in any case, not outliers. */
const noise = 0.02;

/**
 * What holds where the timings do not tell, and is outweighed at once where they do. Half of a step is the examples' (as AdaptDL
 * sets it with one batch size: adaptdl/goodput.py, fit_perf_params), and the rest belongs to micro-batches: then accumulating
 * looks no cheaper than it is known to be. AdaptDL too counts its whole constant in each accumulated part.
 */
const priors = [
  { feature: 0, share: 0, strength: 1e-4 },
  { feature: 1, share: 0.5, strength: 1e-6 },
  { feature: 2, share: 0.5, strength: 1e-6 },
  { feature: 3, share: 0, strength: 1e-4 },
] as const;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

type Prior = (typeof priors)[number];

interface Point {
  /** Of those times only that are looked for. */
  readonly features: readonly number[];
  readonly seconds: number;
  readonly weight: number;
}

const predicted = (times: readonly number[], { features: by }: Pick<Point, "features">): number =>
  by.reduce((sum, value, i) => sum + value * (times[i] ?? 0), 0);

/** The times that fit best when each point counts `trust` and its error is relative to `scales`. */
function fitted(
  points: readonly Point[],
  known: readonly Prior[],
  trust: readonly number[],
  scales: readonly number[],
): readonly number[] {
  const rows: Row[] = points.map(({ features: by, seconds, weight }, i) => {
    const scale = scales[i] ?? seconds;
    return {
      coefficients: by.map((x) => x / scale),
      value: seconds / scale,
      weight: weight * (trust[i] ?? 1),
    };
  });
  const middle = median(points.map(({ seconds }) => seconds));
  const usual = known.map(({ share, strength }, feature): Row => {
    const typical = Math.max(1, median(points.map(({ features: by }) => by[feature] ?? 1))) / middle;
    const coefficients = known.map((_, i) => (i === feature ? typical : 0));
    return { coefficients, value: share, weight: strength };
  });
  return nonNegativeLeastSquares([...rows, ...usual], known.length);
}

/** Relative to the larger of the two, so that too short is as far out as too long, and nothing is further than 1. */
const errorsOf = (points: readonly Point[], times: readonly number[]): readonly number[] =>
  points.map((point) => {
    const guess = predicted(times, point);
    return Math.abs(guess - point.seconds) / Math.max(guess, point.seconds);
  });

/** One round nearer to the best fit for these weights of the errors. */
function nearer(
  points: readonly Point[],
  known: readonly Prior[],
  times: readonly number[],
  trust: (error: number) => number,
): readonly number[] {
  const scales = points.map((point) => Math.max(point.seconds, predicted(times, point)));
  return fitted(points, known, errorsOf(points, times).map(trust), scales);
}

/** Two points fit any two times: leaving out one of three, or two of four, would always look good. */
const leftOut = (points: readonly Point[]): readonly (readonly Point[])[] =>
  points
    .flatMap((_, i) => points.slice(i).map((_, j) => points.filter((_, k) => k !== i && k !== i + j)))
    .filter(({ length }) => length > 2);

/**
 * Where to start: the fit of all points or, where that is off, the one without one or two of them whose sum of errors over all is
 * the smallest. One timing that is far too short would otherwise draw the fit to itself, since errors are relative.
 */
function start(points: readonly Point[], known: readonly Prior[]): readonly number[] {
  const plain = fitted(points, known, [], []);
  if (Math.max(...errorsOf(points, plain)) < 5 * noise) return plain;
  const loss = (times: readonly number[]) =>
    errorsOf(points, times).reduce((sum, error, i) => sum + error * (points[i]?.weight ?? 0), 0);
  let best = { times: plain, loss: loss(plain) };
  for (const kept of leftOut(points)) {
    const times = fitted(kept, known, [], []);
    if (loss(times) < best.loss) best = { times, loss: loss(times) };
  }
  return best.times;
}

/**
 * The times that fit all but a few outlying points: by iterated weights, first those of the sum of absolute errors, which outliers
 * hardly move, then Huber's, which average what is only noise.
 */
function robust(points: readonly Point[], known: readonly Prior[]): readonly number[] {
  let times = start(points, known);
  for (let round = 0; round < 12; round += 1) {
    const errors = errorsOf(points, times);
    if (Math.max(...errors) < noise) return times;
    const usual = 1.345 * Math.max(noise, 1.4826 * median(errors));
    times = nearer(points, known, times, (error) =>
      round < 6 ? noise / Math.max(error, noise / 10) : Math.min(1, usual / error),
    );
  }
  return times;
}

/**
 * The model that fits `timings` of one machine, oldest first; `undefined` without any that can be. Errors count relative to the
 * time, so that no unit of time and no large batch matters more; newer timings count more, and outliers less.
 *
 * Where all timings have one number of micro-batches, their cost and the fixed one cannot be told apart: all is then taken as
 * theirs, and so is what workers cost, where their number never changed. With one batch size half of the time is the examples'.
 */
export function fitStepTime(timings: readonly Timing[]): StepTime | undefined {
  const usable = timings.filter(({ stepSeconds: seconds }) => seconds > 0 && Number.isFinite(seconds));
  if (usable.length === 0) return undefined;
  const unit = median(usable.map(({ stepSeconds }) => stepSeconds));
  // What is further away is no step time, and would drown the others in rounding.
  const near = usable.filter(({ stepSeconds: seconds }) => seconds > unit * 1e-6 && seconds < unit * 1e6);
  const all = near.map(features);
  const varies = (feature: number) => all.some((by) => by[feature] !== all[0]?.[feature]);
  const known = priors.filter(({ feature }) => (feature !== 0 || varies(1)) && (feature !== 3 || varies(3)));
  const points = near.map((timing, i) => ({
    features: known.map(({ feature }) => all[i]?.[feature] ?? 0),
    seconds: timing.stepSeconds / unit,
    weight: older ** (near.length - 1 - i) * (timing.steps / (timing.steps + sureSteps)),
  }));
  const times = robust(points, known);
  const of = (feature: number) => unit * (times[known.findIndex((prior) => prior.feature === feature)] ?? 0);
  return {
    fixedSeconds: of(0),
    // No step takes no time, whatever the timings would have it.
    perMicroBatchSeconds: Math.max(of(1), of(0) + of(2) > unit * 1e-6 ? 0 : unit * 1e-6),
    perExampleSeconds: of(2),
    perWorkerSeconds: of(3),
  };
}

/** What a step of that layout takes by the model, in seconds. */
export function stepSeconds(model: StepTime, layout: Layout): number {
  const times = [
    model.fixedSeconds,
    model.perMicroBatchSeconds,
    model.perExampleSeconds,
    model.perWorkerSeconds,
  ];
  return predicted(times, { features: features(layout) });
}

/** A machine deviates from the model by so much at most: by caches and kernels of other sizes. More is a measurement gone wrong. */
const deviation = { least: 0.5, most: 2.5 };

/**
 * What a step of that layout takes, in seconds: by the model, times what the nearest timings of as many workers took more or less
 * than the model says, between two of them in proportion. No machine is quite a straight line: past a cache's size examples get slower.
 */
export function expectedSeconds(model: StepTime, timings: readonly Timing[], layout: Layout): number {
  const near = timings
    .filter(({ workers }) => workers === layout.workers)
    .map((timing) => ({
      at: Math.log(timing.batchSize),
      times: timing.stepSeconds / stepSeconds(model, timing),
    }))
    .filter(({ times }) => times >= deviation.least && times <= deviation.most)
    .sort((a, b) => a.at - b.at);
  const at = Math.log(layout.batchSize);
  const below = near.findLast((point) => point.at <= at) ?? near[0];
  const above = near.find((point) => point.at >= at) ?? near.at(-1);
  const modelled = stepSeconds(model, layout);
  if (below === undefined || above === undefined) return modelled;
  const share = above.at > below.at ? (at - below.at) / (above.at - below.at) : 0;
  return modelled * below.times ** (1 - share) * above.times ** share;
}
