import { compare, type Row, type Run } from "./compare.ts";
import { quartiles } from "./outcome.ts";
import type { RaceResult } from "./race.ts";

const panel = { width: 500, height: 350, left: 132, top: 56, gap: 40 };
const inner = { width: panel.width - panel.left - 20, height: panel.height - panel.top - 48 };

/** Light and dark, as whoever looks at it has set it. */
const style = `
text { font: 12px system-ui, sans-serif; fill: #444; }
.title { font-size: 14px; font-weight: 600; fill: #222; }
.axis, .grid { stroke: #999; stroke-width: 1; fill: none; }
.grid { stroke-opacity: 0.25; }
.fixed { stroke: #6b7c93; fill: #6b7c93; }
.policy { stroke: #d9730d; fill: #d9730d; }
.adaptdl { stroke: #2e8b72; fill: #2e8b72; }
.baseline { stroke: #8a5fbf; fill: #8a5fbf; }
.line { fill: none; stroke-width: 2; }
@media (prefers-color-scheme: dark) { text { fill: #bbb; } .title { fill: #eee; } }
`;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const at = (value: number): string => value.toFixed(1);

function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${at(x)}" y="${at(y)}" ${more}>${escaped(words)}</text>`;
}

/** Round numbers up to `most`, about four of them. */
function ticks(most: number): number[] {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const count = Math.floor(most / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

function bottomAxis(most: number, x: (value: number) => number, label: string): string[] {
  const bottom = panel.top + inner.height;
  return [
    ...ticks(most).flatMap((tick) => [
      `<path class="grid" d="M${at(x(tick))} ${panel.top}V${bottom}"/>`,
      text(x(tick), bottom + 18, String(tick), 'text-anchor="middle"'),
    ]),
    `<path class="axis" d="M${panel.left} ${bottom}h${inner.width}"/>`,
    text(panel.left + inner.width / 2, bottom + 38, label, 'text-anchor="middle"'),
  ];
}

/** A dot at the median and a line between the quartiles, for each strategy. */
function timesPanel(rows: readonly Row[], target: number): string[] {
  const finite = rows.map(({ cpuSeconds }) => cpuSeconds.q3).filter(Number.isFinite);
  const most =
    1.08 * Math.max(...finite, ...rows.map((row) => row.cpuSeconds.median).filter(Number.isFinite), 0.1);
  const x = (value: number) => panel.left + (Math.min(value, most) / most) * inner.width;
  const each = inner.height / rows.length;
  return [
    ...bottomAxis(most, x, `seconds of processor time to ${100 * target}% (median, quartiles)`),
    ...rows.flatMap(({ strategy, kind, cpuSeconds: { q1, median, q3 } }, i) => {
      const y = panel.top + each * (i + 0.5);
      const label = text(panel.left - 8, y + 4, strategy, 'text-anchor="end"');
      if (!Number.isFinite(median)) return [label, text(panel.left + 6, y + 4, "not reached")];
      return [
        label,
        `<path class="${kind} line" d="M${at(x(q1))} ${at(y)}H${at(x(q3))}"/>`,
        `<circle class="${kind}" cx="${at(x(median))}" cy="${at(y)}" r="4"/>`,
      ];
    }),
  ];
}

/** Medians over seeds of the seconds and the accuracy at each evaluation that all runs have. */
function course(runs: readonly Run[]): { seconds: number; accuracy: number }[] {
  const least = Math.min(...runs.map(({ trace }) => trace.evaluations.length));
  return Array.from({ length: least }, (_, i) => {
    const all = runs.flatMap(({ trace }) => trace.evaluations.slice(i, i + 1));
    return {
      seconds: quartiles(all.map(({ cpuSeconds }) => cpuSeconds)).median,
      accuracy: quartiles(all.map(({ accuracy }) => accuracy)).median,
    };
  });
}

const lowest = 0.8;

function accuracyPanel({ longRuns, rows }: RaceResult): string[] {
  const best = rows
    .filter(({ kind }) => kind === "fixed")
    .toSorted((a, b) => a.cpuSeconds.median - b.cpuSeconds.median)[0]?.strategy;
  const shown = [
    { strategy: "32", kind: "baseline" },
    { strategy: best ?? "32", kind: "fixed" },
    { strategy: "goodput", kind: "policy" },
    { strategy: "adaptdl", kind: "adaptdl" },
  ].filter(({ strategy }, i, all) => all.findIndex((other) => other.strategy === strategy) === i);
  const lines = shown
    .map((line) => ({ ...line, points: longRuns.filter(({ strategy }) => strategy === line.strategy) }))
    .filter(({ points }) => points.length > 0)
    .map((line) => ({ ...line, points: course(line.points) }));
  const ends = lines.map(({ points }) => points.at(-1)?.seconds ?? 0);
  const most = Math.max(0.1, Math.min(...ends) * 1.6);
  const x = (value: number) => panel.left + (value / most) * inner.width;
  const y = (value: number) =>
    panel.top + inner.height * (1 - (Math.max(value, lowest) - lowest) / (1 - lowest));
  return [
    ...bottomAxis(most, x, "seconds of processor time"),
    ...[0.8, 0.85, 0.9, 0.95, 1].flatMap((tick) => [
      `<path class="grid" d="M${panel.left} ${at(y(tick))}h${inner.width}"/>`,
      text(panel.left - 8, y(tick) + 4, `${Math.round(tick * 100)}%`, 'text-anchor="end"'),
    ]),
    ...lines.flatMap(({ strategy, kind, points }, i) => {
      const drawn = points.filter(({ seconds, accuracy }) => seconds <= most && accuracy >= lowest);
      const path = drawn.map(({ seconds, accuracy }) => `${at(x(seconds))} ${at(y(accuracy))}`).join("L");
      const legend = panel.top + inner.height - 16 * (lines.length - i);
      const right = panel.left + inner.width - 120;
      return [
        ...(path === "" ? [] : [`<path class="${kind} line" d="M${path}" style="fill:none"/>`]),
        `<path class="${kind} line" d="M${right} ${legend}h22"/>`,
        text(
          right + 28,
          legend + 4,
          strategy === best && strategy !== "32" ? `${strategy}, best fixed` : strategy,
        ),
      ];
    }),
  ];
}

const accuracyOf = (result: RaceResult): string =>
  [
    `<g transform="translate(${panel.width + panel.gap} 0)">`,
    text(12, 28, `Accuracy over time: medians, ${result.options.final.seeds} seeds`, 'class="title"'),
    ...accuracyPanel(result),
    "</g>",
  ].join("\n");

/** An SVG with a row for each trainer: time to the target by strategy, and accuracy over time. */
export function plot(races: readonly RaceResult[]): string {
  const width = 2 * panel.width + panel.gap;
  const height = Math.max(1, races.length) * (panel.height + panel.gap);
  const rows = races.map((result, i) => {
    const down = i * (panel.height + panel.gap);
    const { trainer, options } = result;
    const title = `${trainer}, ${options.seeds} seeds`;
    return [
      `<g transform="translate(0 ${down})">`,
      text(12, 28, `Time to ${100 * options.target}%: ${title}`, 'class="title"'),
      ...timesPanel(compare(result.runs, options.target), options.target),
      ...(result.longRuns.length === 0 ? [] : [accuracyOf(result)]),
      "</g>",
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    "<title>Time to a target accuracy on MNIST digits, by batch size</title>",
    `<style>${style}</style>`,
    ...rows,
    "</svg>\n",
  ].join("\n");
}
