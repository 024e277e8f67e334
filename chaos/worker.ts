// Plays those runs of a seed that are this worker's share, and sends what became of each.
import { loadDefinition } from "../local/definition.ts";
import { StateMachine } from "./virtual/machine.ts";
import { virtualRun } from "./virtual/run.ts";

const [seed = 0, first = 0, runs = 0, share = 0, of = 1, story = 0] = process.argv.slice(2).map(Number);
const machine = StateMachine.parse(await loadDefinition());
for (let number = first + share; number < first + runs; number += of)
  process.send?.(await virtualRun({ seed, number, machine, story: story === 1 }));
process.disconnect();
