import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Summary } from "../cli/summary.ts";
import { pawl, startPawl } from "./pawl.ts";
import {
  changeJob,
  countProject,
  expectPlainWords,
  heldBefore,
  modelEpochs,
  saying,
  shown,
  shownText,
  upTo,
} from "./projects.ts";

describe.concurrent("pawl train", () => {
  it("trains to the end, and says so on stdout and what happens on stderr", async () => {
    await using folder = await countProject();
    const ran = await pawl(["train"], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/^count-1 finished: all 6 epochs are trained\n/);
    expect(ran.stdout).toMatch(/loss +4 {2}\(best 0 at epoch 4\)/);
    expect(ran.stdout).toContain(join(".pawl", "checkpoints", "count-1", "6-1"));
    expect(ran.stderr).toContain("epoch 6/6  loss 4");
    expect(ran.stderr).toContain("epoch 6 is committed with checkpoint 6-1");
    expect(ran.stderr).not.toContain("this is epoch");
    expectPlainWords(ran);
    expect(await modelEpochs(join(folder.path, ".pawl", "checkpoints", "count-1", "6-1"))).toEqual(upTo(6));
  });

  it("shows what the trainer prints with --verbose", async () => {
    await using folder = await countProject({ epochs: "2" });
    const ran = await pawl(["train", "--verbose"], { cwd: folder.path });
    expect(ran.stderr.match(/^this is epoch \d$/gm)).toEqual(["this is epoch 1", "this is epoch 2"]);
    expect(ran.stdout).not.toContain("this is epoch");
  });

  it("says that a finished run is finished, trains nothing, and begins another with --new", async () => {
    await using folder = await countProject({ epochs: "2" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const before = await shown(folder, "count-1");

    const again = await pawl(["train"], { cwd: folder.path });
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/^count-1 finished/);
    expect(again.stderr).toContain("It was finished already: nothing was trained");
    expect(again.stderr).toContain("--new");
    expect(await shown(folder, "count-1")).toEqual(before);

    const another = await pawl(["train", "--new"], { cwd: folder.path });
    expect(another.code).toBe(0);
    expect(another.stdout).toMatch(/^count-2 finished/);
    expect(another.stderr).not.toContain("finished already");
    expect(await readdir(join(folder.path, ".pawl", "journal"))).toEqual(["count-1", "count-2"]);
  });

  it("names the run as --run says, and refuses --new for a name that is taken", async () => {
    await using folder = await countProject({ epochs: "1" });
    const named = await pawl(["train", "--run", "Trial_7"], { cwd: folder.path });
    expect(named).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Trial_7 finished/) });
    const taken = await pawl(["train", "--run", "Trial_7", "--new"], { cwd: folder.path });
    expect(taken).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("there is a run Trial_7 already"),
    });
    expect(await readdir(join(folder.path, ".pawl", "journal"))).toEqual(["Trial_7"]);
  });

  it("goes on with the newest unfinished run of this job, whatever its name", async () => {
    await using folder = await countProject();
    expect((await pawl(["train", "--run", "first"], { cwd: folder.path })).code).toBe(0);
    const env = heldBefore(folder, 3);
    const running = startPawl(["train", "--run", "mine"], { cwd: folder.path, env });
    await saying(running, "is committed");
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(101);
    await changeJob(folder, { name: "other" });
    expect((await pawl(["train"], { cwd: folder.path })).stdout).toMatch(/^other-1 finished/);

    await changeJob(folder, { name: "count" });
    const on = await pawl(["train"], { cwd: folder.path });
    expect(on.code, on.stderr).toBe(0);
    expect(on.stdout).toMatch(/^mine finished/);
    const { history } = await shown(folder, "mine");
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(6));
    expect(history.attempts.length).toBe(2);
  });

  it("says which fields of the job act only on AWS", async () => {
    await using folder = await countProject({ epochs: "1", compute: "{gpus: 8}" });
    const ran = await pawl(["train"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining("compute acts only on AWS") });
  });

  it("keeps runs where --store or else PAWL_STORE says", async () => {
    await using folder = await countProject({ epochs: "1" });
    const env = { PAWL_STORE: "by-environment" };
    expect((await pawl(["train"], { cwd: folder.path, env })).code).toBe(0);
    expect((await pawl(["train", "--store", "by-option"], { cwd: folder.path, env })).code).toBe(0);
    const names = await readdir(folder.path);
    expect(names.sort()).toEqual(["by-environment", "by-option", "count.sh", "pawl.yaml"]);
    const there = await pawl(["show", "count-1"], { cwd: folder.path, env });
    expect(there.code).toBe(0);
  });

  it("prints exactly one JSON object on stdout with --json, whether the run finishes or fails", async () => {
    await using folder = await countProject({ epochs: "3" });
    const ran = await pawl(["train", "--json"], { cwd: folder.path });
    const summary = Summary.parse(JSON.parse(ran.stdout));
    expect(ran.stdout.trimEnd().split("\n").length).toBe(1);
    expect(summary).toMatchObject({ run: "count-1", status: "finished", epoch: 3, epochs: 3, examples: 30 });
    expect(summary.checkpoints.map(({ name }) => name)).toEqual(["2-1", "3-1"]);
    expect(summary.best).toEqual({ metric: "loss", value: 1, epoch: 3, checkpoint: "3-1" });

    await writeFile(join(folder.path, "count.sh"), "echo bad news; exit 3\n");
    const failing = await pawl(["train", "--json", "--new"], { cwd: folder.path });
    expect(failing.code).toBe(100);
    const failed = Summary.parse(JSON.parse(failing.stdout));
    expect(failed.failure).toMatchObject({ attempt: 5, class: "user-exception" });
    expect(failed).toMatchObject({ run: "count-2", status: "failed", epoch: 0, checkpoints: [] });
  });

  it("tells of a failing trainer: its last lines, what follows, and what to do", async () => {
    await using folder = await countProject({ retry: "{failuresWithoutProgress: 2, baseDelay: 0s}" });
    const printed = Array.from({ length: 30 }, (_, i) => `echo "line ${i + 1}"`).join("\n");
    await writeFile(
      join(folder.path, "count.sh"),
      `${printed}\nprintf '\\033[31mred\\033[0m end\\n' >&2; exit 3\n`,
    );
    const ran = await pawl(["train"], { cwd: folder.path });
    expect(ran.code).toBe(100);
    expectPlainWords(ran);
    const lines = ran.stderr.split("\n");
    const at = lines.findIndex((line) => line.includes("attempt 1 failed"));
    expect(lines[at]).toMatch(/attempt 1 failed: user-exception: the trainer exited with code 3$/);
    const tail = [...Array.from({ length: 9 }, (_, i) => `line ${i + 22}`), "red end"];
    expect(lines.slice(at + 1, at + 11).map((line) => line.trim())).toEqual(tail.map((line) => `│ ${line}`));
    expect(lines[at + 11]).toMatch(/^Recover +after .* lost; attempt 2 trains from epoch 1 on/);
    expect(ran.stderr).toContain("gave up: failed 2 times without a committed epoch between");
    expect(lines.at(-2)).toContain("Read what the trainer printed last");
    expect(ran.stdout).toMatch(
      /^count-1 failed\n +failure +attempt 2: user-exception: the trainer exited with code 3/,
    );
  });
});

describe.concurrent("a job file that changed since the run began", () => {
  it("is shown as a difference and refused, and accepted with --accept-changes, which the journal tells", async () => {
    await using folder = await countProject();
    const running = startPawl(["train"], { cwd: folder.path, env: heldBefore(folder, 4) });
    await saying(running, "epoch 2 is committed");
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(101);
    const before = await shown(folder, "count-1");

    await changeJob(folder, { epochs: "8", batchSize: "4" });
    const refused = await pawl(["train"], { cwd: folder.path });
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("epochs: 6 → 8");
    expect(refused.stderr).toContain("batchSize.size: absent → 4");
    expect(refused.stderr).toContain("--accept-changes");
    expectPlainWords(refused);
    const unchanged = await shown(folder, "count-1");
    expect(unchanged.history).toEqual(before.history);

    const accepted = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(accepted.code, accepted.stderr).toBe(0);
    expect(accepted.stderr).toContain("epochs: 6 → 8");
    const after = await shown(folder, "count-1");
    expect(after.history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(8));
    expect(after.history.epochs.at(-1)?.batchSize).toBe(4);
    expect(await shownText(folder, "count-1")).toMatch(/took-over .*accepted .*epochs: 6 → 8/);

    const plain = await pawl(["train"], { cwd: folder.path });
    expect(plain).toMatchObject({ code: 0, stderr: expect.stringContaining("finished already") });
  });

  it("is the same job where only comments, order, or defaults that are spelt out differ", async () => {
    await using folder = await countProject({ epochs: "2" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const text = [
      "# another comment",
      "retry: {baseDelay: 0s, maxDelay: 5min}",
      "epochs: 2",
      "checkpoint: {policy: keep, keep: 2, best: {mode: min, metric: loss}}",
      "seed: 0",
      "command:",
      "  - sh # the shell",
      "  - count.sh",
      "name: count",
    ];
    await writeFile(join(folder.path, "pawl.yaml"), `${text.join("\n")}\n`);
    const again = await pawl(["train"], { cwd: folder.path });
    expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining("finished already") });
    expect(again.stderr).not.toContain("differs");
  });

  it("goes on after the end with more epochs", async () => {
    await using folder = await countProject({ epochs: "2" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    await changeJob(folder, { epochs: "4" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(2);
    const on = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(on.code, on.stderr).toBe(0);
    const { history, checkpoints } = await shown(folder, "count-1");
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(4));
    expect(await modelEpochs(checkpoints.at(-1)?.address ?? "")).toEqual(upTo(4));
  });
});
