import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Summary } from "../cli/summary.ts";
import { filesBelow, pawl, processesNaming, startPawl } from "./pawl.ts";
import {
  countProject,
  expectPlainWords,
  heldBefore,
  modelEpochs,
  type Project,
  saying,
  shown,
  shownText,
  upTo,
} from "./projects.ts";

/** Nothing runs any more, and nothing of an attempt is left. */
async function expectNothingLeft({ path }: Project) {
  expect(await processesNaming(path)).toEqual([]);
  expect(await filesBelow(join(path, ".pawl", ".internal", "tmp"))).toEqual([]);
  expect(await filesBelow(join(path, ".pawl", ".internal", "scratch"))).toEqual([]);
}

/** The run is finished, each epoch was committed once, and the checkpoint holds each once. */
async function expectWhole(folder: Project, run: string) {
  const { status, history, checkpoints } = await shown(folder, run);
  expect(status).toBe("finished");
  expect(history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(6));
  expect(history.decisions.filter(({ kind }) => kind === "finished").length).toBe(1);
  expect(await modelEpochs(checkpoints.at(-1)?.address ?? "")).toEqual(upTo(6));
  await expectNothingLeft(folder);
}

describe("a signal in mid-training", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s commits what is trained and exits with 101, and pawl resume goes on to the end",
    async (signal) => {
      await using folder = await countProject();
      const running = startPawl(["train", "--json"], { cwd: folder.path, env: heldBefore(folder, 5) });
      await saying(running, "epoch 3/6");
      running.child.kill(signal);
      const ran = await running.done;
      expect(ran.code, ran.stderr).toBe(101);
      expectPlainWords(ran);
      expect(ran.stderr).toContain("stopping: saving what is trained");
      expect(ran.stderr).toContain("pawl resume count-1");
      const summary = Summary.parse(JSON.parse(ran.stdout));
      expect(summary.status).toBe("interrupted");
      expect(summary.epoch).toBeGreaterThanOrEqual(3);
      expect(summary.epoch).toBeLessThan(6);
      await expectNothingLeft(folder);

      const between = await shown(folder, "count-1");
      expect(between).toMatchObject({
        status: "interrupted",
        epoch: summary.epoch,
        driver: { alive: false },
      });
      expect(between.history.attempts.map(({ result }) => result)).toEqual(["interrupted"]);
      expect(await shownText(folder, "count-1")).toMatch(
        /^count-1 interrupted: nobody trains it now; 'pawl resume count-1 --store \S+\.pawl' goes on/,
      );

      const on = await pawl(["resume", "count-1"], { cwd: folder.path });
      expect(on.code, on.stderr).toBe(0);
      await expectWhole(folder, "count-1");
    },
  );

  it("that arrives twice, as npx and timeout pass it on, is one", async () => {
    await using folder = await countProject();
    const running = startPawl(["train"], { cwd: folder.path, env: heldBefore(folder, 5) });
    await saying(running, "epoch 3/6");
    running.child.kill("SIGINT");
    // Else the system delivers both as one.
    await sleep(5);
    running.child.kill("SIGINT");
    const ran = await running.done;
    expect(ran.code, ran.stderr).toBe(101);
    expect(ran.stderr).toContain("stopping: saving what is trained");
    expect(ran.stderr).not.toContain("stopped at once");
    expect((await shown(folder, "count-1")).epoch).toBeGreaterThanOrEqual(3);
    await expectNothingLeft(folder);
  });

  it("twice ends everything at once, and the next start goes on from the last commit", async () => {
    await using folder = await countProject({ command: `[sh, -c, "trap '' TERM; . ./count.sh"]` });
    // A trainer that does not leave when it is asked to: only the second Ctrl-C ends the wait for it.
    const gate = join(folder.path, "gate");
    const running = startPawl(["train"], { cwd: folder.path, env: { GATE: gate, GATE_EPOCH: "3" } });
    await saying(running, "epoch 2 is committed");
    running.child.kill("SIGINT");
    await saying(running, "stopping");
    // What follows within half a second is the same press.
    await sleep(600);
    running.child.kill("SIGINT");
    const ran = await running.done;
    expect(ran).toMatchObject({ code: 101, signal: null, stdout: "" });
    expect(ran.stderr).toContain("stopped at once");
    expectPlainWords(ran);
    // They are killed, and not waited for.
    await expect.poll(() => processesNaming(folder.path), { timeout: 20_000 }).toEqual([]);
    expect((await shown(folder, "count-1")).epoch).toBe(2);

    const on = await pawl(["train"], { cwd: folder.path });
    expect(on.code, on.stderr).toBe(0);
    await expectWhole(folder, "count-1");
  });

  it("ends a wait between two attempts too", async () => {
    await using folder = await countProject({
      command: "[sh, -c, exit 1]",
      retry: "{baseDelay: 1d, maxDelay: 1d}",
    });
    const running = startPawl(["train"], { cwd: folder.path });
    await saying(running, "trying again in");
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(101);
    expect((await shown(folder, "count-1")).status).toBe("interrupted");
    await expectNothingLeft(folder);
  });
});

describe("two that train one run", () => {
  it("are told apart: the second exits with 1 and names the process and host that has it", async () => {
    await using folder = await countProject();
    const gate = join(folder.path, "gate");
    const first = startPawl(["train"], { cwd: folder.path, env: { GATE: gate, GATE_EPOCH: "3" } });
    await saying(first, "epoch 2 is committed");
    for (const args of [["train"], ["resume", "count-1"]]) {
      const second = await pawl(args, { cwd: folder.path });
      expect(second).toMatchObject({ code: 1, stdout: "" });
      expect(second.stderr).toContain(
        `run count-1 is being trained by process ${first.child.pid} on ${hostname()}`,
      );
      expectPlainWords(second);
    }
    const while_ = await shown(folder, "count-1");
    expect(while_.driver).toMatchObject({
      alive: true,
      who: expect.stringContaining(`process ${first.child.pid} `),
    });
    expect(await shownText(folder, "count-1")).toContain(
      `count-1 training: by process ${first.child.pid} on ${hostname()}`,
    );
    await writeFile(gate, "");
    expect((await first.done).code).toBe(0);
    await expectWhole(folder, "count-1");
  });

  it("are one too many, however many start at the same moment", async () => {
    for (let round = 0; round < 3; round += 1) {
      await using folder = await countProject();
      // The one that trains does not end before the others have tried.
      const env = { GATE: join(folder.path, "gate"), GATE_EPOCH: "2" };
      let ended = 0;
      const all = Array.from({ length: 4 }, () => startPawl(["train"], { cwd: folder.path, env }));
      const ending = all.map(async ({ done }) => {
        const ran = await done;
        ended += 1;
        if (ended === 3) await writeFile(env.GATE, "");
        return ran;
      });
      const ran = await Promise.all(ending);
      const said = ran.map(({ stderr }) => stderr).join("\n");
      expect(ran.map(({ code }) => code).sort(), said).toEqual([0, 1, 1, 1]);
      const winner = all[ran.findIndex(({ code }) => code === 0)]?.child.pid;
      for (const { code, stderr } of ran) {
        if (code === 1)
          expect(stderr).toContain(`run count-1 is being trained by process ${winner} on ${hostname()}`);
      }
      await expectWhole(folder, "count-1");
    }
  });
});
