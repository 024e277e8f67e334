import { quantile } from "../statistics.ts";
import type { Spent, Trace } from "./train.ts";

/** What it took to a target accuracy: on the line between the evaluations before and after it was first reached. */
export type Reached = Spent & { readonly examples: number };

/** `undefined` where the target was never reached. */
export function reached({ evaluations }: Pick<Trace, "evaluations">, target: number): Reached | undefined {
  const index = evaluations.findIndex(({ accuracy }) => accuracy >= target);
  const at = evaluations[index];
  if (at === undefined) return undefined;
  const before = evaluations[index - 1] ?? at;
  const share = at === before ? 0 : (target - before.accuracy) / (at.accuracy - before.accuracy);
  const between = (of: keyof Reached) => before[of] + share * (at[of] - before[of]);
  return {
    examples: between("examples"),
    cpuSeconds: between("cpuSeconds"),
    wallSeconds: between("wallSeconds"),
  };
}

/** Accuracy at the end: the mean of the last evaluations, since one is noisy. */
export function finalAccuracy({ evaluations }: Pick<Trace, "evaluations">, last = 4): number {
  const newest = evaluations.slice(-last);
  return newest.reduce((sum, { accuracy }) => sum + accuracy, 0) / newest.length;
}

/** The same at that moment of training, by processor time; the whole run's where it was over by then. */
export function accuracyAt({ evaluations }: Pick<Trace, "evaluations">, cpuSeconds: number): number {
  return finalAccuracy({ evaluations: evaluations.filter((each) => each.cpuSeconds <= cpuSeconds) });
}

export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/** Of values, where a run that did not get there counts as infinitely long. */
export function quartiles(values: readonly (number | undefined)[]): Quartiles {
  const all = values.map((value) => value ?? Number.POSITIVE_INFINITY);
  return { q1: quantile(all, 0.25), median: quantile(all, 0.5), q3: quantile(all, 0.75) };
}

export interface PairedDifference {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly pairs: number;
}

/** The mean of `a` less `b`, pair by pair, with its 95% interval by Student's t. */
export function pairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  if (a.length !== b.length || a.length < 2)
    throw new RangeError(
      `pairs need two lists of the same length, of 2 or more; not ${a.length} and ${b.length}`,
    );
  const differences = a.map((value, index) => value - (b[index] ?? 0));
  const pairs = differences.length;
  const mean = differences.reduce((sum, value) => sum + value, 0) / pairs;
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (pairs - 1);
  const half = studentsT(pairs - 1) * Math.sqrt(variance / pairs);
  return { mean, low: mean - half, high: mean + half, pairs };
}

/** Of so many degrees of freedom, from 1; the series is off by more than a thousandth below 5. */
const fewDegrees = [12.706, 4.303, 3.182, 2.776];

/** The 0.975 quantile of Student's t (Abramowitz and Stegun, 26.7.5). */
export function studentsT(degrees: number): number {
  const exact = fewDegrees[degrees - 1];
  if (exact !== undefined) return exact;
  const z = 1.959964;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, index) => sum + term / degrees ** (index + 1), z);
}
