// Packs Pawl as for a release, installs the package into an empty project in a temporary folder, and uses it there as
// people would. Says what it tried; ends with exit code 1 at the first thing that is not so. Of the network it needs the
// npm registry alone. Run by `npm run test:pack`.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import * as z from "zod";
import { nodePackage } from "../cdk/agent-node.ts";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = join(root, "node_modules");
const folder = mkdtempSync(join(tmpdir(), "pawl-package-"));
const project = join(folder, "project");
const installed = join(project, "node_modules", "pawl");

/** What is packed and unpacked at most; far from it something was packed that should not be. */
const mostBytes = { packed: 3_000_000, unpacked: 12_000_000 };

interface How {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly exit?: number;
}

/** Runs to the end; throws unless it ends as it should. */
function run(program: string, args: readonly string[], { cwd = project, env = {}, exit = 0 }: How = {}) {
  const ran = spawnSync(program, args, {
    cwd,
    env: { ...process.env, NO_COLOR: "1", npm_config_loglevel: "error", ...env },
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (ran.error !== undefined) throw ran.error;
  if (ran.status !== exit) {
    const words = [program, ...args].join(" ");
    throw new Error(
      `'${words}' ended with ${ran.status ?? ran.signal}, not ${exit}:\n${ran.stdout}${ran.stderr}`,
    );
  }
  return { stdout: ran.stdout, stderr: ran.stderr };
}

const npm = (...args: string[]) => run("npm", [...args, "--no-audit", "--no-fund"]);
/** `npx` in the project; `--no` keeps it from fetching anything. */
const pawl = (args: readonly string[], how?: How) => run("npx", ["--no", "--", "pawl", ...args], how);

function check(holds: boolean, words: string): void {
  if (!holds) throw new Error(`not so: ${words}`);
}

const tried = (words: string): void => console.log(`tried: ${words}`);
const write = (name: string, text: string): void => writeFileSync(join(project, name), text);
const kilobytes = (bytes: number): string => `${Math.ceil(bytes / 1000)} kB`;

const filesOf = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)));

const Shown = z.looseObject({ status: z.string(), epoch: z.number(), attempts: z.unknown() });
const shown = (name: string): z.infer<typeof Shown> =>
  Shown.parse(JSON.parse(pawl(["show", name, "--json"]).stdout));

function pack(): string {
  run("npm", ["pack", "--pack-destination", folder], { cwd: root });
  const file = join(folder, `pawl-${packageJson.version}.tgz`);
  check(statSync(file).size < mostBytes.packed, `packed, it is below ${kilobytes(mostBytes.packed)}`);
  return file;
}

function install(file: string): void {
  mkdirSync(project);
  write("package.json", JSON.stringify({ name: "project", private: true, type: "module" }));
  npm("install", "--prefer-offline", file);
  const files = filesOf(installed);
  const bytes = files.reduce((sum, path) => sum + statSync(join(installed, path)).size, 0);
  check(bytes < mostBytes.unpacked, `unpacked, it is below ${kilobytes(mostBytes.unpacked)}`);
  const strange = files.filter(
    (path) =>
      !/^(bin|cli\/templates|dist|python\/pawl)\/|^(package\.json|README\.md|LICENSE)$/.test(path) ||
      /\.test\.|__pycache__|\.map$|(?<!\.d)\.ts$/.test(path) ||
      readFileSync(join(installed, path), "utf8").includes(root),
  );
  check(strange.length === 0, `it holds nothing but what is used: ${strange.join(", ")}`);
  check(
    isDeepStrictEqual(
      readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith(".")),
      ["pawl"],
    ),
    "it brings nothing else with it",
  );
  tried(
    `an installation: ${kilobytes(statSync(file).size)} packed, ${kilobytes(bytes)} in ${files.length} files`,
  );
}

function commands(): void {
  check(pawl(["--version"]).stdout.trim() === packageJson.version, "--version says the package's version");
  pawl(["train"], { exit: 2 });
  const clone = run(process.execPath, [join(root, "bin/pawl.js"), "--version"]);
  check(clone.stdout.trim() === packageJson.version, "a clone's pawl runs, too");
  tried("pawl --version, and pawl train without a job: exit code 2");
  write(
    "old-node.cjs",
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.0' } });",
  );
  const old = run(process.execPath, ["--require", "./old-node.cjs", join(installed, "bin/pawl.js")], {
    exit: 1,
  });
  check(/needs Node 24 or later.* 20\.11\.0/.test(old.stderr) && !/^\s+at /m.test(old.stderr), old.stderr);
  tried("an older Node: it is told what it lacks");
}

function trains(kind: "javascript" | "python" | "shell"): void {
  pawl(["init", kind, "--trainer", kind]);
  const cwd = join(project, kind);
  const { stdout } = pawl(["train", "--json"], { cwd });
  const { run: name } = z.looseObject({ run: z.string() }).parse(JSON.parse(stdout));
  const { status } = Shown.parse(JSON.parse(pawl(["show", name, "--json"], { cwd }).stdout));
  check(status === "finished", `${name} is finished`);
  tried(`pawl init --trainer ${kind} and pawl train, to the end`);
}

/** A trainer that goes no further than epoch 5 before it is killed, and keeps a list of its epochs. */
const slowTrainer = `import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { epochs, restored, run } from "pawl/trainer";
if (process.env.NODE_COMPILE_CACHE !== undefined) throw new Error("the trainer got the agent's cache of compiled code");
const { attempt } = await run();
const kept = await restored();
const done = kept === undefined ? [] : JSON.parse(readFileSync(kept + "/done.json", "utf8"));
for await (const epoch of epochs()) {
  await setTimeout(attempt === 1 && epoch.number === 6 ? 600_000 : 100);
  done.push(epoch.number);
  await epoch.report({ loss: 1 / epoch.number });
  await epoch.checkpoint((folder) => writeFileSync(folder + "/done.json", JSON.stringify(done)));
}
`;

async function killed(): Promise<void> {
  write("slow.mjs", slowTrainer);
  write("slow.yaml", "name: slow\ncommand: [node, slow.mjs]\nepochs: 8\n");
  const program = join(installed, "bin/pawl.js");
  const child = spawn(process.execPath, [program, "train", "slow.yaml"], {
    cwd: project,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  for await (const text of child.stderr.setEncoding("utf8")) {
    if (String(text).includes("epoch 3 is committed")) break;
  }
  child.kill("SIGKILL");
  await ended;
  const before = shown("slow-1");
  check(before.epoch >= 3 && before.epoch < 8, `killed in the middle, at epoch ${before.epoch}`);
  pawl(["resume", "slow-1"]);
  check(shown("slow-1").status === "finished", "the run is finished");
  pawl(["pull", "slow-1", "--to", "slow-model"]);
  const epochs: unknown = JSON.parse(readFileSync(join(project, "slow-model", "done.json"), "utf8"));
  check(isDeepStrictEqual(epochs, [1, 2, 3, 4, 5, 6, 7, 8]), "each epoch is in the model once");
  tried(`kill -9 at epoch ${before.epoch}, pawl resume, and pawl pull: each epoch is in the model once`);
}

/** Also for root, whom no permission holds back: a file is where the folder would be. */
function nothingCached(): void {
  const cache = join(project, "node_modules", ".cache");
  rmSync(cache, { recursive: true, force: true });
  writeFileSync(cache, "");
  pawl(["train", "--new"], { cwd: join(project, "shell") });
  rmSync(cache);
  tried("pawl train where nothing can be kept in node_modules");
}

function damaged(): void {
  const definition = join(installed, "dist/definition.json");
  const whole = readFileSync(definition);
  writeFileSync(definition, "{}");
  const { stderr } = pawl(["train", "--new"], { cwd: join(project, "shell"), exit: 1 });
  check(stderr.includes("this installation is damaged") && stderr.includes(definition), stderr);
  writeFileSync(definition, whole);
  tried("a damaged state machine's definition: it is named");
}

const anyHash = (path: string): string => readFileSync(path, "utf8").replace(/[0-9a-f]{64}/g, "HASH");

function construct(): void {
  const { "aws-cdk-lib": library, constructs } = packageJson.devDependencies;
  const node = `${nodePackage.name}@${nodePackage.version}`;
  npm("install", "--prefer-offline", `aws-cdk-lib@${library}`, `constructs@${constructs}`, node);
  write(
    "app.mjs",
    `import { App, Stack } from "aws-cdk-lib";
import { Pawl, PawlStack } from "pawl/cdk";
const app = new App({ outdir: "cdk.out" });
new PawlStack(app, "Pawl");
new Pawl(new Stack(app, "Lab"), "Training", { maxVcpus: 16 });
app.synth();
`,
  );
  // No credentials, and no program to be found: neither docker nor esbuild.
  const bare = { PATH: project, HOME: project, AWS_PROFILE: undefined, AWS_ACCESS_KEY_ID: undefined };
  run(process.execPath, ["app.mjs"], { env: bare });
  const own = join(folder, "cdk.out");
  run(process.execPath, [join(root, "cdk/app.ts")], { cwd: root, env: { CDK_OUTDIR: own } });
  check(
    anyHash(join(project, "cdk.out/Pawl.template.json")) === anyHash(join(own, "Pawl.template.json")),
    "the stack is the one of the repository, apart from the hashes of the functions",
  );
  const bundles = filesOf(join(project, "cdk.out")).filter((path) => path.endsWith("index.mjs"));
  check(
    bundles.length === filesOf(own).filter((path) => path.endsWith("index.mjs")).length,
    "each function is there",
  );
  for (const path of bundles) {
    const bundle = dirname(join(project, "cdk.out", path));
    const size = filesOf(bundle).reduce((sum, file) => sum + statSync(join(bundle, file)).size, 0);
    check(size < 1_000_000, `the bundle of ${path} is below 1 MB`);
  }
  tried(
    `pawl/cdk in another CDK app: ${bundles.length} functions, and the same template as the repository's`,
  );
}

function types(): void {
  write(
    "use.ts",
    `import { App, Stack } from "aws-cdk-lib";
import { Pawl, PawlStack, type PawlProps } from "pawl/cdk";
import { type Epoch, epochs, restored, run, TrainerError } from "pawl/trainer";
const attempt: number = (await run()).attempt;
const kept: string | undefined = await restored();
for await (const epoch of epochs()) {
  const one: Epoch = epoch;
  const due: boolean = await one.checkpoint((path: string) => console.log(path, kept, attempt));
  await one.report({ loss: due ? 1 : 2 }, { examples: 10 });
  // @ts-expect-error a metric is a number
  await one.report({ loss: "small" });
}
const props: PawlProps = { maxVcpus: 16 };
console.log(new Pawl(new Stack(), "Training", props).stateMachine.stateMachineArn, new PawlStack(new App(), "Pawl"));
console.log(TrainerError);
`,
  );
  const options = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--types",
    "node",
    "--typeRoots",
    join(tools, "@types"),
  ];
  const tsc = (...more: string[]) =>
    run(process.execPath, [
      join(tools, "typescript/bin/tsc"),
      ...options,
      "--target",
      "es2024",
      ...more,
      "use.ts",
    ]);
  tsc("--module", "nodenext");
  tsc("--module", "esnext", "--moduleResolution", "bundler");
  tried("the types of pawl/trainer and pawl/cdk");
}

try {
  install(pack());
  commands();
  for (const kind of ["javascript", "python", "shell"] as const) trains(kind);
  await killed();
  nothingCached();
  damaged();
  construct();
  types();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
