import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { RunList } from "../cli/run-list.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { openedEntry } from "../store/testing/entries.ts";
import { filesBelow, pawl, root, startPawl } from "./pawl.ts";
import { changeJob, countProject, expectPlainWords, type Project, project, saying } from "./projects.ts";

const listed = async (folder: Project, ...args: string[]) => {
  const ran = await pawl(["runs", "--json", ...args], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  return RunList.parse(JSON.parse(ran.stdout)).runs;
};

const names = async (folder: Project, ...args: string[]) =>
  (await listed(folder, ...args)).map(({ run }) => run);

/** `count-1` finished, `count-2` failed, `count-3` interrupted, in this order. */
async function threeRuns(): Promise<Project> {
  const folder = await countProject();
  expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
  const script = join(folder.path, "count.sh");
  const good = await readFile(script, "utf8");
  await changeJob(folder, { retry: "{failuresWithoutProgress: 1}" });
  await writeFile(script, "exit 4\n");
  expect((await pawl(["train", "--new"], { cwd: folder.path })).code).toBe(100);
  await writeFile(script, good);
  const env = { GATE: join(folder.path, "gate"), GATE_EPOCH: "3" };
  const third = startPawl(["train", "--new"], { cwd: folder.path, env });
  await saying(third, "epoch 2 is committed");
  expect((await listed(folder))[0]).toMatchObject({ run: "count-3", status: "training", epoch: 2 });
  third.child.kill("SIGINT");
  expect((await third.done).code).toBe(101);
  return folder;
}

describe.concurrent("pawl runs", () => {
  it("lists the runs, the newest first, with how each stands", async () => {
    await using folder = await threeRuns();
    const human = await pawl(["runs"], { cwd: folder.path });
    expect(human).toMatchObject({ code: 0, stderr: "" });
    expectPlainWords(human);
    const [head, ...rows] = human.stdout.trimEnd().split("\n");
    expect(head).toMatch(/^run +job +state +epochs +changed +recoveries +metrics$/);
    expect(rows).toEqual([
      expect.stringMatching(
        /^count-3 +count +interrupted +2\/6 +\d+ s ago +0 +loss 4 \(best 4 at epoch 2\)$/,
      ),
      expect.stringMatching(/^count-2 +count +failed +0\/6 +\d+ s ago +0$/),
      expect.stringMatching(/^count-1 +count +finished +6\/6 +\d+ s ago +0 +loss 4 \(best 0 at epoch 4\)$/),
    ]);
    expect(await listed(folder)).toMatchObject([
      { run: "count-3", status: "interrupted", epoch: 2, epochs: 6 },
      { run: "count-2", status: "failed", epoch: 0, metrics: {} },
      { run: "count-1", status: "finished", best: { metric: "loss", value: 0, epoch: 4 }, recoveries: 0 },
    ]);
    expect(await names(folder, "--state", "finished")).toEqual(["count-1"]);
    expect(await names(folder, "--state", "failed, interrupted")).toEqual(["count-3", "count-2"]);
    expect(await names(folder, "--state", "training")).toEqual([]);
  });

  it("shows those of one job, or by when they changed last", async () => {
    await using folder = await countProject({ epochs: "1" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const job = { name: "old", command: ["true"], epochs: 3 };
    const journal = openJournal(await openFolderStore(join(folder.path, ".pawl")));
    await journal.append({ ...openedEntry("old-1", 1, job), at: "2020-01-01T00:00:00.000Z" });
    expect(await names(folder, "--job", "old")).toEqual(["old-1"]);
    expect(await names(folder, "--job", "ol")).toEqual([]);
    expect(await names(folder, "--newer-than", "2d")).toEqual(["count-1"]);
    expect(await names(folder, "--older-than", "2d")).toEqual(["old-1"]);
    expect(await names(folder, "--newer-than", "2d", "--older-than", "1d")).toEqual([]);
    const none = await pawl(["runs", "--job", "ol"], { cwd: folder.path });
    expect(none).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("none of the runs") });
  });

  it("shows a damaged run as that, and all others beside it", async () => {
    await using folder = await countProject({ epochs: "1" });
    for (let run = 1; run <= 4; run += 1)
      expect((await pawl(["train", "--new"], { cwd: folder.path })).code).toBe(0);
    const journal = join(folder.path, ".pawl", "journal");
    const [newest = ""] = (await filesBelow(join(journal, "count-2"))).sort().reverse();
    await writeFile(newest, "{");
    await writeFile(join(journal, "count-3", "0000000001.json"), "null");
    await rm(join(journal, "count-4", "0000000001.json"));
    expect(await listed(folder)).toEqual([
      { run: "count-4", status: "damaged", message: expect.stringContaining("no first entry") },
      {
        run: "count-3",
        status: "damaged",
        message: expect.stringContaining("count-3/0000000001.json cannot be read"),
      },
      { run: "count-2", status: "damaged", message: expect.stringContaining("journal/count-2/") },
      expect.objectContaining({ run: "count-1", status: "finished" }),
    ]);
    const human = await pawl(["runs"], { cwd: folder.path });
    expectPlainWords(human);
    expect(human.stdout).toMatch(/^count-3 +damaged +journal entry /m);
    expect(await names(folder, "--state", "damaged")).toEqual(["count-4", "count-3", "count-2"]);
    expect(await names(folder, "--newer-than", "1h")).toEqual(["count-1"]);
  });

  it("says of a store without runs that there is none, and makes no store", async () => {
    await using folder = await project({ "empty/note": "" });
    const empty = await pawl(["runs", "--store", "empty"], { cwd: folder.path });
    expect(empty).toMatchObject({ code: 0, stdout: "", stderr: `there is no run in ${folder.path}/empty\n` });
    const json = await pawl(["runs", "--store", "empty", "--json"], { cwd: folder.path });
    expect(JSON.parse(json.stdout)).toEqual({ store: join(folder.path, "empty"), runs: [] });
    const absent = await pawl(["runs"], { cwd: folder.path });
    expect(absent).toMatchObject({ code: 2, stdout: "" });
    expect(absent.stderr).toContain(`there is no store at ${join(folder.path, ".pawl")}`);
    expect(await filesBelow(folder.path)).toEqual([join(folder.path, "empty", "note")]);
  });

  it.each([
    { args: ["--state", "done"], says: ['"done" is no state of a run', "training, waiting, interrupted"] },
    { args: ["--state", "failed,"], says: ['"" is no state of a run'] },
    {
      args: ["--newer-than", "2 days"],
      says: ["--newer-than 2 days: must be a time such as 90min, 12h or 2d"],
    },
    { args: ["--older-than", "-1h"], says: ["--older-than -1h"] },
  ])("refuses $args", async ({ args, says }) => {
    await using folder = await project({});
    const ran = await pawl(["runs", ...args], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    for (const words of says) expect(ran.stderr).toContain(words);
  });
});

describe("colours", () => {
  /** What `pawl runs` shows on a terminal. */
  async function onTerminal({ path }: Project, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const { NO_COLOR: _none, FORCE_COLOR: _forced, CI: _ci, ...inherited } = process.env;
    const fixture = join(root, "test", "fixtures", "in-terminal.py");
    const command = [process.execPath, join(root, "cli", "main.ts"), "runs", ...args];
    const { stdout } = await promisify(execFile)("python3", [fixture, "200", "", "", ...command], {
      cwd: path,
      env: { ...inherited, TERM: "xterm-256color", ...env },
    });
    return stdout;
  }

  it("are on a terminal only, and not with NO_COLOR, --no-color, or one that can do nothing", async () => {
    await using folder = await countProject({ epochs: "1" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const coloured = await onTerminal(folder, []);
    expect(coloured).toContain("\x1b[32mfinished");
    const plain = [
      await onTerminal(folder, ["--no-color"]),
      await onTerminal(folder, [], { NO_COLOR: "1" }),
      await onTerminal(folder, [], { TERM: "dumb" }),
    ];
    const piped = await pawl(["runs"], { cwd: folder.path, env: { NO_COLOR: "" } });
    // Time goes on between them.
    const ageless = (text: string) => text.replaceAll("\r\n", "\n").replaceAll(/\d+ \w+ ago +/g, "age ");
    for (const text of [...plain, piped.stdout])
      expect(ageless(text)).toBe(ageless(stripVTControlCharacters(coloured)));
  });
});

describe("two who begin a run at the same moment", () => {
  it("get one each", async () => {
    await using folder = await countProject({ epochs: "2" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const env = { EPOCH_SECONDS: "0.3" };
    const both = Array.from({ length: 3 }, () => pawl(["train", "--new"], { cwd: folder.path, env }));
    for (const ran of await Promise.all(both)) expect(ran.code, ran.stderr).toBe(0);
    expect((await listed(folder)).map(({ run, epoch }) => `${run}: ${epoch}`).sort()).toEqual(
      [1, 2, 3, 4].map((number) => `count-${number}: 2`),
    );
  });
});
