import { table } from "../../cli/format.ts";
import type { Aim } from "./aims.ts";
import type { Final, Row } from "./compare.ts";
import type { Quartiles } from "./outcome.ts";
import type { RaceResult } from "./race.ts";
import type { SimulatedResult, SimulatedRow } from "./simulated.ts";

const number = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : Number.isNaN(value) ? "" : "never";

/** `0.72 (0.68–0.75)`: median and quartiles. */
function spread({ median, q1, q3 }: Quartiles, digits: number, scale = 1): string {
  if (!Number.isFinite(median)) return number(median, digits);
  return `${number(median * scale, digits)} (${number(q1 * scale, digits)}–${number(q3 * scale, digits)})`;
}

const percent = (value: number): string => `${(100 * value).toFixed(2)}%`;

/** The table of one trainer. `linear`: the same strategies with `learningRate.scaling: linear`, where they ran. */
function rowsTable(rows: readonly Row[], target: number, linear: readonly Row[]): string {
  const short = (row: Row | undefined) => (row === undefined ? "" : number(row.cpuSeconds.median, 2));
  return table([
    [
      "batch size",
      `s to ${100 * target}%`,
      "to best fixed",
      "examples (1000)",
      "wall s",
      "reached",
      ...(linear.length === 0 ? [] : ["s, linear"]),
    ],
    ...rows.map((row) => [
      row.strategy,
      spread(row.cpuSeconds, 2),
      spread(row.toBest, 2),
      spread(row.examples, 1, 1e-3),
      spread(row.wallSeconds, 2),
      `${row.reached} of ${row.seeds}`,
      ...(linear.length === 0 ? [] : [short(linear.find(({ strategy }) => strategy === row.strategy))]),
    ]),
  ]);
}

const finalsTable = (finals: readonly Final[]): string =>
  table([
    ["final accuracy", "mean", "in goodput's time", "less", "difference (95% interval), points", "seeds"],
    ...finals.map(({ strategy, accuracy, inSameTime, difference: { to, mean, low, high, pairs } }) => [
      strategy,
      percent(accuracy),
      inSameTime === undefined ? "" : percent(inSameTime),
      to,
      `${(100 * mean).toFixed(2)} (${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)})`,
      String(pairs),
    ]),
  ]);

const aimsTable = (aims: readonly Aim[]): string =>
  table(aims.map(({ aim, measured, isMet }) => [isMet ? "met" : "MISSED", aim, measured]));

/** All of one trainer. */
export function raceWords({ trainer, options, rows, linear, judged, finals, aims }: RaceResult): string {
  const { seeds, epochs, target, final } = options;
  return [
    `${trainer}: medians and quartiles over ${seeds} seeds, at most ${epochs} epochs`,
    rowsTable(rows, target, linear),
    ...(finals.length === 0
      ? []
      : [
          `the same with ${final.seeds} seeds, which the aims are judged by:\n${rowsTable(judged, target, [])}`,
          `after ${final.epochs} epochs, paired by seed, 95% interval of the mean difference by Student's t:\n${finalsTable(finals)}`,
        ]),
    aimsTable(aims),
  ].join("\n\n");
}

/** All of the simulation: a column for each curve. */
export function simulatedWords({ seeds, curves, rows, aims }: SimulatedResult): string {
  const names = [...new Set(rows.map(({ strategy }) => strategy))];
  const isSize = (name: string) => /^\d+$/.test(name);
  const strategies = [
    ...names.filter(isSize).toSorted((a, b) => Number(a) - Number(b)),
    ...names.filter((name) => !isSize(name)),
  ];
  const cell = (strategy: string, curve: string): string => {
    const row: SimulatedRow | undefined = rows.find(
      (each) => each.strategy === strategy && each.curve === curve,
    );
    return row === undefined ? "" : spread(row.relative, 2);
  };
  return [
    `simulation on published step times: time to the end of training, the best fixed size's as 1, ${seeds} seeds`,
    table([
      ["batch size", ...curves],
      ...strategies.map((strategy) => [strategy, ...curves.map((curve) => cell(strategy, curve))]),
    ]),
    aimsTable(aims),
  ].join("\n\n");
}
