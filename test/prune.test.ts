import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow, pawl, startPawl } from "./pawl.ts";
import {
  countProject,
  expectPlainWords,
  type Project,
  pulledEpochs,
  saying,
  shown,
  upTo,
} from "./projects.ts";

const prune = async (folder: Project, ...args: string[]) => {
  const ran = await pawl(["prune", ...args, "--json"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout);
};

const checkpoint = (folder: Project, name: string): string =>
  join(folder.path, ".pawl", "checkpoints", "count-1", name);

/** Something that nobody needs. */
async function litter(folder: Project): Promise<void> {
  await mkdir(checkpoint(folder, "1-1"), { recursive: true });
  await writeFile(join(checkpoint(folder, "1-1"), "model.txt"), "epoch 1\n");
}

async function trained(): Promise<Project> {
  const folder = await countProject();
  const ran = await pawl(["train"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  return folder;
}

describe("pawl prune", () => {
  it("shows what nobody needs and removes nothing; with --yes it removes just that", async () => {
    await using folder = await trained();
    await litter(folder);
    const store = join(folder.path, ".pawl");
    const before = (await filesBelow(store)).sort();
    const planned = await pawl(["prune"], { cwd: folder.path });
    expect(planned).toMatchObject({ code: 0, stderr: "" });
    expect(planned.stdout).toMatch(/^count-1 +checkpoint 1-1 +8 B +incomplete, and its attempt has ended$/m);
    expect(planned.stdout).toContain("8 B in 1 object would be freed: nothing is removed without --yes");
    expectPlainWords(planned);
    expect((await filesBelow(store)).sort()).toEqual(before);

    const { items, ...sums } = await prune(folder);
    expect(sums).toEqual({ store, removed: false, objects: 1, sizeBytes: 8, skipped: [] });
    expect(await prune(folder, "--yes")).toEqual({ ...sums, items, removed: true });
    expect(await readdir(join(store, "checkpoints", "count-1"))).toEqual(["4-1", "5-1", "6-1"]);
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(6));
    const nothing = await pawl(["prune", "--yes"], { cwd: folder.path });
    expect(nothing).toMatchObject({ code: 0, stdout: "there is nothing that nobody needs\n" });
  });

  it("leaves a run alone that is being trained, and says so", async () => {
    await using folder = await countProject();
    const gate = { GATE: join(folder.path, "gate"), GATE_EPOCH: "4" };
    const running = startPawl(["train"], { cwd: folder.path, env: gate });
    await saying(running, "epoch 3 is committed");
    await litter(folder);
    for (const args of [[], ["--yes"]]) {
      expect(await prune(folder, ...args)).toMatchObject({
        items: [],
        skipped: [{ run: "count-1", why: expect.stringContaining(`process ${running.child.pid} `) }],
      });
    }
    const named = await pawl(["prune", "count-1", "--yes"], { cwd: folder.path });
    expect(named).toMatchObject({ code: 1, stdout: "" });
    expect(named.stderr).toContain("run count-1 is being trained by process");
    await writeFile(gate.GATE, "");
    expect((await running.done).code).toBe(0);
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(6));
  });

  it("removes what a killed training left on this machine too, and the run goes on from its last commit", async () => {
    await using folder = await countProject();
    const gate = { GATE: join(folder.path, "gate"), GATE_EPOCH: "4" };
    const running = startPawl(["train"], { cwd: folder.path, env: gate });
    await saying(running, "epoch 3 is committed");
    running.child.kill("SIGKILL");
    await running.done;
    await litter(folder);
    const scratch = join(folder.path, ".pawl", ".internal", "scratch");
    expect(await readdir(scratch)).toEqual(["count-1"]);
    const { items } = await prune(folder, "--yes");
    expect(items).toMatchObject([{ kind: "checkpoint" }, { kind: "scratch", run: "count-1" }]);
    expect(await readdir(scratch)).toEqual([]);
    expect((await pawl(["resume", "count-1"], { cwd: folder.path })).code).toBe(0);
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(6));
    expect((await shown(folder, "count-1")).history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(6));
  });

  it("removes whole runs only where that is asked for, by state and age", async () => {
    await using folder = await trained();
    const whole = (...args: string[]) => prune(folder, "--whole-runs", ...args);
    expect(await whole("--older-than", "30d", "--yes")).toMatchObject({ items: [] });
    expect(await whole("--older-than", "0s", "--state", "failed,stopped", "--yes")).toMatchObject({
      items: [],
    });
    const stays = await pawl(["prune", "count-1", "--whole-runs", "--state", "failed", "--yes"], {
      cwd: folder.path,
    });
    expect(stays).toMatchObject({ code: 0, stdout: "there is nothing that nobody needs\n" });
    expect(stays.stderr).toContain("the run itself stays: it is not failed");
    expect(await whole("count-1")).toMatchObject({ items: [{ kind: "run", status: "finished" }] });
    expect((await pawl(["show", "count-1"], { cwd: folder.path })).code).toBe(0);
    expect(await whole("--older-than", "0s", "--yes")).toMatchObject({
      removed: true,
      items: [{ kind: "run" }],
    });
    expect((await pawl(["show", "count-1"], { cwd: folder.path })).code).toBe(102);
    expect(await filesBelow(join(folder.path, ".pawl"))).toEqual([]);
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(6));
  });

  it.each([
    { args: ["--whole-runs"], says: "--whole-runs needs --older-than, or the name of a run" },
    { args: ["--older-than", "3d"], says: "Add --whole-runs" },
    { args: ["--state", "finished"], says: "Add --whole-runs" },
    { args: ["--whole-runs", "--older-than", "old"], says: "--older-than old: must be a time" },
    {
      args: ["--whole-runs", "--older-than", "1d", "--state", "done"],
      says: "'done' is none of finished, failed",
    },
    { args: ["../x"], says: "cannot be a run's name" },
  ])("refuses $args", async ({ args, says }) => {
    await using folder = await countProject();
    const ran = await pawl(["prune", ...args], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toContain(says);
    expect(await readdir(folder.path)).not.toContain(".pawl");
  });

  it("says that there is no such run or store, and makes none", async () => {
    await using folder = await countProject();
    for (const args of [[], ["--yes"]]) {
      const ran = await pawl(["prune", "nope", ...args], { cwd: folder.path });
      expect(ran).toMatchObject({ code: 102, stdout: "" });
      expect((await pawl(["prune", ...args], { cwd: folder.path })).code).toBe(2);
    }
    expect(await readdir(folder.path)).not.toContain(".pawl");
  });
});
