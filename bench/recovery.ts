// How soon does a run train again after a kill, and where does the time go? From SIGKILL to the first new step of training, on
// this machine, a folder as the store (each write durable), no backoff; beside it, in the same run, the time that the bare
// trainer takes to start and load the same file.
//
//   trainer            the training process alone
//   agent and trainer  all of an attempt
//   runner and all     everything; the same command is started again at that moment
//
//   detection          from the kill to the decision's beginning (of the runner: with the start of the new one)
//   decision           until its journal entry is durable
//   restore            from the claim to the trainer's start: the checkpoint is copied, every digest checked
//
// Single runs on a machine that may have other work: read medians and ratios.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { table } from "../cli/format.ts";
import type { Samples } from "./overhead/measured.ts";
import { epochMilliseconds, type Part, parts, RecoveringRun, type Victim, victims } from "./recovery/case.ts";
import { median, quantile } from "./statistics.ts";

const { values: options } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    mebibytes: { type: "string", default: "512" },
    json: { type: "boolean", default: false },
  },
});
const times = Number(options.times);
const mebibyte = 1024 * 1024;
const sizes = [
  { name: "small", bytes: 4096 },
  { name: `${options.mebibytes} MiB`, bytes: Number(options.mebibytes) * mebibyte },
];

const figure = (samples: Samples) => ({
  median: Number(median(samples).toPrecision(4)),
  p90: Number(quantile(samples, 0.9).toPrecision(4)),
});

interface Case {
  readonly size: string;
  readonly victim: Victim | "bare trainer";
  readonly samples: Samples;
  readonly parts: ReadonlyMap<Part, Samples>;
}

/** From its start to its first step. */
async function bareTrainer(stateFile: string): Promise<number> {
  const began = epochMilliseconds();
  const program = join(import.meta.dirname, "recovery", "bare.py");
  const { stdout } = await promisify(execFile)("python3", [program, stateFile]);
  return Number(stdout.split(" ")[0]) * 1000 - began;
}

async function measure(size: { name: string; bytes: number }): Promise<Case[]> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
  try {
    const recovering = await RecoveringRun.begin(folder, size.bytes);
    const cases: Case[] = [];
    for (const victim of victims) {
      console.error(`${size.name}: ${times} kills of ${victim} …`);
      const seen: ReadonlyMap<Part, number>[] = [];
      for (let time = 0; time < times; time += 1) seen.push(await recovering.killOnce(victim));
      const samples = seen.map((each) => [...each.values()].reduce((sum, part) => sum + part, 0));
      const of = new Map(parts.map((part) => [part, seen.map((each) => each.get(part) ?? 0)]));
      cases.push({ size: size.name, victim, samples, parts: of });
    }
    const bare: number[] = [];
    for (let time = 0; time < times; time += 1) bare.push(await bareTrainer(recovering.stateFile));
    cases.push({ size: size.name, victim: "bare trainer", samples: bare, parts: new Map() });
    await recovering.end();
    return cases;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

const cases: Case[] = [];
for (const size of sizes) cases.push(...(await measure(size)));

if (options.json) {
  const told = cases.map(({ size, victim, samples, parts: of }) => ({
    size,
    killed: victim,
    times: samples.length,
    milliseconds: figure(samples),
    where: Object.fromEntries([...of].map(([part, each]) => [part, figure(each)])),
  }));
  console.log(JSON.stringify({ times, cases: told }));
} else {
  const ms = ({ median: middle, p90 }: ReturnType<typeof figure>) =>
    `${middle.toFixed(0)} / ${p90.toFixed(0)}`;
  console.log("From SIGKILL to the first new step, in ms: median / 90%\n");
  for (const { name } of sizes) {
    const columns = cases.filter(({ size }) => size === name);
    console.log(
      table([
        [name, ...columns.map(({ victim }) => victim)],
        ["in all", ...columns.map(({ samples }) => ms(figure(samples)))],
        ...parts.map((part) => [
          `  ${part}`,
          ...columns.map(({ parts: of }) => {
            const samples = of.get(part);
            return samples === undefined ? "" : ms(figure(samples));
          }),
        ]),
      ]),
    );
    console.log("");
  }
  console.log(
    `${times} times each. The bare trainer: from its start to its first step, with the same file, without Pawl.`,
  );
}
