import { median } from "../statistics.ts";
import { bestFixed, finals, type Run, ratios } from "./compare.ts";

/** One of the aims, and what was measured of it. */
export interface Aim {
  readonly aim: string;
  readonly measured: string;
  readonly isMet: boolean;
}

export const times = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : "∞");
const points = (value: number): string => (100 * value).toFixed(2);

/**
 * What of the aims holds for `goodput`, seed by seed beside the others; what cannot be judged is left out: final accuracy where runs
 * ended at the target.
 */
export function aims(runs: readonly Run[], target: number, areWhole: boolean): Aim[] {
  const best = bestFixed(runs, target);
  return [...ofTime(runs, target, best), ...(areWhole ? ofAccuracy(runs, best) : [])];
}

function ofTime(runs: readonly Run[], target: number, best: string | undefined): Aim[] {
  const slower = (than: string): number | undefined => {
    const all = ratios(runs, "goodput", than, target);
    return all.length === 0 ? undefined : median(all);
  };
  const toBest = best === undefined ? undefined : slower(best);
  const [to32, toAdaptdl] = [slower("32"), slower("adaptdl")];
  const found: Aim[] = [];
  if (toBest !== undefined)
    found.push({
      aim: "within 5% of the best fixed size in hindsight",
      measured: `${times(toBest)} times the time of ${best}`,
      isMet: toBest <= 1.05,
    });
  if (to32 !== undefined)
    found.push({
      aim: "at least 1.5 times as fast as 32",
      measured: `${times(1 / to32)} times as fast`,
      isMet: 1 / to32 >= 1.5,
    });
  if (toAdaptdl !== undefined)
    found.push({
      aim: "not slower than adaptdl's choices",
      measured: `${times(1 / toAdaptdl)} times as fast`,
      isMet: toAdaptdl <= 1,
    });
  return found;
}

function ofAccuracy(runs: readonly Run[], best: string | undefined): Aim[] {
  return [...new Set([best, "32"])].flatMap((to) => {
    const final = to === undefined ? undefined : finals(runs, "goodput", to);
    if (final === undefined) return [];
    const { mean, low, high, pairs } = final.difference;
    return [
      {
        aim: `final accuracy not worse than that of ${to}${to === best ? ", the best fixed size" : ""}`,
        measured: `${points(mean)} points (${points(low)} to ${points(high)}, ${pairs} seeds)`,
        isMet: high >= 0,
      },
    ];
  });
}
