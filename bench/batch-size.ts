// Does a batch size that follows the training pay? Time and examples to a target accuracy on MNIST digits, for fixed sizes, for every
// policy of Pawl's, and for adaptdl's own goodput code (PyPI, run as it is) with the same measurements at the same moments.
//
//   tfjs        a perceptron 784-64-10 in TensorFlow.js on WebAssembly; Pawl's decisions in the same process
//   torch       the same in PyTorch, by Pawl's Python helper, over a socket; left out where PyTorch is not installed
//   simulation  published step times of accelerators, the same decisions
//
// "goodput, pawl train" is the first of these through all of Pawl: runner, agent, store, the trainer in a process of its own, whose
// processor time has no decisions in it.
//
// Every strategy begins at 32 (a fixed size at its own) and has the same rule for the learning rate: auto, which is AdaScale from
// 32 for SGD; adaptdl computes its own AdaScale. The same seed gives all the same weights and order of data; they take turns.
//
// Seconds are processor time of the training process, with measuring and decisions (adaptdl's are free), without evaluations: others
// may be at work on the machine. Wall time is beside it. Between two evaluations, each 1000 examples, the target is interpolated.
//
// 1 when an aim is missed; never with --quick, whose few short runs judge nothing.
import { writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Adaptdl, adaptdlVersion } from "./batch-size/adaptdl.ts";
import type { Aim } from "./batch-size/aims.ts";
import type { Run } from "./batch-size/compare.ts";
import { plot } from "./batch-size/plot.ts";
import { type RaceOptions, type RaceResult, race, type Trainer } from "./batch-size/race.ts";
import { raceWords, simulatedWords } from "./batch-size/render.ts";
import { type SimulatedResult, simulated } from "./batch-size/simulated.ts";
import { tfjsTrainer } from "./batch-size/tfjs.ts";
import { throughPawl, throughPawlTrain } from "./batch-size/through/run.ts";
import { TorchTrainer } from "./batch-size/torch/run.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    seeds: { type: "string" },
    only: { type: "string" },
    strategies: { type: "string" },
    svg: { type: "string" },
  },
});
const parts = ["tfjs", "torch", "simulation"] as const;
const only = parts.find((part) => part === options.only);
const seeds = Number(options.seeds ?? (options.quick ? 2 : 5));
if (!Number.isInteger(seeds) || seeds < 2 || (options.only !== undefined && only === undefined)) {
  console.error(`--seeds must be a whole number from 2, --only one of ${parts.join(", ")}`);
  process.exit(2);
}
const wants = (part: (typeof parts)[number]): boolean => only === undefined || only === part;
const quickly = options.quick ? ["32", "128", "goodput", "adaptdl"] : undefined;
const strategies = options.strategies?.split(",") ?? quickly;

const raceOptions: RaceOptions = {
  seeds,
  epochs: options.quick ? 6 : 12,
  target: options.quick ? 0.92 : 0.94,
  final: options.quick ? { seeds: 0, epochs: 0 } : { seeds: Math.max(20, seeds), epochs: 20 },
  only: strategies,
  linear: !options.quick,
};

const notes: string[] = [];

/** What is not installed here is left out, and said. */
async function unless<T>(what: string, start: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    const started = await start();
    if (started === undefined) notes.push(`${what}: not installed here, so its rows are left out`);
    return started;
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split("\n");
    notes.push(`${what}: cannot run here, so its rows are left out: ${reason}`);
    return undefined;
  }
}

async function raced(
  what: string,
  start: () => Promise<Trainer | undefined>,
  adaptdl: Adaptdl | undefined,
  more?: () => Promise<readonly Run[]>,
): Promise<RaceResult[]> {
  const trainer = await unless(what, start);
  if (trainer === undefined) return [];
  try {
    return [await race(trainer, adaptdl, { ...raceOptions, more })];
  } finally {
    await trainer.close();
  }
}

const began = performance.now();
const adaptdl = await unless(adaptdlVersion, Adaptdl.start);
const races: RaceResult[] = [];
let onCurves: SimulatedResult | undefined;
try {
  if (wants("tfjs")) {
    const { target, epochs } = raceOptions;
    const through = () => throughPawlTrain(seeds, target, epochs);
    const isWanted = strategies === undefined || strategies.includes(throughPawl);
    races.push(...(await raced("TensorFlow.js", tfjsTrainer, adaptdl, isWanted ? through : undefined)));
  }
  if (wants("torch")) races.push(...(await raced("PyTorch", TorchTrainer.start, adaptdl)));
  if (wants("simulation")) {
    console.error("simulation …");
    onCurves = await simulated(adaptdl, { seeds, only: strategies });
  }
} finally {
  await adaptdl?.close();
}

const [cpu] = cpus();
const machine = {
  processor: cpu?.model ?? "unknown",
  processors: cpus().length,
  load: Number((loadavg()[0] ?? 0).toFixed(1)),
  node: process.version,
};
const aims: Aim[] = [...races, ...(onCurves === undefined ? [] : [onCurves])].flatMap((part) => part.aims);
const missed = aims.filter(({ isMet }) => !isMet).length;
if (options.svg !== undefined) await writeFile(options.svg, plot(races));

if (options.json) {
  const minutes = (performance.now() - began) / 60_000;
  console.log(JSON.stringify({ machine, minutes, notes, races, simulation: onCurves, missed }));
} else {
  const { processor, processors, load, node } = machine;
  console.log(
    [
      `${processors} processors (${processor}), load ${load} at the end, Node ${node}`,
      ...races.map(raceWords),
      ...(onCurves === undefined ? [] : [simulatedWords(onCurves)]),
      ...notes,
      missed === 0 ? `all ${aims.length} aims are met` : `${missed} of ${aims.length} aims are missed`,
    ].join("\n\n"),
  );
}
process.exitCode = missed === 0 || options.quick ? 0 : 1;
