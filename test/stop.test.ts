import { cp, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Stopped } from "../cli/stop.ts";
import { Summary } from "../cli/summary.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { readManifest } from "../store/checkpoints.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { filesBelow, pawl, processesNaming, type Ran, root, startPawl } from "./pawl.ts";
import {
  changeJob,
  countProject,
  expectPlainWords,
  heldBefore,
  type Project,
  project,
  saying,
  shown,
  shownText,
  upTo,
} from "./projects.ts";

const count = "count-1";

const storeOf = ({ path }: Project) => openFolderStore(join(path, ".pawl"));

async function entriesOf(folder: Project, run = count): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of openJournal(await storeOf(folder)).entries(run)) entries.push(entry);
  return entries;
}

const kindsOf = async (folder: Project, run = count) =>
  (await entriesOf(folder, run)).map(({ decision }) => decision.kind);

/** The newest checkpoint's files with their digests. */
async function filesOf(folder: Project, run: string) {
  const state = (await entriesOf(folder, run)).at(-1)?.state;
  const manifest = await readManifest(await storeOf(folder), run, state?.kept.at(-1)?.name ?? "");
  return manifest?.files.map(({ path, sha256, sizeBytes }) => ({ path, sha256, sizeBytes }));
}

async function expectNothingLeft({ path }: Project) {
  expect(await processesNaming(path)).toEqual([]);
  expect(await filesBelow(join(path, ".pawl", ".internal", "tmp"))).toEqual([]);
  expect(await filesBelow(join(path, ".pawl", ".internal", "scratch"))).toEqual([]);
}

const stopIt = (folder: Project, ...more: string[]) => pawl(["stop", count, ...more], { cwd: folder.path });
const resumeIt = (folder: Project) => pawl(["resume", count], { cwd: folder.path });
const stoppedOf = ({ stdout }: Ran): Stopped => Stopped.parse(JSON.parse(stdout));

/** A trainer that does not leave at once when it is asked to: the run takes its time to stop. */
const reluctant = () => countProject({ command: `[sh, -c, "trap '' TERM; . ./count.sh"]` });

/** Started, with one epoch committed, and held in the next. */
async function heldInSecond(folder: Project) {
  const env = { GATE: join(folder.path, "gate"), GATE_EPOCH: "2" };
  const running = startPawl(["train", "--json"], { cwd: folder.path, env });
  await saying(running, "epoch 1 is committed");
  return running;
}

describe("pawl stop, of a run that another process trains", () => {
  it.each([
    ["count", "a plain command", {}],
    ["steady", "a trainer that stays alive over epochs", { epochs: "60" }],
  ])(
    "commits what is trained, and pawl resume ends with what an undisturbed run ends with (%s: %s)",
    async (fixture, _, job) => {
      const run = `${fixture}-1`;
      await using alone = await project({});
      await using folder = await project({});
      for (const copy of [alone, folder]) {
        await cp(join(root, "test", "fixtures", fixture), copy.path, { recursive: true });
        await changeJob(copy, job);
      }
      const quick = { cwd: alone.path, env: { EPOCH_SECONDS: "0" } };
      expect((await pawl(["train"], quick)).code).toBe(0);

      const env = { ...heldBefore(folder, 5), EPOCH_SECONDS: "0.25" };
      const slow = { cwd: folder.path, env };
      const running = startPawl(["train", "--json"], slow);
      await saying(running, "epoch 2/");
      const stopped = await pawl(["stop", run, "--json"], { cwd: folder.path });
      expect(stopped.code, stopped.stderr).toBe(0);
      const ran = await running.done;
      expect(ran.code, ran.stderr).toBe(103);
      for (const each of [stopped, ran]) expectPlainWords(each);

      const entries = await entriesOf(folder, run);
      const asked = entries.findIndex(({ decision }) => decision.kind === "stop-asked");
      const reported = entries
        .slice(0, asked)
        .flatMap(({ event }) => (event.type === "report" ? [event.report.epoch] : []));
      const result = stoppedOf(stopped);
      const by = expect.stringContaining(`@${hostname()}`);
      expect(result).toEqual({ run, status: "stopped", epoch: result.epoch, by });
      expect(result.epoch).toBeGreaterThanOrEqual(Math.max(2, ...reported));
      expect(Summary.parse(JSON.parse(ran.stdout))).toMatchObject({
        status: "stopped",
        epoch: result.epoch,
        stop: { by },
      });
      expect(entries.at(-1)?.state).toMatchObject({ status: "stopped", live: [] });
      await expectNothingLeft(folder);

      const on = await pawl(["resume", run], { cwd: folder.path, env: { EPOCH_SECONDS: "0" } });
      expect(on.code, on.stderr).toBe(0);
      const last = await shown(folder, run);
      expect(last.history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(last.epochs));
      expect((await filesOf(folder, run))?.length).toBeGreaterThan(0);
      expect(await filesOf(folder, run)).toEqual(await filesOf(alone, run));
    },
  );

  it("says who stopped it, when, and what goes on; and once more that it is stopped already", async () => {
    await using folder = await countProject();
    const running = await heldInSecond(folder);
    const stopped = await stopIt(folder);
    expect(stopped).toMatchObject({ code: 0 });
    expect(stopped.stdout).toMatch(
      /^count-1 stopped by \S+@\S+; 1 of 6 epochs are committed, and 'pawl resume count-1' goes on\n$/,
    );
    expect(stopped.stderr).toContain(`process ${running.child.pid} on ${hostname()}`);
    expect((await running.done).stderr).toMatch(/@\S+ asks that it stop/);
    expect(await shownText(folder, count)).toMatch(
      /^count-1 stopped: by \S+@\S+ at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ; 'pawl resume count-1 --store \S+\.pawl' goes on/,
    );
    expect(await shownText(folder, count)).toMatch(/^ +decision +the run stops$/m);
    const before = await kindsOf(folder);
    const again = await stopIt(folder);
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/^count-1 is stopped already, by \S+@\S+ at 20.*1 of 6/);
    expect(await kindsOf(folder)).toEqual(before);
    expect((await resumeIt(folder)).code).toBe(0);
  });

  it("lets two who ask at once have one stop, and both are told that it has", async () => {
    await using folder = await reluctant();
    const running = await heldInSecond(folder);
    const both = await Promise.all([stopIt(folder, "--json"), stopIt(folder, "--json")]);
    for (const ran of both) {
      expect(ran.code, ran.stderr).toBe(0);
      expect(stoppedOf(ran)).toMatchObject({ status: "stopped", epoch: 1 });
    }
    expect((await running.done).code).toBe(103);
    const kinds = await kindsOf(folder);
    expect(kinds.filter((kind) => kind === "stop-asked")).toHaveLength(1);
    expect(kinds.filter((kind) => kind === "stopped")).toHaveLength(1);
    await expectNothingLeft(folder);
  });

  it("can be left waiting for: Ctrl-C and --no-wait end the waiting, and the run still stops", async () => {
    await using folder = await reluctant();
    const running = await heldInSecond(folder);
    const waiting = startPawl(["stop", count], { cwd: folder.path });
    const [atOnce] = await Promise.all([
      stopIt(folder, "--no-wait", "--json"),
      saying(waiting, "is to stop"),
    ]);
    expect(atOnce.code).toBe(0);
    expect(stoppedOf(atOnce)).toMatchObject({ status: "stopping", epoch: 1 });
    expect(await shownText(folder, count)).toMatch(
      /^count-1 training: by process .*; it stops, as \S+ asked/,
    );
    waiting.child.kill("SIGINT");
    const left = await waiting.done;
    expect(left).toMatchObject({ code: 101, signal: null });
    expect(left.stderr).toContain("no longer waiting; run count-1 still stops");
    expect((await running.done).code).toBe(103);
    await expectNothingLeft(folder);
  });

  it("is final where that process is killed before it has stopped", async () => {
    await using folder = await reluctant();
    const running = await heldInSecond(folder);
    const waiting = startPawl(["stop", count, "--json"], { cwd: folder.path });
    await saying(waiting, "is to stop");
    running.child.kill("SIGKILL");
    const stopped = await waiting.done;
    expect(stopped.code, stopped.stderr).toBe(0);
    expect(stoppedOf(stopped)).toMatchObject({ status: "stopped", epoch: 1 });
    const on = await resumeIt(folder);
    expect(on.code, on.stderr).toBe(0);
    expect((await shown(folder, count)).history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(6));
    await expectNothingLeft(folder);
  });

  it("leaves one end where the run comes to its own at that moment", async () => {
    for (let round = 0; round < 4; round += 1) {
      await using folder = await countProject({ epochs: "3" });
      const running = startPawl(["train"], { cwd: folder.path, env: { EPOCH_SECONDS: "0.2" } });
      // About as long as pawl stop takes to start.
      await saying(running, `epoch ${1 + (round % 3)}/3`);
      const stopped = await stopIt(folder);
      const ran = await running.done;
      const { status, epoch } = await shown(folder, count);
      if (status === "stopped") {
        expect({ train: ran.code, stop: stopped.code }, ran.stderr).toEqual({ train: 103, stop: 0 });
      } else {
        expect({ status, epoch }).toEqual({ status: "finished", epoch: 3 });
        expect(ran.code).toBe(0);
        expect([0, 2]).toContain(stopped.code);
        expect(stopped.code === 0 ? stopped.stdout : stopped.stderr).toContain("finished");
      }
      await expectNothingLeft(folder);
    }
  });
});

describe("pawl stop, of a run that nobody trains at the moment", () => {
  it("ends a wait between two attempts, at once and for good", async () => {
    await using folder = await countProject({
      command: "[sh, -c, exit 1]",
      retry: "{baseDelay: 1d, maxDelay: 1d}",
    });
    const running = startPawl(["train", "--json"], { cwd: folder.path });
    await saying(running, "trying again in");
    const stopped = await stopIt(folder, "--json");
    expect(stopped.code, stopped.stderr).toBe(0);
    expect(stoppedOf(stopped)).toMatchObject({ status: "stopped", epoch: 0 });
    // By then nobody has the run any more: whoever starts it again is let in.
    const { driver, status } = await shown(folder, count);
    expect({ status, alive: driver.alive }).toEqual({ status: "stopped", alive: false });
    const ran = await running.done;
    expect(ran.code, ran.stderr).toBe(103);
    expect(await kindsOf(folder)).toEqual(["opened", "claimed", "ended", "waiting", "stopped"]);
    await expectNothingLeft(folder);
  });

  it("is final where its process was killed, and pawl train settles what that left and goes on", async () => {
    await using folder = await countProject();
    const running = await heldInSecond(folder);
    running.child.kill("SIGKILL");
    await running.done;
    expect((await shown(folder, count)).status).toBe("interrupted");
    const stopped = await stopIt(folder, "--json");
    expect(stopped.code, stopped.stderr).toBe(0);
    expect(stoppedOf(stopped)).toMatchObject({ status: "stopped", epoch: 1 });
    expect((await kindsOf(folder)).at(-1)).toBe("stopped");
    await writeFile(join(folder.path, "gate"), "");
    const on = await pawl(["train"], { cwd: folder.path });
    expect(on.code, on.stderr).toBe(0);
    expect(on.stderr).toContain("resumed after it was stopped by");
    expect((await shown(folder, count)).history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(6));
  });

  it("is refused for one that has finished or failed, with nothing journalled", async () => {
    await using folder = await countProject();
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    await changeJob(folder, { command: "[sh, -c, exit 1]", retry: "{failuresWithoutProgress: 1}" });
    expect((await pawl(["train", "--new"], { cwd: folder.path })).code).toBe(100);
    for (const [run, status] of [
      ["count-1", "finished"],
      ["count-2", "failed"],
    ] as const) {
      const before = await kindsOf(folder, run);
      const refused = await pawl(["stop", run, "--json"], { cwd: folder.path });
      expect(refused.code).toBe(2);
      expect(JSON.parse(refused.stdout)).toMatchObject({
        error: { code: "RUN_OVER", message: expect.stringContaining(`run ${run} is ${status}`) },
      });
      expectPlainWords(refused);
      expect(await kindsOf(folder, run)).toEqual(before);
    }
  });

  it("knows no run by a name that there is not, and makes no store", async () => {
    await using folder = await project({});
    const unknown = await stopIt(folder);
    expect(unknown.code).toBe(102);
    expectPlainWords(unknown);
    expect(await filesBelow(folder.path)).toEqual([]);
    expect((await pawl(["stop", "no such name"], { cwd: folder.path })).code).toBe(2);
  });
});
