import { median } from "../statistics.ts";
import type { Adaptdl } from "./adaptdl.ts";
import { type Aim, times } from "./aims.ts";
import { type Quartiles, quartiles } from "./outcome.ts";
import { adaptdlOn } from "./simulation/adaptdl-on.ts";
import { type Row as SimulatedRun, simulate } from "./simulation/simulate.ts";

/** One strategy on one curve: how long its runs took, with the best fixed size as 1. */
export interface SimulatedRow {
  readonly curve: string;
  readonly strategy: string;
  readonly kind: SimulatedRun["kind"];
  readonly relative: Quartiles;
  readonly examples: Quartiles;
}

export interface SimulatedResult {
  readonly seeds: number;
  readonly curves: readonly string[];
  readonly rows: readonly SimulatedRow[];
  readonly aims: readonly Aim[];
  readonly runs: readonly SimulatedRun[];
}

/** Training on published curves of accelerators, by the same decisions, adaptdl's among them where it is installed. */
export async function simulated(
  adaptdl: Adaptdl | undefined,
  { seeds, only }: { readonly seeds: number; readonly only: readonly string[] | undefined },
): Promise<SimulatedResult> {
  const numbers = Array.from({ length: seeds }, (_, i) => i + 1);
  const runs = await simulate({
    seeds: numbers,
    ...(only === undefined ? {} : { only }),
    ...(adaptdl === undefined || only !== undefined ? {} : { others: adaptdlOn(adaptdl) }),
  });
  const names = [...new Set(runs.map(({ curve }) => curve))];
  return {
    seeds,
    curves: names,
    rows: names.flatMap((curve) => rowsOf(runs.filter((run) => run.curve === curve))),
    aims: names.flatMap((curve) => aimsOf(runs.filter((run) => run.curve === curve))),
    runs,
  };
}

function rowsOf(runs: readonly SimulatedRun[]): SimulatedRow[] {
  return [...new Set(runs.map(({ strategy }) => strategy))].flatMap((strategy) => {
    const own = runs.filter((run) => run.strategy === strategy);
    const [first] = own;
    if (first === undefined) return [];
    return [
      {
        curve: first.curve,
        strategy,
        kind: first.kind,
        relative: quartiles(own.map(({ relative }) => relative)),
        examples: quartiles(own.map(({ examples }) => examples)),
      },
    ];
  });
}

function aimsOf(runs: readonly SimulatedRun[]): Aim[] {
  const time = (strategy: string): number | undefined => {
    const own = runs.filter((run) => run.strategy === strategy).map(({ relative }) => relative);
    return own.length === 0 ? undefined : median(own);
  };
  const [{ curve = "" } = {}] = runs;
  const [own, other] = [time("goodput"), time("adaptdl")];
  if (own === undefined) return [];
  const found: Aim[] = [
    {
      aim: `${curve}: within 5% of the best fixed size`,
      measured: `${times(own)} times its time`,
      isMet: own <= 1.05,
    },
  ];
  if (other !== undefined)
    found.push({
      aim: `${curve}: not slower than adaptdl`,
      measured: `${times(other / own)} times as fast`,
      isMet: own <= other,
    });
  return found;
}
