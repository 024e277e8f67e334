// What share of paid time is useful, with a checkpoint at the ends of epochs only, at the best fixed interval, and at the
// interval that Pawl chooses (`checkpoint.every: auto`)? Simulated runs on synthetic failure processes; the policy is the
// real one, with its prior for spot, and learns from the failures and saves of its own run alone. The best fixed
// interval is chosen in hindsight: the one with the best mean over the very histories that it is measured on.
//
// 1 when the mean of `auto` is not within 2% of that of the best fixed interval in some row.
import { parseArgs } from "node:util";
import { table } from "../cli/format.ts";
import type { Process } from "./goodput/failures.ts";
import { histories, measure, type Row, type Setting } from "./goodput/row.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    histories: { type: "string", default: "200" },
    hours: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
  },
});
const count = Number(options.histories);
const seed = Number(options.seed);
const hours = Number(options.hours);
if (!Number.isInteger(count) || count < 2 || !Number.isInteger(seed) || !(hours > 0 && hours <= 10_000)) {
  console.error(
    "--histories must be a whole number from 2, --seed a whole number, --hours (of training) from 0 to 10000",
  );
  process.exit(2);
}

const hour = 3600;
const within = 0.02;
const total = hours * hour;
const restart = 300;
const epochs = [hour, 3 * hour] as const;
const saves = [
  { pause: 30, durable: 30 },
  { pause: 300, durable: 300 },
  { pause: 1, durable: 30 },
  { pause: 10, durable: 300 },
];

const share = (value: number): string => value.toFixed(3);
const short = (seconds: number): string => {
  const [unit, of] = seconds < 60 ? ["s", 1] : seconds < hour ? ["min", 60] : ["h", hour];
  return `${Number((seconds / of).toFixed(seconds % of === 0 ? 0 : 1))} ${unit}`;
};
const saveWords = ({ pause, durable }: { pause: number; durable: number }): string =>
  pause === durable ? short(pause) : `${short(pause)} (${short(durable)})`;

const rows: { setting: Setting; row: Row }[] = [];
for (const name of ["exponential", "weibull"] as const satisfies Process[]) {
  const failures = histories(name, count, seed);
  for (const meanHours of [0.5, 1, 2, 4, 8])
    for (const save of saves) {
      console.error(
        `simulating ${name} failures, mean ${short(meanHours * hour)}, saves of ${saveWords(save)} …`,
      );
      const setting: Setting = {
        process: name,
        meanSeconds: meanHours * hour,
        work: { total, restart, ...save },
        epochsSeconds: epochs,
      };
      rows.push({ setting, row: measure(setting, failures, seed) });
    }
}
const misses = rows.filter(({ row }) => row.ratio < 1 - within);

if (options.json) {
  console.log(
    JSON.stringify({
      histories: count,
      seed,
      workSeconds: total,
      restartSeconds: restart,
      rows: rows.map(({ setting: { process, meanSeconds, work, epochsSeconds }, row }) => ({
        process,
        meanSeconds,
        pauseSeconds: work.pause,
        durableSeconds: work.durable,
        epochOnly: epochsSeconds.map((epochSeconds, i) => ({ epochSeconds, share: row.epochOnly[i] })),
        bestFixed: row.bestFixed,
        auto: row.auto,
        ratio: row.ratio,
        difference: row.difference,
        within: row.ratio >= 1 - within,
      })),
      misses: misses.length,
    }),
  );
} else {
  console.log(
    [
      [
        `useful share of paid time for ${short(total)} of training, ${short(restart)} from an instance's start until it trains`,
        `means over ${count} histories, the same for every strategy; a save of "1 s (30 s)" halts training for 1 s and is durable after 30 s`,
      ].join("\n"),
      table([
        [
          "failures",
          "mean",
          "save",
          "each 3 h epoch",
          "each 1 h epoch",
          "best fixed",
          "at",
          "auto",
          "auto / best",
          "auto - best (95% interval)",
          "within 2%?",
        ],
        ...rows.map(({ setting, row }) => [
          setting.process,
          short(setting.meanSeconds),
          saveWords(setting.work),
          share(row.epochOnly[1] ?? Number.NaN),
          share(row.epochOnly[0] ?? Number.NaN),
          share(row.bestFixed.share),
          short(row.bestFixed.intervalSeconds),
          share(row.auto),
          row.ratio.toFixed(4),
          `${row.difference.mean.toFixed(4)} ± ${row.difference.halfWidth.toFixed(4)}`,
          row.ratio >= 1 - within ? "yes" : "NO",
        ]),
      ]),
      misses.length === 0
        ? `auto is within 2% of the best fixed interval in all ${rows.length} rows`
        : `auto is not within 2% of the best fixed interval in ${misses.length} of ${rows.length} rows`,
    ].join("\n\n"),
  );
}
process.exitCode = misses.length === 0 ? 0 : 1;
