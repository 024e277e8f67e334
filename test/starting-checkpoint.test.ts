import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JournalEntry } from "../core/journal-entry.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { pawl, type Ran, root, startPawl } from "./pawl.ts";
import {
  changeJob,
  countProject,
  expectPlainWords,
  type Project,
  project,
  pulledEpochs,
  saying,
  upTo,
} from "./projects.ts";

let base: Project;

beforeAll(async () => {
  base = await countProject();
  const ran = await pawl(["train"], { cwd: base.path });
  expect(ran.code, ran.stderr).toBe(0);
});
afterAll(() => base[Symbol.asyncDispose]());

/** A folder whose run count-1 has trained 6 epochs, its best one the fourth, and keeps the checkpoints of 4, 5 and 6. */
async function trained(): Promise<Project> {
  const folder = await project({});
  await cp(base.path, folder.path, { recursive: true });
  return folder;
}

/** Trains two epochs in `folder` under the name tune, beginning from `from` as the job file has it. */
async function tune(folder: Project, from: string, ...args: string[]): Promise<Ran> {
  await changeJob(folder, { name: "tune", epochs: "2", checkpoint: `{from: ${from}}` });
  return await pawl(["train", ...args], { cwd: folder.path });
}

/** The epochs in the newest checkpoint of tune-1: those of what it began from, then its own. */
const tunedEpochs = (folder: Project, run = "tune-1") => pulledEpochs(folder, run);

async function history({ path }: Project, run = "tune-1"): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of openJournal(await openFolderStore(join(path, ".pawl"))).entries(run))
    entries.push(entry);
  return entries;
}

const weights = { "pretrained/model.txt": "epoch 1000\n" };

async function pretrained(): Promise<Project> {
  const folder = await countProject();
  await mkdir(join(folder.path, "pretrained"));
  await writeFile(join(folder.path, "pretrained/model.txt"), weights["pretrained/model.txt"]);
  return folder;
}

describe("a run that begins from a checkpoint", () => {
  it("begins from a folder, trains from epoch 1 on, and writes nothing into it", async () => {
    await using folder = await pretrained();
    const ran = await tune(folder, "./pretrained");
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain("attempt 1 trains from epoch 1 on, from ./pretrained");
    expect(await tunedEpochs(folder)).toEqual([1000, 1, 2]);
    expect(await readdir(join(folder.path, "pretrained"))).toEqual(["model.txt"]);
    expect(await readFile(join(folder.path, "pretrained/model.txt"), "utf8")).toBe("epoch 1000\n");
  });

  it("begins from a folder outside the job's, as a path and as a URL", async () => {
    await using elsewhere = await project({ "model.txt": "epoch 1000\n" });
    await using folder = await countProject();
    expect((await tune(folder, elsewhere.path)).code).toBe(0);
    expect((await tune(folder, `file://${elsewhere.path}`, "--new")).code).toBe(0);
    for (const run of ["tune-1", "tune-2"]) expect(await tunedEpochs(folder, run)).toEqual([1000, 1, 2]);
  });

  it("begins from another run's checkpoint, in every way of naming it", async () => {
    await using folder = await trained();
    const sources: [from: string, last: number][] = [
      ["count-1", 6],
      ["count-1@best", 4],
      ["count-1@5", 5],
      ["{run: count-1, epoch: best}", 4],
      ["./.pawl/checkpoints/count-1/5-1", 5],
    ];
    for (const [index, [from, last]] of sources.entries()) {
      const ran = await tune(folder, from, "--new");
      expect(ran.code, ran.stderr).toBe(0);
      expect(await tunedEpochs(folder, `tune-${index + 1}`), from).toEqual([...upTo(last), 1, 2]);
    }
  });

  it("begins from what pull has copied, and from a checkpoint's folder copied by hand", async () => {
    await using folder = await trained();
    expect(
      (await pawl(["pull", "count-1", "--epoch", "best", "--to", "base"], { cwd: folder.path })).code,
    ).toBe(0);
    expect((await tune(folder, "./base")).code).toBe(0);
    expect(await tunedEpochs(folder)).toEqual([...upTo(4), 1, 2]);
    await cp(join(folder.path, ".pawl/checkpoints/count-1/5-1"), join(folder.path, "copied"), {
      recursive: true,
    });
    expect((await tune(folder, "./copied", "--new")).code).toBe(0);
    expect(await tunedEpochs(folder, "tune-2")).toEqual([...upTo(5), 1, 2]);
    // manifest.json is no file of the checkpoint.
    expect(await readdir(join(folder.path, ".pawl/checkpoints/tune-2/2-1"))).toEqual([
      "manifest.json",
      "model.txt",
    ]);
    const manifest: unknown = JSON.parse(
      await readFile(join(folder.path, ".pawl/checkpoints/tune-2/2-1/manifest.json"), "utf8"),
    );
    expect(manifest).toMatchObject({ files: [{ path: "model.txt" }] });
  });

  it("begins from a run of another store, which it only reads; then it stands on its own", async () => {
    await using other = await trained();
    await using folder = await countProject();
    const before = await readdir(other.path, { recursive: true });
    const ran = await tune(folder, `{run: count-1, epoch: best, store: ${other.path}/.pawl}`);
    expect(ran.code, ran.stderr).toBe(0);
    expect((await readdir(other.path, { recursive: true })).sort()).toEqual(before.sort());
    await rm(join(other.path, ".pawl"), { recursive: true });
    expect(await tunedEpochs(folder)).toEqual([...upTo(4), 1, 2]);
    await changeJob(folder, { epochs: "3" });
    const more = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(more.code, more.stderr).toBe(0);
    expect(await tunedEpochs(folder)).toEqual([...upTo(4), 1, 2, 3]);
  });

  it.each([
    ["Python", "python3, train.py"],
    ["JavaScript", `"${process.execPath}", train.mjs`],
  ])("tells a trainer in %s so: its restored epoch is 0 then", async (_language, command) => {
    await using folder = await project({
      ...weights,
      "pawl.yaml": `name: tune\ncommand: [${command}]\nepochs: 2\nsegment: 1\ncheckpoint: {from: ./pretrained}\n`,
      "train.py": `
import json, os, pawl
with open(os.environ["SEEN"], "a") as seen:
    seen.write(json.dumps([pawl.run().restored_epoch, (pawl.restored() / "model.txt").read_text()]) + "\\n")
for epoch in pawl.epochs():
    epoch.checkpoint(lambda folder: (folder / "model.txt").write_text(f"mine {epoch.number}"))
`,
      "train.mjs": `
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { epochs, restored, run } from ${JSON.stringify(join(root, "trainer/index.ts"))};
const seen = [(await run()).restored.epoch, readFileSync(\`\${await restored()}/model.txt\`, "utf8")];
appendFileSync(process.env.SEEN, \`\${JSON.stringify(seen)}\\n\`);
for await (const epoch of epochs())
  await epoch.checkpoint((folder) => writeFileSync(\`\${folder}/model.txt\`, \`mine \${epoch.number}\`));
`,
    });
    const seen = join(folder.path, "seen.jsonl");
    const ran = await pawl(["train"], { cwd: folder.path, env: { SEEN: seen } });
    expect(ran.code, ran.stderr).toBe(0);
    const lines = (await readFile(seen, "utf8")).trim().split("\n");
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
      [0, "epoch 1000\n"],
      [1, "mine 1"],
    ]);
  });
});

describe("what a run begins from, while nothing is committed", () => {
  it("is the same again after the attempt, and then the whole command, was killed", async () => {
    await using folder = await trained();
    await changeJob(folder, { name: "tune", epochs: "2", checkpoint: "{from: count-1@last}" });
    const gate = join(folder.path, "gate");
    const env = { GATE_EPOCH: "1", GATE: gate };
    const first = startPawl(["train"], { cwd: folder.path, env });
    await saying(first, "attempt 1 runs as Batch job");
    first.child.kill("SIGKILL");
    await first.done;
    // The other run goes on meanwhile: its newest checkpoint is another now.
    await changeJob(folder, {
      name: "count",
      epochs: "7",
      checkpoint: "{keep: 2, best: {metric: loss, mode: min}}",
    });
    const longer = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(longer.code, longer.stderr).toBe(0);
    await writeFile(gate, "");
    await changeJob(folder, { name: "tune", epochs: "2", checkpoint: "{from: count-1@last}" });
    const again = await pawl(["train"], { cwd: folder.path, env });
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain("attempt 2 trains from epoch 1 on, from checkpoint 6-1 of run count-1");
    expect(await tunedEpochs(folder)).toEqual([...upTo(6), 1, 2]);
  });

  it("ends the run where it vanished, at once and in plain words, and goes on when it is put back", async () => {
    await using folder = await pretrained();
    await changeJob(folder, {
      name: "tune",
      epochs: "2",
      checkpoint: "{from: ./pretrained}",
      command: `[sh, -c, "mv \\"$HERE/pretrained\\" \\"$HERE/moved\\" && exit 3; sh count.sh"]`,
    });
    const env = { HERE: folder.path };
    const ran = await pawl(["train"], { cwd: folder.path, env });
    expect(ran.code).toBe(100);
    expectPlainWords(ran);
    expect(ran.stderr).toContain("starting-checkpoint");
    expect(ran.stderr + ran.stdout).toContain("checkpoint.from): there is no folder");
    expect(ran.stderr).toContain("Put back what 'checkpoint.from' names");
    expect((await history(folder)).at(-1)?.state.failures.total).toBe(2);
    await rename(join(folder.path, "moved"), join(folder.path, "pretrained"));
    await changeJob(folder, { command: "[sh, count.sh]" });
    const again = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(again.code, again.stderr).toBe(0);
    expect(await tunedEpochs(folder)).toEqual([1000, 1, 2]);
  });

  it("ends the run where it is damaged, with nothing of it given to the trainer", async () => {
    await using folder = await trained();
    await writeFile(join(folder.path, ".pawl/checkpoints/count-1/5-1/model.txt"), "epoch 1\n".repeat(5));
    const ran = await tune(folder, "count-1@5");
    expect(ran.code).toBe(100);
    expectPlainWords(ran);
    expect(ran.stderr).toContain("checkpoint 5-1 is damaged: model.txt has another digest than was saved");
    expect(ran.stderr).not.toContain("this is epoch");
    expect((await history(folder)).at(-1)?.state).toMatchObject({
      failures: { total: 1 },
      progress: { epoch: 0 },
    });
  });
});

describe("once an epoch is committed", () => {
  it("the run goes on without what it began from", async () => {
    await using folder = await pretrained();
    expect((await tune(folder, "./pretrained")).code).toBe(0);
    await rm(join(folder.path, "pretrained"), { recursive: true });
    await changeJob(folder, { epochs: "4" });
    const ran = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(0);
    expect(await tunedEpochs(folder)).toEqual([1000, 1, 2, 3, 4]);
  });

  it("another name there is a change like any other", async () => {
    await using folder = await pretrained();
    expect((await tune(folder, "./pretrained")).code).toBe(0);
    const changed = await tune(folder, "./absent");
    expect(changed.code).toBe(2);
    expect(changed.stderr).toContain('checkpoint.from.folder: "./pretrained" → "./absent"');
    expect((await tune(folder, "./absent", "--accept-changes")).code).toBe(0);
  });
});

describe("what is not there", () => {
  it.each([
    ["./absent", "checkpoint.from ./absent: there is no folder"],
    [
      "count-1@3",
      "checkpoint.from count-1@3: run count-1 has no checkpoint of epoch 3: it has those of epochs 4, 5, 6",
    ],
    ["cuont-1", "checkpoint.from cuont-1: there is no run cuont-1 in"],
    ["{run: count-1, store: ./absent}", "checkpoint.from count-1 in ./absent: there is no store at"],
    ["./count.sh", "is a file, not a folder"],
    ["./.pawl", "/.pawl is a store of runs, and no checkpoint"],
  ])("is refused before anything is started: %s", async (from, words) => {
    await using folder = await trained();
    const ran = await tune(folder, from);
    expect(ran.code, ran.stderr).toBe(102);
    expectPlainWords(ran);
    expect(ran.stderr).toContain(words);
    expect(ran.stderr).not.toContain("Open");
    expect(await readdir(join(folder.path, ".pawl/journal"))).toEqual(["count-1"]);
  });
});
