import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const here = fileURLToPath(new URL(".", import.meta.url));

/** Runs a program to its end, and gives how long that took in milliseconds and what it printed. Throws where it fails. */
export function run(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<{ milliseconds: number; stdout: string }> {
  const started = performance.now();
  const child = spawn(program, args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve({ milliseconds: performance.now() - started, stdout });
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr}`));
    });
  });
}

/** Runs Pawl's command line in a process of its own. */
export const pawl = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, [join(root, "cli", "main.ts"), ...args], { env });
