import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { HistoryReader } from "../core/history.ts";
import { readManifest } from "../store/checkpoints.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import { ProcessIdentity } from "../store/process-identity.ts";
import { pawl, startPawl } from "./pawl.ts";
import { saying } from "./projects.ts";

/** A job file that is trained in a store of its own. */
export interface Trained {
  readonly job: string;
  readonly store: string;
  readonly run: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A run's history and its last checkpoint, as they are to be compared with another run's. */
export async function outcome({ store: folder, run }: Trained) {
  const store = await openFolderStore(folder);
  const reader = new HistoryReader();
  for await (const entry of openJournal(store).entries(run)) reader.add(entry);
  const history = reader.history();
  const manifest = await readManifest(store, run, history?.state.kept.at(-1)?.name ?? "");
  return {
    status: history?.state.status,
    epochs: history?.epochs.map(({ report }) => ({ epoch: report.epoch, metrics: report.metrics })),
    files: manifest?.files.map(({ path, sha256 }) => ({ path, sha256 })),
    failures: history?.state.failures.total ?? 0,
  };
}

/** Trains to the end, undisturbed. */
export async function trainAlone({ job, store, env = {} }: Trained): Promise<void> {
  const ran = await pawl(["train", job, "--store", store], { env });
  expect(ran.code, ran.stderr).toBe(0);
}

/**
 * Trains to the end while, with SIGKILL, the trainer is ended after the commit of one epoch, and everything after that of a
 * later one; then the same command is run again. A trainer that is too fast for this waits in an epoch while there is a
 * file `hold-<epoch>` in the folder HOLD.
 */
export async function trainKilled(
  trained: Trained,
  after: { readonly trainer: number; readonly runner: number },
): Promise<void> {
  const { job, store } = trained;
  const env = { ...trained.env, HOLD: store };
  const holds = [after.trainer + 2, after.runner + 2].map((epoch) => join(store, `hold-${epoch}`));
  for (const hold of holds) await writeFile(hold, "");
  const running = startPawl(["train", job, "--store", store], { env });
  const runnersTurn = saying(running, `epoch ${after.runner} is committed`);
  runnersTurn.catch(() => {});
  await saying(running, `epoch ${after.trainer} is committed`);
  await killTrainer(trained);
  await rm(holds[0] ?? "");
  await runnersTurn;
  running.child.kill("SIGKILL");
  expect((await running.done).signal).toBe("SIGKILL");
  await rm(holds[1] ?? "");
  await trainAlone(trained);
}

async function killTrainer({ store, run }: Trained): Promise<void> {
  const scratch = join(store, ".internal", "scratch", run);
  const records = (await readdir(scratch)).map((attempt) => join(scratch, attempt, "trainer.json"));
  expect(records).toHaveLength(1);
  const { pid } = ProcessIdentity.parse(JSON.parse(await readFile(records[0] ?? "", "utf8")));
  process.kill(pid, "SIGKILL");
}
