import { FailureHistory, type Process, saveFactors } from "./failures.ts";
import { paidSeconds, type Work } from "./simulate.ts";
import { Auto, epochOnly, fixed, type Saver } from "./strategies.ts";

export interface Setting {
  readonly process: Process;
  readonly meanSeconds: number;
  /** Without its epoch. */
  readonly work: Omit<Work, "epoch">;
  /** The first is the one that `auto` and the fixed intervals are measured with. */
  readonly epochsSeconds: readonly [number, ...number[]];
}

export interface Row {
  /** Mean useful share of paid time with a checkpoint at the ends of epochs only, for each length of an epoch. */
  readonly epochOnly: readonly number[];
  readonly bestFixed: { readonly intervalSeconds: number; readonly share: number };
  readonly auto: number;
  /** `auto` less the best fixed interval, history by history: mean and half of its 95% interval. */
  readonly difference: { readonly mean: number; readonly halfWidth: number };
  /** `auto` to the best fixed interval. */
  readonly ratio: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The same failures and the same saves for every strategy (common random numbers). */
export function histories(process: Process, count: number, seed: number): FailureHistory[] {
  return Array.from({ length: count }, (_, index) => new FailureHistory(process, seed + index));
}

export function measure(setting: Setting, failures: readonly FailureHistory[], seed: number): Row {
  const [epoch] = setting.epochsSeconds;
  const shares = (begin: () => Saver, epochSeconds = epoch): number[] =>
    failures.map((history, index) => {
      const work = { ...setting.work, epoch: epochSeconds };
      const lives = (instance: number) => history.life(instance) * setting.meanSeconds;
      return work.total / paidSeconds(work, begin(), lives, saveFactors(seed + 1_000_003 + index));
    });
  const best = bestFixed((seconds) => shares(() => fixed(seconds)), setting);
  const auto = shares(() => new Auto());
  const differences = auto.map((share, index) => share - (best.shares[index] ?? 0));
  return {
    epochOnly: setting.epochsSeconds.map((seconds) => mean(shares(epochOnly, seconds))),
    bestFixed: { intervalSeconds: best.intervalSeconds, share: mean(best.shares) },
    auto: mean(auto),
    difference: { mean: mean(differences), halfWidth: halfWidth(differences) },
    ratio: mean(auto) / mean(best.shares),
  };
}

/** The interval with the best mean: on a grid of steps of 25%, and around its best one of 4%. */
function bestFixed(shares: (seconds: number) => number[], { work, meanSeconds }: Setting) {
  const shortest = Math.max(30, work.pause);
  // The optimum is never longer than the mean (Daly); far beyond it a run does not end.
  const longest = 2 * meanSeconds;
  const tried = new Map<number, number[]>();
  const attempt = (seconds: number): void => {
    if (!tried.has(seconds)) tried.set(seconds, shares(seconds));
  };
  const best = () => {
    const [first, ...others] = [...tried].map(([intervalSeconds, shares]) => ({ intervalSeconds, shares }));
    if (first === undefined) throw new RangeError("no interval was tried");
    return others.reduce((a, b) => (mean(b.shares) > mean(a.shares) ? b : a), first);
  };
  for (let seconds = shortest; seconds < longest; seconds *= 1.25) attempt(seconds);
  const coarse = best().intervalSeconds;
  for (let step = -5; step <= 5; step++) attempt(Math.max(shortest, coarse * 1.04 ** step));
  return best();
}

function halfWidth(values: readonly number[]): number {
  const middle = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  return 1.96 * Math.sqrt(variance / values.length);
}
