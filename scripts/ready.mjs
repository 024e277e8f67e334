// Runs a script or a tool with this project's own Node, after installing and building what is not there yet. It is plain
// JavaScript for whatever Node the machine carries, and calls the project's Node by its path, since a shell or npm that
// was started earlier still finds the old one.
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = join(root, "node_modules", ".bin");
const node = join(bin, "node");

/** When `path` was last changed; 0 where it is not there. */
const changed = (...path) => statSync(join(root, ...path), { throwIfNoEntry: false })?.mtimeMs ?? 0;

function run(command, args) {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
  if (done.error) throw done.error;
  if (done.signal) process.kill(process.pid, done.signal);
  if (done.status !== 0) process.exit(done.status ?? 1);
}

// npm writes this file last, so that an installation that was cut short is seen.
if (changed("node_modules", ".package-lock.json") < changed("package-lock.json")) {
  console.error("Installing packages (once) …");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}
const sources = readdirSync(join(root, "trainer")).map((name) => changed("trainer", name));
if (changed("dist", "trainer", "index.js") < Math.max(...sources))
  run(node, [join(root, "scripts", "build.mjs")]);

const [what, ...rest] = process.argv.slice(2);
run(node, [what.endsWith(".ts") ? join(root, what) : join(bin, what), ...rest]);
