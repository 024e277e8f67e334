// Does a run survive whatever happens to it? Random schedules of faults, each a function of a seed; and after each run, whether
// what must be true of it is: each epoch committed once, each example seen once in it, the result that of the calm run,
// every decision explained, nothing left behind.
//
//   npm run chaos -- --runs 1000 --seed 1            in virtual time: the real handlers, journal, store and state machine
//   npm run chaos -- --processes 25 --seed 1         real processes on this machine
//   npm run chaos -- --seed 1 --run 17 --story       one virtual run again, and what happened in it
//   npm run chaos -- --seed 1 --process 3            the same faults to the same process run; moments differ
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RunResult } from "./result.ts";
import { faultTable, figures } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    processes: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    run: { type: "string" },
    process: { type: "string" },
    story: { type: "boolean", default: false },
    workers: { type: "string", default: String(Math.min(8, availableParallelism())) },
    json: { type: "boolean", default: false },
  },
});

function count(name: "runs" | "processes" | "seed" | "workers" | "run" | "process"): number {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`--${name} must be a whole number, not '${options[name]}'`);
  process.exit(2);
}

/** Plays `runs` runs of `seed` from number `first` on, shared among worker processes. */
async function inWorkers(seed: number, first: number, runs: number, workers: number): Promise<RunResult[]> {
  const results: RunResult[] = [];
  let shown = 0;
  const take = (message: unknown) => {
    const result = RunResult.parse(message);
    results.push(result);
    if (result.problems.length > 0) console.error(`run ${result.number}: ${result.problems[0]}`);
    if (results.length >= shown + 50 || results.length === runs) {
      shown = results.length;
      console.error(`${results.length} of ${runs} runs`);
    }
  };
  const shares = Array.from({ length: Math.min(workers, runs) }, (_, share) => share);
  await Promise.all(
    shares.map(async (share) => {
      const args = [seed, first, runs, share, shares.length, options.story ? 1 : 0].map(String);
      // One thread for files: they are then read and written in the same order each time.
      const env = { ...process.env, UV_THREADPOOL_SIZE: "1" };
      const worker = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), args, { env });
      worker.on("message", take);
      const code = await new Promise((resolve) => worker.once("exit", resolve));
      if (code !== 0) throw new Error(`a worker ended with ${code}`);
    }),
  );
  return results.sort((a, b) => a.number - b.number);
}

/** Process runs; real processes take real time, so as many at a time as there are workers. */
async function withProcesses(
  numbers: readonly number[],
  seed: number,
  workers: number,
): Promise<RunResult[]> {
  if (numbers.length === 0) return [];
  const { processRuns } = await import("./processes/runs.ts");
  const results: RunResult[] = [];
  const onResult = (result: RunResult) => {
    results.push(result);
    if (result.problems.length > 0) console.error(`process run ${result.number}: ${result.problems[0]}`);
    console.error(`${results.length} of ${numbers.length} process runs`);
  };
  await processRuns({ seed, numbers, atATime: workers, onResult, say: (text) => console.error(text) });
  return results.sort((a, b) => a.number - b.number);
}

const upTo = (length: number): number[] => Array.from({ length }, (_, number) => number);

/** `results`, whose stories are told. */
function told(results: RunResult[]): RunResult[] {
  if (!options.json) for (const line of results.flatMap(({ story }) => story)) console.log(line);
  return results;
}

async function play(seed: number): Promise<RunResult[]> {
  if (options.run !== undefined) return told(await inWorkers(seed, count("run"), 1, 1));
  const workers = Math.max(1, count("workers"));
  if (options.process !== undefined) return told(await withProcesses([count("process")], seed, 1));
  const virtual = await inWorkers(seed, 0, count("runs"), workers);
  return [...virtual, ...(await withProcesses(upTo(count("processes")), seed, workers))];
}

const seed = count("seed");
const results = await play(seed);
const failed = results.filter(({ problems }) => problems.length > 0);
const rows = figures(results);
const sum = (of: (result: RunResult) => number) => results.reduce((all, result) => all + of(result), 0);
const totals = {
  runs: results.length,
  processRuns: results.filter(({ kind }) => kind === "processes").length,
  passed: results.length - failed.length,
  failed: failed.length,
  faults: sum(({ injected }) => Object.values(injected).reduce((all, each) => all + each, 0)),
  attempts: sum(({ attempts }) => attempts),
  entries: sum(({ entries }) => entries),
  virtualHours: Math.round(sum(({ kind, seconds }) => (kind === "virtual" ? seconds : 0)) / 3600),
};
const repeat = ({ number, kind }: RunResult) =>
  `npm run chaos -- --seed ${seed} ${kind === "virtual" ? `--run ${number} --story` : `--process ${number}`}`;
if (options.json) {
  const failures = failed.map((result) => ({
    kind: result.kind,
    number: result.number,
    problems: result.problems,
    repeat: repeat(result),
  }));
  console.log(JSON.stringify({ seed, ...totals, faultKinds: rows, failures }));
} else {
  console.log(faultTable(rows));
  console.log(
    `\n${totals.passed} runs passed, ${totals.failed} failed, ${totals.processRuns} of them with real processes (seed ${seed}): ${totals.faults} faults, ${totals.attempts} attempts, ${totals.entries} decisions, ${totals.virtualHours} h of virtual time`,
  );
  for (const result of failed.slice(0, 20)) {
    console.log(
      `\n${result.kind === "virtual" ? "run" : "process run"} ${result.number} failed; again: ${repeat(result)}`,
    );
    for (const problem of result.problems.slice(0, 5)) console.log(`  ${problem}`);
  }
}
process.exitCode = failed.length > 0 ? 1 : 0;
