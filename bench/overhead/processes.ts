import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { command } from "../../scripts/installed.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const here = fileURLToPath(new URL(".", import.meta.url));

/** Runs a program to its end, and gives how long that took in milliseconds and what it printed. Throws where it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<{ milliseconds: number; stdout: string }> {
  const started = performance.now();
  const stdout = await command(program, args, { cwd: root, ...options });
  return { milliseconds: performance.now() - started, stdout };
}

/** Runs Pawl's command line in a process of its own. */
export const pawl = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, [join(root, "cli", "main.ts"), ...args], { env });
