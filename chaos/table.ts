import { table } from "../cli/format.ts";
import { faultKinds } from "./faults.ts";
import type { RunResult } from "./result.ts";

/** Figures of one kind of fault, over all runs. */
export interface FaultFigures {
  readonly kind: string;
  readonly injected: number;
  /** Of runs that came to their end as they must. */
  readonly recovered: number;
  /** Attempts that ended with it. */
  readonly attempts: number;
  readonly lostSeconds: number;
  /** From the end of such an attempt to the next step of training; the mean. */
  readonly pauseSeconds: number | undefined;
  readonly classes: Readonly<Record<string, number>>;
}

export function figures(results: readonly RunResult[]): FaultFigures[] {
  // Those of virtual runs are all named, also where none was drawn.
  const all = results.some(({ kind }) => kind === "virtual") ? faultKinds : [];
  const seen = results.flatMap(({ injected, suffered }) => [
    ...Object.keys(injected),
    ...suffered.map(({ kind }) => kind),
  ]);
  const kinds = [...new Set([...all, ...seen])];
  return kinds.sort().map((kind) => {
    const count = (of: readonly RunResult[]) =>
      of.reduce((sum, { injected }) => sum + (injected[kind] ?? 0), 0);
    const attempts = results.flatMap(({ suffered }) => suffered.filter((each) => each.kind === kind));
    const classes: Record<string, number> = {};
    for (const { class: name = "(went on)" } of attempts) classes[name] = (classes[name] ?? 0) + 1;
    const pauses = attempts.flatMap(({ pauseSeconds }) => pauseSeconds ?? []);
    return {
      kind,
      injected: count(results) || attempts.length,
      recovered:
        count(results.filter(({ problems }) => problems.length === 0)) ||
        results
          .filter(({ problems }) => problems.length === 0)
          .flatMap(({ suffered }) => suffered.filter((each) => each.kind === kind)).length,
      attempts: attempts.length,
      lostSeconds: attempts.reduce((sum, { lostSeconds }) => sum + lostSeconds, 0),
      pauseSeconds:
        pauses.length === 0 ? undefined : pauses.reduce((sum, each) => sum + each, 0) / pauses.length,
      classes,
    };
  });
}

const minutes = (seconds: number): string => `${(seconds / 60).toFixed(1)} min`;

const classWords = (classes: Readonly<Record<string, number>>): string =>
  Object.entries(classes)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");

/** The table for people. */
export const faultTable = (rows: readonly FaultFigures[]): string =>
  table([
    ["fault", "injected", "recovered", "lost, each", "until it trains again", "diagnosed as"],
    ...rows.map(({ kind, injected, recovered, attempts, lostSeconds, pauseSeconds, classes }) => [
      kind,
      String(injected),
      String(recovered),
      attempts === 0 ? "" : minutes(lostSeconds / attempts),
      pauseSeconds === undefined ? "" : minutes(pauseSeconds),
      classWords(classes),
    ]),
  ]);
