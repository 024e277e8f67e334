import type { Measured } from "./measured.ts";
import { type Pawl, run } from "./processes.ts";

const times = 40;

async function repeated(start: () => Promise<{ milliseconds: number }>): Promise<number[]> {
  await start();
  const samples: number[] = [];
  for (let i = 0; i < times; i += 1) samples.push((await start()).milliseconds);
  return samples;
}

/** The command line's start-up: `pawl --help`; beside it Node alone, and a command that reads a run. */
export async function cliStarts(store: string, shown: string, pawl: Pawl): Promise<Measured> {
  const node = await repeated(() => run(process.execPath, ["-e", ""]));
  const help = await repeated(() => pawl(["--help"]));
  const show = await repeated(() => pawl(["show", shown, "--store", store]));
  return {
    samples: help,
    parts: [
      { name: "Node alone", samples: node },
      { name: "pawl --help", samples: help },
      { name: "pawl show, of a run of 200 epochs", samples: show },
    ],
  };
}
