import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointList } from "../cli/checkpoints.ts";
import { pawl, startPawl } from "./pawl.ts";
import { countProject, expectPlainWords, type Project, saying } from "./projects.ts";

const listed = async (folder: Project): Promise<CheckpointList> => {
  const ran = await pawl(["checkpoints", "count-1", "--json"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  return CheckpointList.parse(JSON.parse(ran.stdout));
};

describe.concurrent("pawl checkpoints", () => {
  it("lists those that are kept: which is best and last, what they refer to, and where they are", async () => {
    await using folder = await countProject({ checkpoint: "{keep: 2, best: {metric: loss, mode: min}}" });
    await writeFile(
      join(folder.path, "count.sh"),
      `echo constant > "$PAWL_CHECKPOINT_DIR/vocabulary.txt"
      echo "$PAWL_EPOCH" > "$PAWL_CHECKPOINT_DIR/model.txt"
      echo "{\\"loss\\": $(( (PAWL_EPOCH - 2) * (PAWL_EPOCH - 2) ))}" > "$PAWL_METRICS_FILE"`,
    );
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const { checkpoints, others, metric } = await listed(folder);
    expect(metric).toBe("loss");
    expect(others).toEqual([]);
    const address = (name: string) => join(folder.path, ".pawl", "checkpoints", "count-1", name);
    const kept = { files: 2, sizeBytes: 11, best: false, last: false, refersTo: ["1-1"] };
    expect(checkpoints).toMatchObject([
      { name: "1-1", refersTo: [] },
      { ...kept, name: "2-1", epoch: 2, best: true, bestValue: 0, address: address("2-1") },
      { ...kept, name: "5-1", epoch: 5, bestValue: 9, address: address("5-1") },
      { ...kept, name: "6-1", epoch: 6, last: true, bestValue: 16, address: address("6-1") },
    ]);
    const human = await pawl(["checkpoints", "count-1"], { cwd: folder.path });
    expect(human).toMatchObject({ code: 0, stderr: "" });
    expectPlainWords(human);
    expect(human.stdout).toMatch(/^checkpoint +epoch +size +files +loss +refers to$/m);
    expect(human.stdout).toMatch(/^2-1 +2 +11 B +2 +0 +best +1-1$/m);
    expect(human.stdout).toMatch(/^6-1 +6 +11 B +2 +16 +last +1-1$/m);
  });

  it("lists apart what else is in the store, and tells of kept ones that are damaged", async () => {
    await using folder = await countProject({ epochs: "5", checkpoint: "{keep: 4}" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const at = (...path: string[]) => join(folder.path, ".pawl", "checkpoints", "count-1", ...path);
    await writeFile(at("2-1", "manifest.json"), "{");
    await rm(at("3-1", "manifest.json"));
    for (const name of ["6-2", "7-2"]) {
      await mkdir(at(name));
      await writeFile(at(name, "model.txt"), "12345");
    }
    await writeFile(at("7-2", "manifest.json"), "{");
    const { checkpoints, others } = await listed(folder);
    expect(checkpoints.map(({ name, damaged }) => [name, damaged !== undefined])).toEqual([
      ["2-1", true],
      ["3-1", true],
      ["4-1", false],
      ["5-1", false],
    ]);
    expect(others).toMatchObject([
      { name: "6-2", what: "incomplete", files: 1, sizeBytes: 5 },
      {
        name: "7-2",
        what: "damaged",
        files: 1,
        damaged: expect.stringContaining("manifest.json cannot be read"),
      },
    ]);
    const human = await pawl(["checkpoints", "count-1"], { cwd: folder.path });
    expect(human.stdout).toMatch(/^Not kept, and in the store\n {2}6-2 +5 B +1 file +without a manifest/m);
    expect(human.stdout).toMatch(/^2-1 .*damaged$/m);
    expectPlainWords(human);
  });

  it("tells a complete checkpoint that no decision counts from those that it does", async () => {
    await using folder = await countProject();
    const gate = join(folder.path, "gate");
    const training = startPawl(["train"], { cwd: folder.path, env: { GATE: gate, GATE_EPOCH: "3" } });
    await saying(training, "epoch 2 is committed");
    // As after a crash between manifest and commit: the decisions from the commit on are not there.
    training.child.kill("SIGKILL");
    await training.done;
    const { decisions } = JSON.parse(
      (await pawl(["show", "count-1", "--json"], { cwd: folder.path })).stdout,
    ).history;
    const commit = decisions.findLast(({ kind }: { kind: string }) => kind === "committed").sequence;
    for (const { sequence } of decisions.filter((each: { sequence: number }) => each.sequence >= commit)) {
      const name = `${String(sequence).padStart(10, "0")}.json`;
      await rm(join(folder.path, ".pawl", "journal", "count-1", name));
    }
    const { checkpoints, others } = await listed(folder);
    expect(checkpoints.map(({ name }) => name)).toEqual(["1-1"]);
    expect(others).toMatchObject([{ name: "2-1", what: "uncommitted", files: 1 }]);
  });

  it("says of a run that keeps nothing that it does", async () => {
    await using folder = await countProject({ epochs: "1", checkpoint: "none" });
    await writeFile(join(folder.path, "count.sh"), "true\n");
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const human = await pawl(["checkpoints", "count-1"], { cwd: folder.path });
    expect(human.stdout).toContain("run count-1 keeps no checkpoint");
    expect(await listed(folder)).toMatchObject({ checkpoints: [], others: [] });
  });
});
