import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { command, installation } from "../../scripts/installed.ts";
import { between, type Samples } from "./measured.ts";
import { run } from "./processes.ts";

const requirement = "metaflow==2.19.39";
const steps = 200;

const install = (): Promise<string> =>
  installation("metaflow", [requirement], async (folder) => {
    await command("python3", ["-m", "venv", folder]);
    await command(join(folder, "bin", "python"), ["-m", "pip", "install", "-q", requirement]);
  });

/** The same work as a flow: one step after the other, each of which only notes when it ran, an artifact of its own. */
const flow = (): string => {
  const step = (name: string, next: string) => `    @step
    def ${name}(self):
        self.moments = self.moments + [time.time() * 1000]
        self.next(self.${next})
`;
  const names = Array.from({ length: steps }, (_, index) => `epoch_${index + 1}`);
  const body = names.map((name, index) => step(name, names[index + 1] ?? "end")).join("\n");
  return `import json, os, time
from metaflow import FlowSpec, step

class Epochs(FlowSpec):
    @step
    def start(self):
        self.moments = []
        self.next(self.epoch_1)

${body}
    @step
    def end(self):
        with open(os.environ["BENCH_MOMENTS"], "w") as file:
            json.dump(self.moments, file)

if __name__ == "__main__":
    Epochs()
`;
};

/** Milliseconds from each step of a Metaflow run on this machine to the next one, as it is installed from PyPI. */
export async function metaflowSteps(folder: string): Promise<{ version: string; samples: Samples }> {
  const python = join(await install(), "bin", "python");
  const home = join(folder, "metaflow");
  await mkdir(home);
  const file = join(home, "moments.json");
  await writeFile(join(home, "epochs.py"), flow());
  const env = { HOME: home, USER: "bench", METAFLOW_HOME: join(home, ".metaflow"), BENCH_MOMENTS: file };
  await run(python, ["epochs.py", "--no-pylint", "run"], { env, cwd: home });
  return {
    version: requirement,
    samples: between(z.array(z.number()).parse(JSON.parse(await readFile(file, "utf8")))),
  };
}
