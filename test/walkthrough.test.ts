import { spawn } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HistoryReader } from "../core/history.ts";
import type { TrainingJobInput } from "../core/job.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { openRun } from "../lambdas/open.ts";
import { run as openedRun } from "../lambdas/testing/fake-world.ts";
import { StateError } from "../local/interpreter.ts";
import { BatchWorld } from "../local/testing/batch-world.ts";
import { readManifest } from "../store/checkpoints.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { ProcessIdentity } from "../store/process-identity.ts";
import { filesBelow, processesNaming, type Ran, type Running, root, temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import type { Harm, Sabotage } from "./sabotage.ts";

const run = "count-1";
const source = join(root, "test", "fixtures", "count");
const job: TrainingJobInput = {
  name: "count",
  command: ["sh", "count.sh"],
  epochs: 3,
  retry: { baseDelay: "0s" },
};
const segmented: TrainingJobInput = { ...job, segment: 1 };

interface Setting {
  readonly job: TrainingJobInput;
  readonly turnsPerExecution?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Trains in a process of its own, which may do itself some harm. */
function start(store: string, { job, turnsPerExecution = 1000, env }: Setting, harm?: Harm): Running {
  const sabotage: Omit<Sabotage, "harm"> & { harm?: Harm } = {
    store,
    source,
    run,
    job,
    turnsPerExecution,
    harm,
  };
  const script = join(root, "test", "fixtures", "sabotaged-runner.ts");
  const child = spawn(process.execPath, [script, JSON.stringify(sabotage)], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const done = new Promise<Ran>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, done };
}

async function entriesIn(store: string): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of openJournal(await openFolderStore(store)).entries(run)) entries.push(entry);
  return entries;
}

/** One history: each epoch committed once and in its order, and all of them in the last checkpoint, once. */
async function expectWhole(folder: string): Promise<JournalEntry[]> {
  const entries = await entriesIn(folder);
  const committed: number[] = [];
  for (const { state } of entries) {
    for (let epoch = (committed.at(-1) ?? 0) + 1; epoch <= state.progress.epoch; epoch += 1)
      committed.push(epoch);
    expect(state.progress.epoch).toBe(committed.at(-1) ?? 0);
  }
  expect(committed).toEqual(upTo(3));
  const last = entries.at(-1);
  expect(last?.state).toMatchObject({ status: "finished", live: [] });
  const reader = new HistoryReader();
  for (const entry of entries) reader.add(entry);
  expect(reader.history()?.epochs.map(({ report }) => report.epoch)).toEqual(upTo(3));

  const store = await openFolderStore(folder);
  const manifest = await readManifest(store, run, last?.state.kept.at(-1)?.name ?? "");
  const model = await store.read(manifest?.files[0]?.key ?? "");
  const lines = Buffer.from(model?.bytes ?? [])
    .toString()
    .trim()
    .split("\n");
  expect(lines).toEqual(upTo(3).map((epoch) => `epoch ${epoch}`));

  expect(await processesNaming(folder)).toEqual([]);
  expect(await filesBelow(join(folder, ".internal", "scratch"))).toEqual([]);
  return entries;
}

/** Goes on without further harm, to the end. */
async function goOn(store: string, setting: Setting): Promise<JournalEntry[]> {
  const ran = await start(store, setting).done;
  expect(ran, ran.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("finished") });
  return await expectWhole(store);
}

const kindsOf = (entries: readonly JournalEntry[]) => entries.map(({ decision }) => decision.kind);

describe("the answer to a decision is lost after its journal entry", () => {
  it.each(["opened", "attempt-planned", "finished"])(
    "the state machine's, at '%s': the next start is given it again",
    async (entry) => {
      await using folder = await temporaryFolder();
      const lost = await start(folder.path, { job: segmented }, { entry, act: "throw" }).done;
      expect(lost, lost.stderr).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("answer was lost"),
      });
      const entries = await goOn(folder.path, { job: segmented });
      if (entry !== "attempt-planned")
        expect(kindsOf(entries).filter((kind) => kind === entry)).toHaveLength(1);
    },
  );

  it.each(["claimed", "reported", "committed", "ended"])(
    "an attempt's, at '%s': the attempt ends, and what is in the journal stands",
    async (entry) => {
      await using folder = await temporaryFolder();
      const ran = await start(folder.path, { job }, { entry, act: "throw" }).done;
      expect(ran, ran.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("finished") });
      const entries = await expectWhole(folder.path);
      expect(entries.at(-1)?.state.failures.total).toBe(entry === "ended" ? 0 : 1);
    },
  );
});

describe("the agent dies between manifest and commit", () => {
  it("its checkpoint is adopted, and trained on from", async () => {
    await using folder = await temporaryFolder();
    const ran = await start(folder.path, { job }, { manifest: "2-1" }).done;
    expect(ran, ran.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("finished") });
    const entries = await expectWhole(folder.path);
    const recovered = entries.filter(({ decision }) => decision.kind === "recovered");
    expect(recovered.map(({ decision }) => decision.reason)).toEqual([
      expect.stringMatching(
        /adopted its checkpoint 2-1; attempt 2 trains from epoch 3 on, from checkpoint 2-1/,
      ),
    ]);
    expect(recovered[0]?.state.recent).toMatchObject([
      { report: { epoch: 1 } },
      { report: { epoch: 2 }, attempt: 1 },
    ]);
  });
});

/** The process on record for the only attempt in a store. */
async function recorded(store: string, name: "agent" | "trainer"): Promise<number> {
  const scratch = join(store, ".internal", "scratch", run);
  const [attempt = ""] = await readdir(scratch);
  return ProcessIdentity.parse(JSON.parse(await readFile(join(scratch, attempt, `${name}.json`), "utf8")))
    .pid;
}

const saying = async ({ child }: Running, text: string): Promise<void> => {
  let said = "";
  await new Promise<void>((resolve) => {
    child.stderr?.on("data", (chunk) => {
      said += chunk;
      if (said.includes(text)) resolve();
    });
  });
};

describe("the runner is killed, and something of its attempt lives on", () => {
  it.each([
    ["its agent, stopped", "count.sh", true],
    ["its agent, stopped, and a trainer that has left for a session of its own", "setsid", true],
    ["a trainer that does not listen, for a moment", "trap", false],
  ])("%s: it is ended by the next start, and there is one history", async (_, how, stopped) => {
    await using folder = await temporaryFolder();
    const gate = join(folder.path, "gate");
    const env = { GATE: gate, GATE_EPOCH: "3" };
    const commands: Record<string, string[]> = {
      setsid: ["setsid", "--wait", "sh", "count.sh"],
      trap: ["sh", "-c", "trap '' TERM HUP; . ./count.sh"],
    };
    const setting = { job: { ...job, command: commands[how] ?? ["sh", "count.sh"] }, env };
    const first = start(folder.path, setting);
    await saying(first, "this is epoch 2");
    while ((await entriesIn(folder.path)).at(-1)?.state.progress.epoch !== 2);
    const agent = await recorded(folder.path, "agent");
    if (stopped) process.kill(agent, "SIGSTOP");
    first.child.kill("SIGKILL");
    await first.done;
    if (stopped) expect((await processesNaming(folder.path)).length).toBeGreaterThanOrEqual(2);
    // What lives on may go on, while another has the run.
    await writeFile(gate, "");
    const entries = await goOn(folder.path, setting);
    expect(kindsOf(entries).filter((kind) => kind === "took-over")).toHaveLength(1);
  });
});

describe("a zombie wakes up behind a new attempt", () => {
  it("it is told to leave, leaves, and changes nothing", async () => {
    await using folder = await temporaryFolder();
    const script = `
if [ $PAWL_EPOCH = 2 ] && [ $PAWL_ATTEMPT = 1 ]; then echo begun; while [ ! -e ${folder.path}/gate ]; do sleep 0.02; done; fi
echo "epoch $PAWL_EPOCH of $PAWL_ATTEMPT" >> "$PAWL_CHECKPOINT_DIR/model.txt"
`;
    const it_ = await BatchWorld.make(folder.path, script, { epochs: 3 });
    const zombie = it_.submit(1).catch((error: unknown) => error);
    await it_.saying("begun");
    while ((await it_.world.state())?.progress.epoch !== 1);
    const [attempt = ""] = await readdir(it_.scratch);
    const record = await readFile(join(it_.scratch, attempt, "agent.json"), "utf8");
    const { pid } = ProcessIdentity.parse(JSON.parse(record));
    process.kill(pid, "SIGSTOP");

    // Another driver believes it dead: the jobs of this world run only where they are said to.
    const next = await openRun(it_.ports)({ input: { run: openedRun }, driver: { id: "b", execution: "b" } });
    expect(next).toMatchObject({ action: "train", generation: 2, train: { attempt: 2 } });
    await writeFile(join(folder.path, "gate"), "");
    const other = it_.submit(2);
    while ((await it_.world.state())?.live[0]?.batchJobId === undefined);
    process.kill(pid, "SIGCONT");

    await other;
    const ended = await zombie;
    if (!(ended instanceof StateError)) return expect.unreachable("the zombie leaves");
    const { JobId, Container } = JSON.parse(ended.cause);
    expect(Container.ExitCode).toBe(18);
    expect(await it_.world.outcome(JobId)).toMatchObject({ result: "left" });
    expect((await it_.world.state())?.recent).toMatchObject([
      { attempt: 1, checkpoint: "1-1" },
      { attempt: 2, checkpoint: "2-2" },
      { attempt: 2, checkpoint: "3-2" },
    ]);
    const model = await it_.world.store.read(`checkpoints/${openedRun}/3-2/model.txt`);
    expect(Buffer.from(model?.bytes ?? []).toString()).toBe("epoch 1 of 1\nepoch 2 of 2\nepoch 3 of 2\n");
  });
});

describe("a crash in a hand-over", () => {
  const setting = { job: segmented, turnsPerExecution: 2 };
  const steps: [string, Harm][] = [
    ["before it is journalled", { entry: "handed-over", when: "before" }],
    ["when it is journalled, and nobody knows", { entry: "handed-over" }],
    ["before the successor is started", { state: "Continue" }],
    ["when the successor is to open the run", { state: "Open", nth: 2 }],
    ["before the successor's entry", { entry: "took-over", when: "before" }],
    ["after the successor's entry", { entry: "took-over" }],
    ["when the successor's first attempt is to be submitted", { state: "Train", nth: 3 }],
  ];

  it.each(steps)("%s: the next start goes on, with one history", async (_, harm) => {
    await using folder = await temporaryFolder();
    const crashed = await start(folder.path, setting, harm).done;
    expect(crashed.signal, crashed.stderr).toBe("SIGKILL");
    const entries = await goOn(folder.path, setting);
    expect(kindsOf(entries)).toContain("took-over");
    expect(entries.at(-1)?.state.failures.recent.filter((each) => each.class !== "interrupted")).toEqual([]);
  });

  it("none: each execution hands over to the next, and every epoch is committed once", async () => {
    await using folder = await temporaryFolder();
    const entries = await goOn(folder.path, setting);
    const handed = entries.filter(({ decision }) => decision.kind === "handed-over");
    expect(handed.map(({ state }) => state.successor)).toEqual(
      entries
        .filter(({ decision }) => decision.kind === "took-over")
        .map(({ state }) => state.driver.execution),
    );
    expect(handed.length).toBeGreaterThan(0);
  });
});
