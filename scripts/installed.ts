import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where what tests and benchmarks need from other registries is installed: once for each content, beside the packages. */
const installed = fileURLToPath(new URL("../node_modules/.cache/pawl/installed/", import.meta.url));

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * The folder that holds `name` as `make` installs it. A folder that was not finished is made anew; another `content`
 * gets another folder.
 */
export async function installation(
  name: string,
  content: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const digest = createHash("sha256").update(content.join("\0")).digest("hex").slice(0, 12);
  const folder = join(installed, `${name}-${digest}`);
  const whole = join(folder, ".whole");
  if (await isThere(whole)) return folder;
  console.error(`installing ${name} (once; a minute or two) …`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await make(folder);
  await writeFile(whole, "");
  return folder;
}

/** Runs a command to its end; throws with the end of what it printed where it fails. Gives its stdout. */
export function command(
  program: string,
  args: readonly string[],
  { env = {}, cwd }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<string> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let all = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    all += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    all += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}:\n${all.slice(-2000)}`));
    });
  });
}
