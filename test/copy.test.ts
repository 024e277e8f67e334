import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { copy, describeMoves, pulled, run, told } from "./moving-runs.ts";
import { filesBelow, pawl, startPawl } from "./pawl.ts";
import { countProject, expectPlainWords, saying, upTo } from "./projects.ts";

describeMoves("two folders", (folder) => [join(folder, "here"), join(folder, "there")]);

describe("pawl copy", () => {
  it("can be ended with Ctrl-C at any moment, says how to go on, and goes on without copying anything twice", async () => {
    await using folder = await countProject();
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const records = join(folder.path, ".pawl", "attempts", run, "1", "job", "log");
    await mkdir(records, { recursive: true });
    await Promise.all(upTo(2000).map((part) => writeFile(join(records, `${part}.txt`), `part ${part}`)));
    const args = ["copy", run, "--from", ".pawl", "--to", "there"];
    const running = startPawl(args, { cwd: folder.path });
    await saying(running, "copying 20");
    running.child.kill("SIGINT");
    const ran = await running.done;
    expect(ran).toMatchObject({ code: 101, stdout: "" });
    expect(ran.stderr).toContain("Run the same command again");
    expectPlainWords(ran);
    const before = (await filesBelow(join(folder.path, "there"))).filter((file) => !file.includes("lease"));
    const { objects } = told(await copy(folder, ".pawl", "there"));
    const after = (await filesBelow(join(folder.path, "there"))).filter((file) => !file.includes("lease"));
    expect(objects).toBe(after.length - before.length);
    expect(objects).toBeGreaterThan(0);
    expect(await pulled(folder, "there")).toEqual(upTo(6));
  });

  it("needs both stores, and two of them", async () => {
    await using folder = await countProject();
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    for (const [args, says] of [
      [["--to", "there"], "copy needs --from STORE"],
      [["--from", ".pawl"], "copy needs --to STORE"],
      [["--from", ".pawl", "--to", "./nothing/../.pawl"], "the same store"],
    ] as const) {
      const ran = await pawl(["copy", run, ...args], { cwd: folder.path });
      expect(ran).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(says) });
    }
    expect(await readdir(folder.path)).not.toContain("there");
  });

  it("says with 102 that there is no such run, and makes no store for it", async () => {
    await using folder = await countProject();
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    for (const [name, from] of [
      ["nope", ".pawl"],
      [run, "nowhere"],
    ] as const) {
      const ran = await pawl(["copy", name, "--from", from, "--to", "there"], { cwd: folder.path });
      expect(ran).toMatchObject({ code: 102, stdout: "" });
      expectPlainWords(ran);
    }
    expect((await readdir(folder.path)).sort()).toEqual([".pawl", "count.sh", "pawl.yaml"]);
  });

  it("leaves a damaged checkpoint behind and says so, and refuses where it is the newest", async () => {
    await using folder = await countProject({ checkpoint: "{keep: 3}" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const model = (name: string) => join(folder.path, ".pawl", "checkpoints", run, name, "model.txt");
    await cp(model("5-1"), `${folder.path}/whole`);
    await writeFile(model("5-1"), (await readFile(model("5-1"), "utf8")).replace("epoch 3", "epoch 9"));
    const ran = await copy(folder, ".pawl", "there");
    expect(told(ran)).toMatchObject({ checkpoints: 2, leftOut: [{ checkpoint: "5-1" }] });
    expect(ran.stderr).toMatch(/left out: checkpoint 5-1 is damaged in .*model\.txt has another digest/);
    expect(await pulled(folder, "there")).toEqual(upTo(6));

    // Made whole again, it follows.
    await rm(model("5-1"));
    await cp(`${folder.path}/whole`, model("5-1"));
    expect(told(await copy(folder, ".pawl", "there"))).toMatchObject({
      checkpoints: 3,
      leftOut: [],
      objects: 2,
    });

    await rm(model("6-1"));
    const refused = await pawl(["copy", run, "--from", ".pawl", "--to", "new"], { cwd: folder.path });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("checkpoint 6-1 is damaged: model.txt is missing");
    expect((await pawl(["show", run, "--store", "new"], { cwd: folder.path })).code).toBe(102);
  });
});
