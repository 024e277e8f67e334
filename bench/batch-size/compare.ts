import {
  accuracyAt,
  finalAccuracy,
  type PairedDifference,
  pairedDifference,
  type Quartiles,
  quartiles,
  reached,
} from "./outcome.ts";
import type { Strategy } from "./strategies.ts";
import type { Trace } from "./train.ts";

/** One run of one strategy. Runs of the same seed begin with the same weights and see the same order of the data. */
export interface Run {
  readonly strategy: string;
  readonly kind: Strategy["kind"];
  readonly seed: number;
  readonly trace: Trace;
  /** Why the size was changed, each time, where that is known. */
  readonly reasons?: readonly string[];
}

/** What a strategy's runs came to. */
export interface Row {
  readonly strategy: string;
  readonly kind: Strategy["kind"];
  readonly seeds: number;
  readonly cpuSeconds: Quartiles;
  readonly wallSeconds: Quartiles;
  readonly examples: Quartiles;
  /** How many runs reached the target. */
  readonly reached: number;
  /** How many times as long it took as the best fixed size: the median over seeds of the ratio within each. */
  readonly toBest: Quartiles;
}

/** Final accuracies of one strategy, and what they are less those of another, seed by seed. */
export interface Final {
  readonly strategy: string;
  readonly accuracy: number;
  /** What it had reached, on the mean, when `goodput` of the same seed had trained all its epochs. */
  readonly inSameTime: number | undefined;
  readonly difference: PairedDifference & { readonly to: string };
}

const of = (runs: readonly Run[], strategy: string): readonly Run[] =>
  runs.filter((run) => run.strategy === strategy).toSorted((a, b) => a.seed - b.seed);

const names = (runs: readonly Run[]): string[] => [...new Set(runs.map(({ strategy }) => strategy))];

const medianTime = (runs: readonly Run[], target: number): number =>
  quartiles(runs.map(({ trace }) => reached(trace, target)?.cpuSeconds)).median;

/** The two fixed sizes that were fastest to the target, by the median: which one is best more seeds can tell. */
export function fastest(runs: readonly Run[], target: number, count = 2): string[] {
  const fixed = names(runs.filter(({ kind }) => kind === "fixed"));
  const time = (strategy: string) => medianTime(of(runs, strategy), target);
  return fixed.toSorted((a, b) => time(a) - time(b)).slice(0, count);
}

/** The best of them in hindsight; `undefined` without fixed sizes. */
export const bestFixed = (runs: readonly Run[], target: number): string | undefined =>
  fastest(runs, target, 1)[0];

/** One row for each strategy, in the order in which they ran. */
export function compare(runs: readonly Run[], target: number): Row[] {
  const best = bestFixed(runs, target);
  return names(runs).map((strategy) => {
    const own = of(runs, strategy);
    const all = own.map(({ trace }) => reached(trace, target));
    return {
      strategy,
      kind: own[0]?.kind ?? "fixed",
      seeds: own.length,
      cpuSeconds: quartiles(all.map((each) => each?.cpuSeconds)),
      wallSeconds: quartiles(all.map((each) => each?.wallSeconds)),
      examples: quartiles(all.map((each) => each?.examples)),
      reached: all.filter((each) => each !== undefined).length,
      toBest: quartiles(best === undefined ? [] : ratios(runs, strategy, best, target)),
    };
  });
}

/** How many times as long `strategy` took as `other`, for each seed that both have. */
export function ratios(runs: readonly Run[], strategy: string, other: string, target: number): number[] {
  const others = of(runs, other);
  return of(runs, strategy).flatMap(({ seed, trace }) => {
    const beside = others.find((run) => run.seed === seed);
    if (beside === undefined) return [];
    const [a, b] = [reached(trace, target), reached(beside.trace, target)];
    const infinite = Number.POSITIVE_INFINITY;
    if (b === undefined) return a === undefined ? [] : [0];
    return [(a?.cpuSeconds ?? infinite) / b.cpuSeconds];
  });
}

/** What `strategy` reached in the end, beside `to`: over the seeds that both have. */
export function finals(runs: readonly Run[], strategy: string, to: string): Final | undefined {
  const beside = of(runs, to);
  const pairs = of(runs, strategy).flatMap(({ seed, trace }) => {
    const other = beside.find((run) => run.seed === seed);
    return other === undefined ? [] : [[finalAccuracy(trace), finalAccuracy(other.trace)] as const];
  });
  if (pairs.length < 2) return undefined;
  const [own, others] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
  return {
    strategy,
    accuracy: mean(own),
    inSameTime: inSameTime(runs, strategy),
    difference: { ...pairedDifference(own, others), to },
  };
}

function inSameTime(runs: readonly Run[], strategy: string): number | undefined {
  const followed = of(runs, "goodput");
  const found = of(runs, strategy).flatMap(({ seed, trace }) => {
    const beside = followed.find((run) => run.seed === seed);
    return beside === undefined ? [] : [accuracyAt(trace, beside.trace.spent.cpuSeconds)];
  });
  return found.length === 0 ? undefined : mean(found);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
