import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { HistoryReader } from "../core/history.ts";
import { readManifest } from "../store/checkpoints.ts";
import { openJournal } from "../store/journal.ts";
import { openStore } from "../store/open-store.ts";
import { ProcessIdentity } from "../store/process-identity.ts";
import { filesBelow, pawl, processesNaming, root, startPawl, temporaryFolder } from "./pawl.ts";

const job = join(root, "test", "fixtures", "steady", "pawl.yaml");
const run = "steady-1";
export const kills = 50;

/** A store of its own, for one run. */
export interface RunStore {
  readonly address: string;
  /** Where the attempts of its runs work. */
  readonly scratch: string;
  /** What a killed writer may have left: temporary files, unfinished uploads. */
  leftovers(): Promise<string[]>;
}

/** A run's final checkpoint as paths and digests, and the epochs in the order in which they were committed. */
async function outcome({ address }: RunStore) {
  const store = await openStore(address);
  const reader = new HistoryReader();
  const committed: number[] = [];
  let before = 0;
  for await (const entry of openJournal(store).entries(run)) {
    reader.add(entry);
    for (let epoch = before + 1; epoch <= entry.state.progress.epoch; epoch += 1) committed.push(epoch);
    expect(entry.state.progress.epoch).toBeGreaterThanOrEqual(before);
    before = entry.state.progress.epoch;
  }
  const history = reader.history();
  const name = history?.state.kept.at(-1)?.name ?? "";
  const manifest = await readManifest(store, run, name);
  return {
    status: history?.state.status,
    committed,
    reported: history?.epochs.map((epoch) => epoch.report.epoch),
    metrics: history?.epochs.map((epoch) => epoch.report.metrics),
    files: manifest?.files.map(({ path, sha256, sizeBytes }) => ({ path, sha256, sizeBytes })),
    failures: history?.state.failures.total ?? 0,
  };
}

/** The agent or trainer of the live attempt, by its record. */
async function recorded(store: RunStore, what: "agent" | "trainer"): Promise<number | undefined> {
  const scratch = join(store.scratch, run);
  for (const attempt of await readdir(scratch).catch(() => [])) {
    const text = await readFile(join(scratch, attempt, `${what}.json`), "utf8").catch(() => undefined);
    if (text === undefined || text === "") continue;
    return ProcessIdentity.safeParse(JSON.parse(text)).data?.pid;
  }
  return undefined;
}

function killIfThere(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

/**
 * Trains a run in `killed` while runner, agent and trainer are killed at random moments, and the same run in `alone`
 * undisturbed: both end with the same history and the same bytes. `temporary` becomes the killed one's TMPDIR.
 */
export async function expectKillsChangeNothing(
  alone: RunStore,
  killed: RunStore,
  temporary: string,
): Promise<void> {
  await using signs = await temporaryFolder();
  const enough = join(signs.path, "enough");
  const quiet = await pawl(["train", job, "--store", alone.address, "--json"], {
    env: { EPOCH_SECONDS: "0" },
  });
  expect(quiet.code, quiet.stderr).toBe(0);

  const done = { runner: 0, agent: 0, trainer: 0 };
  const victims = ["runner", "agent", "trainer"] as const;
  const total = () => done.runner + done.agent + done.trainer;
  let finished = false;
  for (let round = 0; round < 400 && !finished; round += 1) {
    const running = startPawl(["train", job, "--store", killed.address, "--json"], {
      env: { TMPDIR: temporary, WAIT_FOR: enough },
    });
    let runnerKilled = false;
    while (!runnerKilled && running.child.exitCode === null) {
      const pause = sleep(Math.random() * 900);
      await Promise.race([pause, running.done]);
      if (running.child.exitCode !== null || total() >= kills) {
        if (total() >= kills) await writeFile(enough, "");
        await running.done;
        break;
      }
      const victim = victims[Math.floor(Math.random() * victims.length)] ?? "runner";
      if (victim === "runner") {
        runnerKilled = killIfThere(running.child.pid);
        if (runnerKilled) done.runner += 1;
      } else if (killIfThere(await recorded(killed, victim))) done[victim] += 1;
    }
    const ran = await running.done;
    if (ran.signal === "SIGKILL") continue;
    expect(ran.code, ran.stderr).toBe(0);
    finished = true;
  }

  expect(finished).toBe(true);
  expect(total()).toBeGreaterThanOrEqual(kills);
  for (const victim of victims) expect(done[victim], victim).toBeGreaterThan(0);
  const [left, right] = [await outcome(alone), await outcome(killed)];
  expect(right.status).toBe("finished");
  expect(right.files).toEqual(left.files);
  expect(right.files?.length).toBe(3);
  expect(right.committed).toEqual(left.committed);
  expect(right.reported).toEqual(left.reported);
  expect(right.metrics).toEqual(left.metrics);
  expect(left.failures).toBe(0);
  expect(right.failures).toBeGreaterThan(0);

  expect(await processesNaming(killed.scratch)).toEqual([]);
  expect(await killed.leftovers()).toEqual([]);
  expect(await filesBelow(killed.scratch)).toEqual([]);
  expect(await filesBelow(temporary)).toEqual([]);
}
