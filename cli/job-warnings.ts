import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import type { JobFile } from "./job-file.ts";

/** Programs whose first argument that is no option is a script. */
const interpreters = /^(python[\d.]*|node|deno|bun|sh|bash|zsh|dash|ruby|perl|Rscript|julia|torchrun)$/;

/**
 * What on this machine would keep the job from training here, though it can be right on another: words, not errors. Looks
 * at files only; nothing is started.
 */
export async function machineWarnings({ job, folder, awsOnly }: JobFile): Promise<string[]> {
  const [program = "", ...args] = job.command;
  const warnings: string[] = [];
  const why = await programProblem(program, folder, job.env.PATH ?? process.env.PATH ?? "");
  if (why !== undefined)
    warnings.push(`command[0]: ${JSON.stringify(program)} cannot be started here: ${why}`);
  const script = scriptOf(program, args);
  if (script !== undefined && !(await isFile(resolve(folder, script.name)))) {
    const name = JSON.stringify(script.name);
    warnings.push(`command[${script.index}]: there is no file ${name} in the job file's folder`);
  }
  const { checkpoint } = job;
  const from = checkpoint.policy === "keep" ? checkpoint.from : undefined;
  if (from !== undefined && "folder" in from && !(await isFolder(resolve(folder, from.folder)))) {
    warnings.push(`checkpoint.from: there is no folder ${JSON.stringify(from.folder)} here`);
  }
  for (const field of awsOnly) warnings.push(`${field}: acts only on AWS; it has no effect on this machine`);
  return warnings;
}

/** Why `program` cannot be started, looked up as the agent does: with a slash from the folder, else in PATH. */
async function programProblem(program: string, folder: string, path: string): Promise<string | undefined> {
  // Placeholders are filled in when an epoch is trained.
  if (/\{[A-Za-z]+\}/.test(program)) return undefined;
  if (program.includes("/")) {
    const file = resolve(folder, program);
    if (!(await isFile(file))) return "there is no such file in the job file's folder";
    return (await isExecutable(file)) ? undefined : "it is not executable";
  }
  for (const place of path.split(delimiter)) {
    const file = join(place === "" || !isAbsolute(place) ? resolve(folder, place) : place, program);
    if ((await isFile(file)) && (await isExecutable(file))) return undefined;
  }
  return "there is no such program in PATH";
}

function scriptOf(program: string, args: readonly string[]): { name: string; index: number } | undefined {
  if (!interpreters.test(program.split("/").at(-1) ?? "")) return undefined;
  const index = args.findIndex((argument) => !argument.startsWith("-"));
  const name = args[index];
  // After an option it may be the option's value, as in `sh -c CODE` or `python3 -m MODULE`.
  if (name === undefined || index !== 0 || /[{}]/.test(name)) return undefined;
  return { name, index: index + 1 };
}

const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
