import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { outcome, trainAlone } from "./killed-run.ts";
import { root, temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { startScriptedAgent } from "./scripted-agent.ts";
import { startTrainer } from "./trainer-process.ts";

const { version }: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let wheel: string;
let python: string;

/** What a program of the environment that has nothing but the wheel prints; all that it says where it fails. */
function printed(...args: string[]): string {
  const { PYTHONPATH: _, ...env } = process.env;
  return execFileSync(python, args, { env, encoding: "utf8", cwd: folder.path, stdio: "pipe" }).trim();
}

beforeAll(async () => {
  folder = await temporaryFolder();
  execFileSync(join(root, "scripts", "python-wheel.sh"), [folder.path], { stdio: "pipe" });
  const [name = ""] = readdirSync(folder.path).filter((entry) => entry.endsWith(".whl"));
  wheel = join(folder.path, name);
  execFileSync("python3", ["-m", "venv", join(folder.path, "venv")]);
  python = join(folder.path, "venv", "bin", "python");
  printed("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", wheel);
});
afterAll(() => folder?.[Symbol.asyncDispose]());

describe("the Python wheel", () => {
  it("has the version of this Pawl", () => {
    expect(wheel).toBe(join(folder.path, `pawl-${version}-py3-none-any.whl`));
    expect(printed("-c", "import pawl; print(pawl.__version__)")).toBe(version);
  });

  it("holds the package and its types, and nothing else", () => {
    const files = printed("-m", "zipfile", "-l", wheel)
      .split("\n")
      .slice(1)
      .map((line) => line.split(" ")[0] ?? "");
    const sources = readdirSync(join(root, "python", "pawl")).filter((name) => name !== "__pycache__");
    expect(sources).toContain("py.typed");
    expect(files.filter((file) => !file.includes(".dist-info/")).sort()).toEqual(
      sources.map((name) => `pawl/${name}`).sort(),
    );
    expect(files.some((file) => /licenses?/i.test(file))).toBe(true);
  });

  it("needs no syntax of a Python newer than 3.9", () => {
    const program = `
import ast, pathlib, pawl
files = sorted(pathlib.Path(pawl.__file__).parent.glob("*.py"))
for file in files: ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
print(len(files))`;
    expect(Number(printed("-c", program))).toBeGreaterThan(5);
  });

  it.each([
    ["pawl.torch", "torch", "pip install torch"],
    ["pawl.lightning", "lightning", "pip install lightning"],
    ["pawl.transformers", "transformers", "pip install transformers"],
  ])("says what to install where %s finds no %s", (module, missing, command) => {
    const program = `
try: import ${module}
except ModuleNotFoundError as error: print(error.name, error)`;
    const said = printed("-W", "error", "-c", program);
    expect(said.split(" ")[0]).toBe(missing);
    expect(said).toContain(command);
  });

  it("talks to an agent by itself", async () => {
    await using agent = await startScriptedAgent({
      plans: [{ epoch: 1, seed: 3, batchSize: 16, learningRateScale: 1, checkpoint: true }],
    });
    using trainer = startTrainer([python, join(root, "examples", "linear-python", "train.py")], {
      env: { PAWL_SOCKET: agent.socketPath, PYTHONPATH: "" },
    });
    const { code, stderr } = await trainer.ended;
    expect({ code, stderr, problems: agent.problems }).toEqual({ code: 0, stderr: "", problems: [] });
    expect(agent.requests[0]).toMatchObject({ type: "hello", helper: `pawl-python ${version}` });
  });

  it("trains a whole run, in place of the helper that Pawl brings", async () => {
    await using project = await temporaryFolder();
    await cp(join(root, "examples", "linear-python"), project.path, { recursive: true });
    const job = join(project.path, "pawl.yaml");
    // With -E, Python does not look at PYTHONPATH, where Pawl puts its own.
    const changed = { ...parse(readFileSync(job, "utf8")), command: [python, "-E", "train.py"] };
    await writeFile(job, JSON.stringify(changed));
    await using store = await temporaryFolder();
    const trained = { job, store: store.path, run: "linear-1" };
    await trainAlone(trained);
    const { status, epochs } = await outcome(trained);
    expect(status).toBe("finished");
    expect(epochs?.map(({ epoch }) => epoch)).toEqual(upTo(8));
  });
});
