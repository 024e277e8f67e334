import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { CommandRun, Console } from "../cli/commands.ts";
import { pull } from "../cli/pull.ts";
import { ShownRun, show } from "../cli/show.ts";
import { filesBelow, type Ran, type Running, root, temporaryFolder } from "./pawl.ts";

export type Project = { path: string } & AsyncDisposable;

/** A folder with `files` by relative path, in which pawl is then run: its store is `.pawl` in it. */
export async function project(files: Readonly<Record<string, string>>): Promise<Project> {
  const folder = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder.path, name)), { recursive: true });
    await writeFile(join(folder.path, name), text);
  }
  return folder;
}

/** A copy of the count fixture; `job` replaces or adds lines of its job file, by field. */
export async function countProject(job: Readonly<Record<string, string>> = {}): Promise<Project> {
  const folder = await project({});
  await cp(join(root, "test", "fixtures", "count"), folder.path, { recursive: true });
  if (Object.keys(job).length > 0) await changeJob(folder, job);
  return folder;
}

/** Environment of a count trainer that waits before `epoch` for a file that nobody makes: so there is time for it on any machine. */
export const heldBefore = ({ path }: Pick<Project, "path">, epoch: number): NodeJS.ProcessEnv => ({
  GATE: join(path, "never"),
  GATE_EPOCH: String(epoch),
});

/** Replaces or adds lines of `pawl.yaml`. */
export async function changeJob({ path }: Project, job: Readonly<Record<string, string>>): Promise<void> {
  const file = join(path, "pawl.yaml");
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  const kept = lines.filter((line) => !Object.keys(job).some((field) => line.startsWith(`${field}:`)));
  const given = Object.entries(job).map(([field, value]) => `${field}: ${value}`);
  await writeFile(file, `${[...kept, ...given].join("\n")}\n`);
}

/** What a command prints on stdout, without the time that a process takes to start. */
async function printed(
  run: CommandRun,
  { path }: Project,
  args: readonly string[],
  options: Readonly<Record<string, string | boolean>>,
): Promise<string> {
  const lines: string[] = [];
  const nothing = () => {};
  const console: Console = {
    out: (text) => lines.push(text),
    outBytes: async () => true,
    err: nothing,
    errBytes: nothing,
    live: nothing,
    interactive: false,
  };
  await run({ args, options: { store: join(path, ".pawl"), ...options }, console });
  return lines.join("\n");
}

/** A run as `pawl show --json` tells it. */
export const shown = async (folder: Project, run: string): Promise<ShownRun> =>
  ShownRun.parse(JSON.parse(await printed(show, folder, [run], { json: true })));

/** `pawl show` for people. */
export const shownText = (folder: Project, run: string): Promise<string> => printed(show, folder, [run], {});

/** The epochs in the newest checkpoint, as `pawl pull` copies it, which checks every digest. */
export async function pulledEpochs(folder: Project, run: string): Promise<number[]> {
  await using copy = await temporaryFolder();
  await printed(pull, folder, [run], { to: copy.path, epoch: "last" });
  expect(await filesBelow(copy.path)).toEqual([join(copy.path, "model.txt")]);
  return await modelEpochs(copy.path);
}

/** Settles when stderr has said `text` (so often); fails where the process ends first. */
export async function saying({ child, done }: Running, text: string, times = 1): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
    if (said.split(text).length > times) resolve();
  });
  done.then((ran) => reject(new Error(`ended without saying '${text}': ${ran.stderr}`)));
  await promise;
}

/** What a folder's `model.txt` says which epochs are in it. */
export async function modelEpochs(folder: string): Promise<number[]> {
  const text = await readFile(join(folder, "model.txt"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => Number(line.replace("epoch ", "")));
}

export const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

/** Neither a stack trace nor the words that only a programmer understands. */
export function expectPlainWords({ stdout, stderr }: Ran): void {
  const text = `${stdout}\n${stderr}`;
  expect(text).not.toMatch(/^\s+at .*(\.ts|node:|<anonymous>)/m);
  expect(text).not.toMatch(/\[object |undefined|ZodError|This is a bug|\\n\s+at /);
  expect(text).not.toContain("\x1b");
}
