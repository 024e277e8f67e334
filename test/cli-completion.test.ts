import { spawn, spawnSync } from "node:child_process";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commands, runStates } from "../cli/commands.ts";
import { filesBelow, pawl, root } from "./pawl.ts";
import { type Project, project } from "./projects.ts";

/** Two runs, as completion sees them, and a command `pawl`. */
async function scene(): Promise<Project> {
  const folder = await project({
    "pawl.yaml": "",
    "notes.txt": "",
    bashrc: 'PS1="ready> "\neval "$(pawl completion bash)"\neval "$(pawl completion bash)"\n',
    "jobs/other.yml": "",
    ".pawl/journal/count-1/0000000001.json": "",
    ".pawl/journal/digits-1/0000000001.json": "",
    "bin/pawl": `#!/bin/sh\nexec "${process.execPath}" "${join(root, "cli", "main.ts")}" "$@"\n`,
  });
  await chmod(join(folder.path, "bin", "pawl"), 0o755);
  return folder;
}

/** What the last of `words` can become, and how the shell is to take it. */
async function completed(folder: Project, ...words: string[]) {
  const { stdout, stderr, code } = await pawl(["complete", "--", ...words], { cwd: folder.path });
  expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  const lines = stdout.trimEnd().split("\n");
  const directive = lines.pop();
  return { values: lines.map((line) => line.split("\t")[0]), directive };
}

describe.concurrent("what is typed is completed", () => {
  it("with the commands of the table, and with their options", async () => {
    await using folder = await scene();
    const names = commands.map(({ name }) => name);
    expect((await completed(folder, "")).values).toEqual([...names, "help"]);
    expect((await completed(folder, "sh")).values).toEqual(["show"]);
    expect((await completed(folder, "help", "")).values).toEqual(names);
    for (const { name, options } of commands) {
      const flags = options.map(({ flags }) => /--[\w-]+/.exec(flags)?.[0]);
      expect((await completed(folder, name, "--")).values).toEqual([...flags, "--help"]);
    }
  });

  it("with the runs of the store that the line names, and with nothing where there is none", async () => {
    await using folder = await scene();
    for (const command of ["show", "logs", "watch", "checkpoints", "pull", "resume"])
      expect((await completed(folder, command, "")).values).toEqual(["count-1", "digits-1"]);
    expect((await completed(folder, "train", "--run", "d")).values).toEqual(["digits-1"]);
    expect((await completed(folder, "show", "count-1", "")).values).toEqual([]);
    const store = join(folder.path, ".pawl");
    for (const words of [["--store", store], [`--store=${store}`], ["--json", "--store", ".pawl"]])
      expect((await completed(folder, "show", ...words, "c")).values).toEqual(["count-1"]);
    expect(await completed(folder, "show", "--store", "nowhere", "c")).toEqual({
      values: [],
      directive: ":4",
    });
    expect(await completed(folder, "show", "--store", "s4://x", "c")).toEqual({
      values: [],
      directive: ":4",
    });
    expect((await filesBelow(folder.path)).filter((file) => file.includes("nowhere"))).toEqual([]);
  });

  it("with the values of options, also the next one of a list", async () => {
    await using folder = await scene();
    expect((await completed(folder, "runs", "--state", "")).values).toEqual([...runStates]);
    expect((await completed(folder, "runs", "--state=fi")).values).toEqual(["finished"]);
    expect((await completed(folder, "runs", "--state", "failed,in")).values).toEqual(["failed,interrupted"]);
    expect((await completed(folder, "pull", "count-1", "--epoch", "")).values).toEqual(["best", "last"]);
    expect((await completed(folder, "completion", "")).values).toEqual(["bash", "zsh", "fish"]);
  });

  it("by the shell where it is a file or a folder, and with silence where it is nothing", async () => {
    await using folder = await scene();
    expect(await completed(folder, "train", "")).toEqual({
      values: ["yaml", "yml", "json"],
      directive: ":8",
    });
    expect(await completed(folder, "pull", "count-1", "--to", "")).toEqual({ values: [], directive: ":16" });
    expect(await completed(folder, "nonsense", "--x", "")).toMatchObject({ directive: ":4" });
    expect(await completed(folder)).toMatchObject({ directive: ":4" });
  });
});

/** What an interactive bash makes of each line when TAB is pressed at its end. */
async function inBash(folder: Project, lines: readonly string[]): Promise<(string | undefined)[]> {
  const PATH = `${join(folder.path, "bin")}:${process.env.PATH}`;
  const env = { ...process.env, PATH, TERM: "dumb", HISTFILE: "/dev/null", INPUTRC: "/dev/null" };
  // Ctrl-A and Ctrl-E put around a line what prints it as it stands instead of running it.
  const typed = lines.map((line) => `${line}\t\x01printf '<%s>\\n' '\x05'\n`).join("");
  const terminal = join(root, "test", "fixtures", "in-terminal.py");
  const bash = ["bash", "--noprofile", "--rcfile", "bashrc", "-i"];
  const child = spawn("python3", [terminal, "200", "ready> ", `${typed}exit\n`, ...bash], {
    cwd: folder.path,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let shown = "";
  child.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  return [...shown.matchAll(/^<(.*)>\r$/gm)].map(([, line]) => line);
}

describe("bash", () => {
  it("completes what is typed, without running any of it, also where the script is read twice", async () => {
    await using folder = await scene();
    const cases = {
      "pawl sh": "pawl show ",
      "pawl show co": "pawl show count-1 ",
      "true && X=1 pawl show co": "true && X=1 pawl show count-1 ",
      "pawl runs --state=fin": "pawl runs --state=finished ",
      "pawl runs --state=failed,fin": "pawl runs --state=failed,finished ",
      "pawl runs --older": "pawl runs --older-than ",
      "pawl show --store .pawl di": "pawl show --store .pawl digits-1 ",
      "pawl train pa": "pawl train pawl.yaml ",
      "pawl train no": "pawl train no",
      "pawl train jobs/o": "pawl train jobs/other.yml ",
      "pawl pull count-1 --to j": "pawl pull count-1 --to jobs/",
      "pawl show $(touch evil) co": "pawl show $(touch evil) co",
    };
    expect(await inBash(folder, Object.keys(cases))).toEqual(Object.values(cases));
    expect(await filesBelow(folder.path)).not.toContain(join(folder.path, "evil"));
  });
});

describe.each(["zsh", "fish"])("the script for %s", (shell) => {
  // Only a machine that has the shell can tell.
  const there = spawnSync(shell, ["--version"]).error === undefined;

  it.runIf(there)("is read without complaint", async () => {
    const { stdout } = await pawl(["completion", shell]);
    const { status, stderr } = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("asks pawl for what there is", async () => {
    const { stdout, code } = await pawl(["completion", shell]);
    expect(code).toBe(0);
    expect(stdout).toContain("pawl complete -- ");
  });
});

it("another shell is refused with the names of those that are known", async () => {
  const ran = await pawl(["completion", "tcsh"]);
  expect(ran).toMatchObject({ code: 2, stdout: "" });
  expect(ran.stderr).toContain('there is no completion for "tcsh"\nName one of bash, zsh, fish.');
});
