import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Summary } from "../cli/summary.ts";
import { WatchedDecision } from "../cli/watch.ts";
import { pawl, startPawl } from "./pawl.ts";
import { countProject, expectPlainWords, type Project, saying, shown } from "./projects.ts";

/** Training that stays at the beginning of epoch 3 until `open` is called. */
async function gated(folder: Project) {
  const gate = join(folder.path, "gate");
  const training = startPawl(["train"], { cwd: folder.path, env: { GATE: gate, GATE_EPOCH: "3" } });
  await saying(training, "epoch 2 is committed");
  return { training, open: () => writeFile(gate, "") };
}

/** From where `text` is first. */
const from = (all: string, text: string): string => all.slice(all.indexOf(text));

describe.concurrent("pawl watch", () => {
  it("shows what the one who trains sees, from now on, and ends with the same summary", async () => {
    await using folder = await countProject();
    const { training, open } = await gated(folder);
    const watching = startPawl(["watch", "count-1"], { cwd: folder.path });
    await saying(watching, "2 of 6 epochs committed");
    await open();
    const [trained, watched] = [await training.done, await watching.done];
    expect(watched.code, watched.stderr).toBe(0);
    expectPlainWords(watched);
    expect(watched.stdout).toBe(trained.stdout);
    const third = "          epoch 3/6  loss 1";
    expect(from(watched.stderr, third)).toBe(from(trained.stderr, third));
    expect(watched.stderr).toMatch(/^run count-1, job count \([0-9a-f]{8}\), store /);
    expect(watched.stderr).toMatch(/\ntraining, by process \d+ on .+: 2 of 6 epochs committed; \d+ s ago: /);
  });

  it("shows failures and recoveries by the state machine's names", async () => {
    await using folder = await countProject({ epochs: "3" });
    const gate = join(folder.path, "go");
    const script = `
      while [ ! -e ${gate} ]; do sleep 0.02; done
      if [ "$PAWL_ATTEMPT" = 1 ]; then echo 'no luck'; exit 3; fi
      echo "$PAWL_EPOCH" > "$PAWL_CHECKPOINT_DIR/model.txt"`;
    await writeFile(join(folder.path, "count.sh"), script);
    const training = startPawl(["train"], { cwd: folder.path });
    await saying(training, "attempt 1 runs");
    const watching = startPawl(["watch", "count-1"], { cwd: folder.path });
    await saying(watching, "0 of 3 epochs committed");
    await writeFile(gate, "");
    const [trained, watched] = [await training.done, await watching.done];
    expect(watched.code, watched.stderr).toBe(0);
    const failure = "attempt 1 failed: user-exception";
    expect(from(watched.stderr, failure)).toBe(from(trained.stderr, failure));
    expect(watched.stderr).toMatch(/^Recover +/m);
    expect(watched.stderr).toContain("│ no luck");
  });

  it("prints a JSON object for each decision, and the summary last", async () => {
    await using folder = await countProject();
    const { training, open } = await gated(folder);
    const watching = startPawl(["watch", "count-1", "--json"], { cwd: folder.path });
    const first = Promise.withResolvers<void>();
    watching.child.stdout?.once("data", () => first.resolve());
    await first.promise;
    await open();
    const { code, stdout, stderr } = await watching.done;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const summary = Summary.parse(lines.pop());
    expect(summary).toMatchObject({ run: "count-1", status: "finished", epoch: 6 });
    const decisions = lines.map((line) => WatchedDecision.parse(line));
    const { history } = await shown(folder, "count-1");
    expect(decisions.map(({ sequence, at, kind, reason }) => ({ sequence, at, kind, reason }))).toEqual(
      history.decisions.slice(-decisions.length),
    );
    // The last report of a segment travels with its commit.
    const [reported, committed] = ["reported", "committed"].map((which) =>
      decisions.filter(({ kind }) => kind === which).at(-1),
    );
    expect(reported).toMatchObject({ attempt: 1, epoch: 5, metrics: { loss: 1 } });
    expect(committed).toMatchObject({ attempt: 1, epoch: 6, metrics: { loss: 4 } });
    await training.done;
  });

  it("leaves with 0 at Ctrl-C, and training goes on", async () => {
    await using folder = await countProject();
    const { training, open } = await gated(folder);
    const watching = startPawl(["watch", "count-1"], { cwd: folder.path });
    await saying(watching, "2 of 6 epochs committed");
    watching.child.kill("SIGINT");
    const left = await watching.done;
    expect(left).toMatchObject({ code: 0, stdout: "" });
    expect(left.stderr).toContain("no longer watching; training of run count-1 goes on");
    const unread = startPawl(["watch", "count-1", "--json"], { cwd: folder.path });
    unread.child.stdout?.once("data", () => unread.child.stdout?.destroy());
    await open();
    expect((await unread.done).code).toBe(0);
    expect((await training.done).code).toBe(0);
  });

  it("says with 101 that nobody trains it any more, with 100 that it failed, with 103 that it was stopped", async () => {
    await using folder = await countProject({ retry: "{failuresWithoutProgress: 1}" });
    const { training } = await gated(folder);
    const watching = startPawl(["watch", "count-1"], { cwd: folder.path });
    await saying(watching, "2 of 6 epochs committed");
    training.child.kill("SIGKILL");
    const alone = await watching.done;
    expect(alone.code, alone.stderr).toBe(101);
    expect(alone.stdout).toMatch(/^count-1 interrupted\n/);
    expect(alone.stderr).toContain("Nobody trains it now; 'pawl resume count-1' goes on.");
    const attempt = (await pawl(["show", "count-1"], { cwd: folder.path })).stdout;
    expect(attempt).toMatch(/^ {2}1 +20\S+ \S+Z +gone +epochs 1–2$/m);

    const stopping = startPawl(["resume", "count-1"], {
      cwd: folder.path,
      env: { GATE: join(folder.path, "gate"), GATE_EPOCH: "3" },
    });
    await saying(stopping, "attempt 2 runs");
    expect((await pawl(["stop", "count-1"], { cwd: folder.path })).code).toBe(0);
    expect((await stopping.done).code).toBe(103);
    expect((await pawl(["watch", "count-1"], { cwd: folder.path })).code).toBe(103);

    await rm(join(folder.path, "count.sh"));
    expect((await pawl(["resume", "count-1"], { cwd: folder.path })).code).toBe(100);
    const failed = await pawl(["watch", "count-1"], { cwd: folder.path });
    expect(failed.code).toBe(100);
    expect(failed.stdout).toMatch(/^count-1 failed\n/);
  });
});
