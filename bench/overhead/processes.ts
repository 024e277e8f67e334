import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import packageJson from "../../package.json" with { type: "json" };
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

/** Pawl's command line, as a process of its own. */
export type Pawl = (
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
) => Promise<{ milliseconds: number; stdout: string }>;

const pawlAt =
  (program: string): Pawl =>
  (args, env = {}) =>
    run(process.execPath, [program, ...args], { env });

/** From this clone's sources. */
export const clonedPawl = pawlAt(join(root, "cli", "main.ts"));

/** As its users have it: packed as for a release, and installed into an empty project in `folder`. */
export async function packagedPawl(folder: string): Promise<Pawl> {
  const project = join(folder, "project");
  await mkdir(project);
  await run("npm", ["pack", "--pack-destination", folder]);
  await writeFile(join(project, "package.json"), "{}");
  const packed = join(folder, `pawl-${packageJson.version}.tgz`);
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", packed], { cwd: project });
  return pawlAt(join(project, "node_modules", "pawl", "dist", "cli", "main.js"));
}
