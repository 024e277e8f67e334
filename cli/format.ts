import { durationWords } from "../core/duration.ts";
import type { MetricValue } from "../core/metric-value.ts";
import type { Metrics } from "../core/report.ts";

/** `850 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`; `coarse` never shows less than a second. */
export function duration(seconds: number, precision: "fine" | "coarse" = "fine"): string {
  if (precision === "coarse" && seconds < 60) return `${Math.floor(seconds)} s`;
  return durationWords(seconds);
}

/** `312 B`, `1.4 MiB`. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

export const metric = (value: MetricValue): string =>
  typeof value === "number" ? String(Number(value.toPrecision(4))) : value;

export const metricWords = (metrics: Metrics): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${metric(value)}`)
    .join("  ");

/** A moment of the journal, in UTC and to the second: `2026-11-21 11:08:14Z`. */
export const moment = (at: string): string => `${at.slice(0, 19).replace("T", " ")}Z`;

/**
 * `columns` of `rows` lined up; numbers and short words, so no wrapping. `dress` may colour a cell, which it gets with
 * its padding, so that the columns stay.
 */
export function table(
  rows: readonly (readonly string[])[],
  dress: (cell: string, row: number, column: number) => string = (cell) => cell,
): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row, at) => {
      const last = row.findLastIndex((cell) => cell !== "");
      return row
        .slice(0, last + 1)
        .map((cell, column) => dress(column === last ? cell : cell.padEnd(widths[column] ?? 0), at, column))
        .join("  ")
        .trimEnd();
    })
    .join("\n");
}

/** How long ago, in its largest unit: `12 s`, `5 min`, `3 h`, `9 d`. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return whole < 2 * 86_400 ? `${Math.floor(whole / 3600)} h` : `${Math.floor(whole / 86_400)} d`;
}

/** `1 epoch`, `2 epochs`. */
export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
