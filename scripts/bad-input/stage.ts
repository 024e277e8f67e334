import { spawn } from "node:child_process";
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Case, Mode, Observed, Start } from "./case.ts";
import { difference, tree } from "./tree.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const main = join(root, "cli", "main.ts");
const nobody = 65_534;

/** A command that is wrong ends long before; one that does not is ended, and is no good. */
const longestMilliseconds = 60_000;

/** The folders that cases start from. */
export interface Stage extends AsyncDisposable {
  readonly folder: string;
}

/** Makes what the cases start from; the run in it is trained by the real command line. */
export async function setStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-bad-input-"));
  await chmod(folder, 0o755);
  const start = (name: Start) => join(folder, "starts", name);
  await mkdir(start("nothing"), { recursive: true });
  for (const name of ["job", "trained"] as const) {
    await cp(join(root, "test", "fixtures", "count"), start(name), { recursive: true });
  }
  const trained = await run(["train"], { cwd: start("trained"), env: cleanEnvironment(start("trained")) });
  if (trained.exit !== 0) throw new Error(`the run to start from cannot be trained: ${trained.stderr}`);
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Nothing of this machine's: no credentials, no store, no colours. */
function cleanEnvironment(home: string): Record<string, string | undefined> {
  const kept = ["PATH", "TMPDIR", "LANG", "PYENV_ROOT", "PYENV_VERSION"];
  const env = Object.fromEntries(kept.map((name) => [name, process.env[name]]));
  return { ...env, HOME: home, NO_COLOR: "1", AWS_EC2_METADATA_DISABLED: "true" };
}

/** Runs one case in a fresh folder, and sees what it leaves. */
export async function play(stage: Stage, input: Case, mode: Mode): Promise<Observed> {
  const folder = await mkdtemp(join(stage.folder, "case-"));
  try {
    await cp(join(stage.folder, "starts", input.start ?? "job"), folder, { recursive: true });
    for (const [name, content] of Object.entries(input.files ?? {})) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    if (input.asNobody === true) await giveAway(folder);
    const env = { ...cleanEnvironment(stage.folder), ...input.env };
    await using _prepared = await input.prepare?.({ folder, env });
    if (input.mount !== undefined) await mkdir(join(folder, "store"));
    const before = await tree(folder);
    const typed = input.args.map((arg) => arg.replaceAll("FOLDER", folder));
    const args = mode === "json" ? withJson(typed) : typed;
    const ran = await run(args, { cwd: folder, env, input });
    const changes = difference(before, await tree(folder));
    return { ...ran, changes, processes: await processesNaming(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Behind `--` there are no options. */
function withJson(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return end === -1 ? [...args, "--json"] : [...args.slice(0, end), "--json", ...args.slice(end)];
}

async function giveAway(folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await chown(folder, nobody, nobody);
  for (const entry of await readdir(folder, { recursive: true }))
    await chown(join(folder, entry), nobody, nobody);
}

interface Running {
  readonly cwd: string;
  readonly env: Record<string, string | undefined>;
  readonly input?: Case;
}

/** The files inside the mount are compared there, since it ends with it; empty folders of the store's own may stay. */
const mountScript = `
mount -t tmpfs -o "$OPTIONS" none store || exit 99
eval "$SCRIPT"
before=$(find store -type f | sort)
"$@"; exit=$?
[ "$(find store -type f | sort)" = "$before" ] || echo "error: the store has changed" >&2
exit $exit
`;

/** How the command is started: as it is, as another user, or with a file system of its own. */
function commandLine(args: readonly string[], input: Case | undefined): readonly [string, ...string[]] {
  const plain = [process.execPath, main, ...args] as const;
  if (input?.mount !== undefined) return ["unshare", "-rm", "sh", "-c", mountScript, "sh", ...plain];
  if (input?.asNobody === true && process.getuid?.() === 0) {
    return ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", ...plain];
  }
  return plain;
}

function run(
  args: readonly string[],
  { cwd, env, input }: Running,
): Promise<Pick<Observed, "exit" | "stdout" | "stderr">> {
  const [program, ...rest] = commandLine(args, input);
  const mount = input?.mount;
  const more = mount === undefined ? {} : { OPTIONS: mount.options, SCRIPT: mount.script };
  const child = spawn(program, rest, {
    cwd,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: longestMilliseconds,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const { promise, resolve, reject } = Promise.withResolvers<Pick<Observed, "exit" | "stdout" | "stderr">>();
  child.once("error", reject);
  child.once("close", (exit) => resolve({ exit, stdout, stderr }));
  return promise;
}

/** Processes whose command line or environment names `text`; none where the system does not tell. */
async function processesNaming(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const files = ["environ", "cmdline"].map((file) =>
      readFile(`/proc/${name}/${file}`, "utf8").catch(() => ""),
    );
    if ((await Promise.all(files)).some((held) => held.includes(text))) found.push(Number(name));
  }
  return found;
}
