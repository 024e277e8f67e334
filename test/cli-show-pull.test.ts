import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { ShownRun } from "../cli/show.ts";
import { filesBelow, pawl, root } from "./pawl.ts";
import { countProject, expectPlainWords, modelEpochs, type Project, upTo } from "./projects.ts";

async function trained(): Promise<Project> {
  const folder = await countProject({ checkpoint: "{keep: 3, best: {metric: loss, mode: min}}" });
  const ran = await pawl(["train"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  return folder;
}

describe.concurrent("pawl show", () => {
  it("tells of epochs, attempts and each decision with its reason, for people and as one JSON object", async () => {
    await using folder = await trained();
    const human = await pawl(["show", "count-1"], { cwd: folder.path });
    expect(human).toMatchObject({ code: 0, stderr: "" });
    expectPlainWords(human);
    expect(human.stdout).toMatch(/^count-1 finished: all 6 epochs are trained$/m);
    expect(human.stdout).toMatch(/^ {2}4 +loss 0 .*attempt 1 +checkpoint 4-1$/m);
    expect(human.stdout).toMatch(/^ {2}1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +done +epochs 1–6$/m);
    expect(human.stdout).toMatch(/opened +run count-1 begins; attempt 1 trains from epoch 1 on/);
    expect(human.stdout).toMatch(/finished +attempt 1 trained its segment/);

    const json = await pawl(["show", "count-1", "--json"], { cwd: folder.path });
    expect(json).toMatchObject({ code: 0, stderr: "" });
    const run = ShownRun.parse(JSON.parse(json.stdout));
    expect(run).toMatchObject({
      run: "count-1",
      status: "finished",
      epoch: 6,
      generation: 1,
      driver: { alive: false },
    });
    expect(run.history.epochs.map(({ epoch, metrics }) => [epoch, metrics.loss])).toEqual(
      upTo(6).map((epoch) => [epoch, (epoch - 4) ** 2]),
    );
    expect(run.history.decisions.map(({ sequence }) => sequence)).toEqual(upTo(run.history.decisions.length));
    for (const { reason } of run.history.decisions) expect(reason).not.toBe("");
  });

  it("shows the newest of many, and all with --all", async () => {
    await using folder = await countProject({ epochs: "20" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const some = await pawl(["show", "count-1"], { cwd: folder.path });
    expect(some.stdout).toMatch(/^Decisions \(the newest 30 of \d+; --all shows them all\)$/m);
    const all = await pawl(["show", "count-1", "--all"], { cwd: folder.path });
    expect(all.stdout).toMatch(/^Decisions$/m);
    expect(all.stdout).toContain("run count-1 begins");
    expect(some.stdout).not.toContain("run count-1 begins");
  });

  it("tells of a failed run what failed, what its trainer printed last, and what to do", async () => {
    await using folder = await countProject({ retry: "{failuresWithoutProgress: 1}" });
    await writeFile(join(folder.path, "count.sh"), "echo first; echo 'CUDA is not here'; exit 4\n");
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(100);
    const { stdout } = await pawl(["show", "count-1"], { cwd: folder.path });
    expect(stdout).toMatch(
      /^count-1 failed\n +failure +attempt 1: user-exception: the trainer exited with code 4/,
    );
    expect(stdout).toContain(
      "Attempt 1 printed last\n  │ first\n  │ CUDA is not here\nRead what the trainer printed last",
    );
    const run = ShownRun.parse(
      JSON.parse((await pawl(["show", "count-1", "--json"], { cwd: folder.path })).stdout),
    );
    expect(run.history.attempts[0]).toMatchObject({
      result: "user-exception",
      logTail: ["first", "CUDA is not here"],
    });
    expect(run.failure).toMatchObject({
      class: "user-exception",
      next: expect.stringContaining("correct it"),
    });
  });

  it("and resume and pull say with 102 that there is no such run, and make no store for it", async () => {
    await using folder = await trained();
    for (const args of [
      ["show", "nope"],
      ["resume", "nope"],
      ["pull", "nope", "--to", "there"],
    ]) {
      const ran = await pawl(args, { cwd: folder.path });
      expect(ran).toMatchObject({ code: 102, stdout: "" });
      expect(ran.stderr).toContain("there is no run nope in ");
      expect(ran.stderr).toContain("it holds count-1");
      const elsewhere = await pawl([...args, "--store", "elsewhere"], { cwd: folder.path });
      expect(elsewhere).toMatchObject({ code: 102, stdout: "" });
      expect(elsewhere.stderr).toContain("there is no store at ");
    }
    expect((await readdir(folder.path)).sort()).toEqual([".pawl", "count.sh", "pawl.yaml"]);
    const json = await pawl(["show", "nope", "--json"], { cwd: folder.path });
    expect(JSON.parse(json.stdout).error).toMatchObject({ code: "RUN_NOT_FOUND", details: { run: "nope" } });
  });

  it("does not mind a reader that leaves, and says with 1 that its result cannot be written", async () => {
    await using folder = await trained();
    const show = `"${process.execPath}" "${join(root, "cli", "main.ts")}" show count-1 --all --json`;
    const exitOf = (command: string) =>
      promisify(execFile)("sh", ["-c", command], { cwd: folder.path }).then(
        ({ stderr }) => ({ code: 0, stderr }),
        ({ code, stderr }) => ({ code, stderr }),
      );
    expect(await exitOf(`${show} | true`)).toEqual({ code: 0, stderr: "" });
    const full = await exitOf(`${show} > /dev/full`);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/^error: stdout cannot be written: .*no space left/);
  });

  it("names the entry of a journal that is damaged", async () => {
    await using folder = await trained();
    const entry = join(folder.path, ".pawl", "journal", "count-1", "0000000003.json");
    await writeFile(entry, (await readFile(entry, "utf8")).slice(0, 100));
    const ran = await pawl(["show", "count-1"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toContain("journal/count-1/0000000003.json cannot be read");
    expect(ran.stderr).toContain("Restore the object");
    expectPlainWords(ran);
  });
});

describe.concurrent("pawl pull", () => {
  it("copies the last checkpoint, the best, or that of an epoch", async () => {
    await using folder = await trained();
    const wanted = [
      { epoch: [], to: "last", epochs: 6 },
      { epoch: ["--epoch", "last"], to: "a/new/folder", epochs: 6 },
      { epoch: ["--epoch", "best"], to: "best", epochs: 4 },
      { epoch: ["--epoch", "5"], to: "fifth", epochs: 5 },
    ];
    for (const { epoch, to, epochs } of wanted) {
      const ran = await pawl(["pull", "count-1", ...epoch, "--to", to], { cwd: folder.path });
      expect(ran.code, ran.stderr).toBe(0);
      expect(ran.stdout).toContain(
        `(epoch ${epochs}, 1 file, ${epochs * 8} B) is in ${join(folder.path, to)}`,
      );
      expect(await modelEpochs(join(folder.path, to))).toEqual(upTo(epochs));
    }
  });

  it("fills a folder that is there and empty, and prints JSON with --json", async () => {
    await using folder = await trained();
    await mkdir(join(folder.path, "here"));
    const args = ["pull", "count-1", "--to", ".", "--store", "../.pawl", "--json"];
    const ran = await pawl(args, { cwd: join(folder.path, "here") });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(ran.stdout)).toEqual({
      run: "count-1",
      checkpoint: "6-1",
      epoch: 6,
      files: 1,
      sizeBytes: 48,
      folder: join(folder.path, "here"),
    });
    expect(await readdir(join(folder.path, "here"))).toEqual(["model.txt"]);
  });

  it("needs --to, and refuses what is there already", async () => {
    await using folder = await trained();
    const none = await pawl(["pull", "count-1"], { cwd: folder.path });
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("pull needs --to FOLDER") });
    await mkdir(join(folder.path, "full"));
    await writeFile(join(folder.path, "full", "mine"), "precious");
    for (const to of ["full", "pawl.yaml"]) {
      const ran = await pawl(["pull", "count-1", "--to", to], { cwd: folder.path });
      expect(ran).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`${join(folder.path, to)} is there already`),
      });
    }
    expect(await filesBelow(join(folder.path, "full"))).toEqual([join(folder.path, "full", "mine")]);
    const nowhere = await pawl(["pull", "count-1", "--to", "/proc/pawl/x"], { cwd: folder.path });
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining("/proc/pawl") });
    expectPlainWords(nowhere);
  });

  it.each([
    { epoch: "1", code: 102, says: ["no checkpoint of epoch 1", "4, 5, 6"] },
    { epoch: "99", code: 102, says: ["no checkpoint of epoch 99", "4, 5, 6"] },
    { epoch: "first", code: 2, says: ["--epoch first", "a number, best or last"] },
    { epoch: "0", code: 2, says: ["--epoch 0"] },
  ])("does not know --epoch $epoch", async ({ epoch, code, says }) => {
    await using folder = await trained();
    const ran = await pawl(["pull", "count-1", "--epoch", epoch, "--to", "there"], { cwd: folder.path });
    expect(ran).toMatchObject({ code, stdout: "" });
    for (const words of says) expect(ran.stderr).toContain(words);
    expect(await readdir(folder.path)).not.toContain("there");
  });

  it("names the file of a checkpoint that is damaged and what else is kept, and leaves nothing", async () => {
    await using folder = await trained();
    const file = join(folder.path, ".pawl", "checkpoints", "count-1", "6-1", "model.txt");
    await writeFile(file, (await readFile(file, "utf8")).replace("epoch 3", "epoch 9"));
    await mkdir(join(folder.path, "empty"));
    for (const to of ["new/deep", "empty"]) {
      const ran = await pawl(["pull", "count-1", "--to", to], { cwd: folder.path });
      expect(ran).toMatchObject({ code: 1, stdout: "" });
      expectPlainWords(ran);
      expect(ran.stderr).toMatch(/checkpoint 6-1.*model\.txt has another digest/);
      expect(ran.stderr).toContain("Others are kept: --epoch 4, 5.");
    }
    expect((await readdir(folder.path)).sort()).toEqual([".pawl", "count.sh", "empty", "pawl.yaml"]);
    expect(await readdir(join(folder.path, "empty"))).toEqual([]);
    expect(
      (await pawl(["pull", "count-1", "--epoch", "5", "--to", "fifth"], { cwd: folder.path })).code,
    ).toBe(0);
  });
});
