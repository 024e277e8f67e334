import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readJobFile } from "../cli/job-file.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { trainLocally } from "../local/training.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { pawl, root, temporaryFolder } from "./pawl.ts";

const job = join(root, "test", "fixtures", "steady", "pawl.yaml");
const quick = { env: { EPOCH_SECONDS: "0" } };

/** A job of so many epochs, beside the fixture's trainer. */
async function shortJob(folder: string, fields: string): Promise<string> {
  const text = (await readFile(job, "utf8")).replace(/^epochs: .*$/m, fields);
  await writeFile(
    join(folder, "train.py"),
    await readFile(join(root, "test", "fixtures", "steady", "train.py")),
  );
  const path = join(folder, "pawl.yaml");
  await writeFile(path, text);
  return path;
}

async function history(store: string, run: string): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of openJournal(await openFolderStore(store)).entries(run)) entries.push(entry);
  return entries;
}

/** Changes a byte of a file of checkpoint `name`. */
async function damage(store: string, run: string, name: string): Promise<void> {
  const path = join(store, "checkpoints", run, name, "weights.json");
  const bytes = await readFile(path);
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("a damaged checkpoint", () => {
  it("is left behind: the run goes on from the one before, and says so", async () => {
    await using folder = await temporaryFolder();
    const store = join(folder.path, "store");
    const before = await pawl(["train", await shortJob(folder.path, "epochs: 4"), "--store", store], quick);
    expect(before.code, before.stderr).toBe(0);
    await damage(store, "steady-1", "4-1");
    const longer = await shortJob(folder.path, "epochs: 6");
    const after = await pawl(["train", longer, "--store", store, "--accept-changes", "--json"], quick);
    expect(after.code, after.stderr).toBe(0);
    expect(after.stderr).toContain("4-1");
    expect(after.stderr).toContain("damaged");
    const commits = (await history(store, "steady-1")).flatMap(({ event }) =>
      event.type === "commit" ? [event.epoch] : [],
    );
    expect(commits).toEqual([1, 2, 3, 4, 4, 5, 6]);
    expect(JSON.parse(after.stdout).epoch).toBe(6);
  });

  it("fails the run where no other is left, rather than beginning from nothing", async () => {
    await using folder = await temporaryFolder();
    const store = join(folder.path, "store");
    const before = await pawl(["train", await shortJob(folder.path, "epochs: 3"), "--store", store], quick);
    expect(before.code, before.stderr).toBe(0);
    for (const name of await readdir(join(store, "checkpoints", "steady-1")))
      await damage(store, "steady-1", name);
    const longer = await shortJob(folder.path, "epochs: 6");
    const after = await pawl(["train", longer, "--store", store, "--accept-changes"], quick);
    expect(after.code).toBe(100);
    expect(after.stderr + after.stdout).toContain("no undamaged checkpoint is left");
    expect(after.stderr + after.stdout).toContain("--new");
  });
});

describe("a run of many executions", () => {
  it("commits every epoch once, each execution handing over to the next", async () => {
    await using folder = await temporaryFolder();
    const { job: parsed, input } = await readJobFile(await shortJob(folder.path, "epochs: 8\nsegment: 1"));
    const store = await openFolderStore(join(folder.path, "store"));
    const states: string[] = [];
    const { result, state } = await trainLocally({
      store,
      run: "steady-1",
      job: { ...input, env: { EPOCH_SECONDS: "0" } },
      source: { folder: folder.path },
      acceptChanges: false,
      interrupt: new AbortController().signal,
      limits: { turnsPerExecution: 3 },
      onMessage: (message) => {
        if (message.code === "state.entered") states.push(message.state);
      },
    });
    expect(result).toBe("finished");
    expect(parsed.segment).toBe(1);
    expect(state?.generation).toBeGreaterThanOrEqual(3);
    expect(states.filter((name) => name === "Continue").length).toBe((state?.generation ?? 0) - 1);
    const entries = await history(join(folder.path, "store"), "steady-1");
    const commits = entries.flatMap(({ event }) => (event.type === "commit" ? [event.epoch] : []));
    expect(commits).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(state?.failures.total).toBe(0);
  });
});
