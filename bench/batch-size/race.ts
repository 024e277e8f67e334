import type { Adaptdl } from "./adaptdl.ts";
import { type Aim, aims } from "./aims.ts";
import { bestFixed, compare, type Final, fastest, finals, type Row, type Run } from "./compare.ts";
import type { Decider } from "./decider.ts";
import { type Scaling, type Strategy, strategies } from "./strategies.ts";
import type { Course, Trace } from "./train.ts";

/** What trains: each run begins anew. */
export interface Trainer {
  readonly name: string;
  train(decider: Decider, course: Course): Promise<Trace>;
  close(): Promise<void>;
}

export interface RaceOptions {
  readonly seeds: number;
  /** A run ends where the target is reached, or after so many. */
  readonly epochs: number;
  readonly target: number;
  /** Of what the aims are about: more seeds, and longer runs, so that all are near their best in the end. */
  readonly final: { readonly seeds: number; readonly epochs: number };
  /** Strategies by name; absent: all. */
  readonly only: readonly string[] | undefined;
  /** Whether `learningRate.scaling: linear` runs too. */
  readonly linear: boolean;
  /** More runs to the target, of other ways to train the same. */
  readonly more?: (() => Promise<readonly Run[]>) | undefined;
}

export interface RaceResult {
  readonly trainer: string;
  readonly options: RaceOptions;
  readonly rows: readonly Row[];
  readonly linear: readonly Row[];
  /** The strategies that the aims are about, with more seeds; empty where there were no long runs. */
  readonly judged: readonly Row[];
  readonly finals: readonly Final[];
  readonly aims: readonly Aim[];
  readonly runs: readonly Run[];
  readonly longRuns: readonly Run[];
  readonly linearRuns: readonly Run[];
}

/** Examples between two evaluations. */
const evaluateEvery = 1000;

/** Sizes and policies that run with the other rule for the learning rate too. */
const linearToo = ["32", "64", "128", "256", "512", "goodput"];

/** All strategies on one trainer. */
export async function race(
  trainer: Trainer,
  adaptdl: Adaptdl | undefined,
  options: RaceOptions,
): Promise<RaceResult> {
  const { seeds, epochs, target, only } = options;
  const wanted = (scaling: Scaling) =>
    strategies(scaling, adaptdl).filter(({ name }) => only === undefined || only.includes(name));
  const all = wanted("auto");
  const say = (what: string) => console.error(`${trainer.name}: ${what} …`);
  say("warming up");
  for (const strategy of all) await run(trainer, strategy, { seed: 0, epochs: 1, evaluateEvery: 4000 });
  const toTarget = { seeds, epochs, evaluateEvery, until: target };
  const own = await interleaved(trainer, all, toTarget, say);
  const runs = [...own, ...((await options.more?.()) ?? [])];
  const linearRuns = options.linear
    ? await interleaved(
        trainer,
        wanted("linear").filter(({ name }) => linearToo.includes(name)),
        toTarget,
        (what) => say(`${what}, linear`),
      )
    : [];
  const compared = all.filter(
    ({ name }) =>
      name === "32" || name === "goodput" || name === "adaptdl" || fastest(own, target).includes(name),
  );
  const toEnd = { ...options.final, evaluateEvery };
  const longRuns =
    options.final.seeds === 0
      ? []
      : await interleaved(trainer, compared, toEnd, (what) => say(`${what}, long runs`));
  const judged = longRuns.length === 0 ? runs : longRuns;
  const best = bestFixed(judged, target);
  return {
    trainer: trainer.name,
    options,
    rows: compare(runs, target),
    linear: compare(linearRuns, target),
    judged: compare(longRuns, target),
    finals: compared.flatMap(({ name }) => {
      const found = best === undefined ? undefined : finals(longRuns, name, name === best ? "32" : best);
      return found === undefined ? [] : [found];
    }),
    aims: aims(judged, target, longRuns.length > 0),
    runs,
    longRuns,
    linearRuns,
  };
}

async function run(
  trainer: Trainer,
  strategy: Strategy,
  course: Course,
): Promise<{ readonly trace: Trace; readonly reasons: readonly string[] }> {
  const decider = strategy.begin();
  try {
    return { trace: await trainer.train(decider, course), reasons: decider.reasons };
  } finally {
    await decider.close();
  }
}

/** Seed by seed, each time beginning with another strategy: what disturbs the machine meets all alike. */
async function interleaved(
  trainer: Trainer,
  all: readonly Strategy[],
  { seeds, ...course }: Omit<Course, "seed"> & { readonly seeds: number },
  say: (what: string) => void,
): Promise<Run[]> {
  const runs: Run[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    say(`seed ${seed} of ${seeds}`);
    const first = (seed * 5) % all.length;
    for (const strategy of [...all.slice(first), ...all.slice(0, first)]) {
      const found = await run(trainer, strategy, { ...course, seed });
      runs.push({ strategy: strategy.name, kind: strategy.kind, seed, ...found });
    }
  }
  const place = (run: Run) => all.findIndex(({ name }) => name === run.strategy);
  return runs.toSorted((a, b) => place(a) - place(b) || a.seed - b.seed);
}
