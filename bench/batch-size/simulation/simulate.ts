import type { TrainingJobInput } from "../../../core/job.ts";
import { median } from "../../statistics.ts";
import { PawlDecider } from "../pawl.ts";
import type { Strategy } from "../strategies.ts";
import { type Curve, curves, mostAtOnce } from "./curves.ts";
import { type Simulated, simulateRun } from "./training.ts";

/** One simulated run. */
export interface Row extends Simulated {
  readonly curve: string;
  readonly strategy: string;
  readonly kind: Strategy["kind"];
  readonly seed: number;
  /** How long it took, with the median of the best fixed size as 1. */
  readonly relative: number;
}

export interface SimulateOptions {
  readonly curves?: readonly Curve[];
  readonly seeds?: readonly number[];
  /** More strategies than those of Pawl: adaptdl's. */
  readonly others?: (curve: Curve) => readonly Strategy[];
  /** The strategies of Pawl by name; absent: all. */
  readonly only?: readonly string[];
}

type BatchSize = Exclude<TrainingJobInput["batchSize"], undefined>;

/** Powers of two, from what is begun with to the largest. */
const sizesOf = ({ start, largest }: Curve): readonly number[] =>
  Array.from({ length: Math.floor(Math.log2(largest / start)) + 1 }, (_, i) => start * 2 ** i);

/** Fixed sizes and Pawl's policies. */
function strategiesOf(curve: Curve): readonly Strategy[] {
  // Memory's wall is known: finding it takes an attempt, and is not what is compared.
  const fits = mostAtOnce(curve);
  const pawl = (name: string, kind: Strategy["kind"], batchSize: BatchSize): Strategy => ({
    name,
    kind,
    begin: () =>
      new PawlDecider({ batchSize, learningRate: { scaling: "adascale", referenceBatchSize: curve.start } }, [
        { machine: "local", fits, wall: fits + 1, uses: [] },
      ]),
  });
  const bounds = { start: curve.start, max: curve.largest };
  return [
    ...sizesOf(curve).map((size) => pawl(String(size), "fixed", size)),
    pawl("goodput", "policy", { policy: "goodput", ...bounds }),
    pawl("noise-scale", "policy", { policy: "noise-scale", ...bounds }),
    pawl("throughput", "policy", { policy: "throughput", ...bounds }),
    pawl("plateau", "policy", { policy: "plateau", ...bounds }),
  ];
}

/** Training on published curves, simulated through the code that decides on real training. Deterministic. */
export async function simulate({
  curves: given = curves,
  seeds = [1, 2, 3, 4, 5],
  others = () => [],
  only,
}: SimulateOptions = {}): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const curve of given) {
    const found: Omit<Row, "relative">[] = [];
    const own = strategiesOf(curve).filter(
      ({ name, kind }) => kind === "fixed" || only === undefined || only.includes(name),
    );
    for (const { name, kind, begin } of [...own, ...others(curve)]) {
      for (const seed of seeds) {
        const decider = begin();
        const run = await simulateRun(curve, decider, seed);
        await decider.close();
        found.push({ curve: curve.name, strategy: name, kind, seed, ...run });
      }
    }
    const best = bestFixed(found);
    rows.push(...found.map((row) => ({ ...row, relative: row.seconds / best })));
  }
  return rows;
}

/** The median time of the fixed size that was fastest in hindsight. */
function bestFixed(rows: readonly Omit<Row, "relative">[]): number {
  const sizes = new Set(rows.filter(({ kind }) => kind === "fixed").map(({ strategy }) => strategy));
  return Math.min(
    ...[...sizes].map((size) =>
      median(rows.filter(({ strategy }) => strategy === size).map((row) => row.seconds)),
    ),
  );
}
