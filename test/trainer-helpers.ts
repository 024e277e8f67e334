import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTrainer, type TrainerProcess } from "./trainer-process.ts";
import { makeTrainerProject } from "./trainer-project.ts";

const root = join(import.meta.dirname, "..");

/** The helpers that the suites hold to the protocol, by the first words of what they call themselves. */
export const helpers = [
  { helper: "python", said: /^pawl-python \d/ },
  { helper: "javascript", said: /^pawl-javascript \d/ },
] as const;

export type Helper = (typeof helpers)[number]["helper"];

/** A folder with the test trainers of `test/fixtures/trainers`, and `pawl` beside them. */
export interface TestTrainers extends Disposable {
  readonly folder: string;
  /** Starts the test trainer `name` of `helper`. */
  start(
    helper: Helper,
    name: string,
    args: readonly string[],
    env: Record<string, string>,
    more?: readonly string[],
  ): TrainerProcess;
}

export function makeTestTrainers(): TestTrainers {
  const project = makeTrainerProject();
  cpSync(join(import.meta.dirname, "fixtures/trainers"), project.folder, { recursive: true });
  // Bytecode of the helper is written elsewhere: the source tree stays as it is.
  const bytecode = mkdtempSync(join(tmpdir(), "pawl-python-"));
  return {
    folder: project.folder,
    start: (helper, name, args, env, more = []) =>
      helper === "python"
        ? startTrainer(["python3", "-W", "error", ...more, join(project.folder, `${name}.py`), ...args], {
            env: { PYTHONPATH: join(root, "python"), PYTHONPYCACHEPREFIX: bytecode, ...env },
          })
        : startTrainer([process.execPath, ...more, join(project.folder, `${name}.mjs`), ...args], { env }),
    [Symbol.dispose]: () => {
      project[Symbol.dispose]();
      rmSync(bytecode, { recursive: true, force: true });
    },
  };
}
