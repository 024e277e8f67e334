import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exitCodes } from "../../core/errors.ts";
import type { BadInput, Scene } from "./case.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

const damage =
  (path: string, content: string) =>
  async ({ folder }: { folder: string }) => {
    await writeFile(join(folder, ".pawl", path), content);
    return undefined;
  };

/** The newest entry of the run's journal. */
const damageNewest = async ({ folder }: { folder: string }) => {
  const journal = join(folder, ".pawl", "journal", "count-1");
  const newest =
    (await readdir(journal))
      .filter((name) => name.endsWith(".json"))
      .sort()
      .at(-1) ?? "";
  await writeFile(join(journal, newest), '{"version": 1');
  return undefined;
};

/** Every checkpoint, and the run that fails for it: a job that wants an epoch more finds out. */
const damageAll = async ({ folder, env }: Scene) => {
  const checkpoints = join(folder, ".pawl", "checkpoints", "count-1");
  for (const name of await readdir(checkpoints)) await writeFile(join(checkpoints, name, "model.txt"), "x");
  const longer = join(folder, "longer.yaml");
  await writeFile(
    longer,
    (await readFile(join(folder, "pawl.yaml"), "utf8")).replace("epochs: 6", "epochs: 7"),
  );
  const args = [main, "train", longer, "--accept-changes", "--run", "count-1"];
  const { status } = spawnSync(process.execPath, args, { cwd: folder, env, stdio: "ignore" });
  if (status !== exitCodes.runFailed) throw new Error(`the run ended with ${status}`);
  return undefined;
};

const first = "journal/count-1/0000000001.json";

export const damaged: readonly BadInput[] = [
  ...(["show", "resume", "checkpoints"] as const).map(
    (command): BadInput => ({
      what: `${command}: a journal whose newest entry is cut short`,
      start: "trained",
      args: [command, "count-1"],
      prepare: damageNewest,
      code: "JOURNAL_DAMAGED",
      says: ["journal/count-1/", "cannot be read", "Restore the object"],
    }),
  ),
  {
    what: "train: a journal whose newest entry is cut short",
    start: "trained",
    args: ["train"],
    prepare: damageNewest,
    code: "JOURNAL_DAMAGED",
    says: ["journal/count-1/"],
  },
  {
    what: "a journal whose first entry is empty",
    start: "trained",
    args: ["show", "count-1"],
    prepare: damage(first, ""),
    code: "JOURNAL_DAMAGED",
    says: [first],
  },
  {
    what: "a journal entry that is of another run",
    start: "trained",
    args: ["show", "count-1"],
    prepare: damage(first, "{}"),
    code: "JOURNAL_DAMAGED",
    says: [first],
  },
  {
    what: "a damaged lease",
    start: "trained",
    args: ["resume", "count-1"],
    prepare: damage("leases/count-1.json", "{"),
    code: "STORE_FAILED",
    says: ["leases/count-1.json", "cannot be read", "remove"],
    begun: "the lease is taken when the run is about to begin",
  },
  {
    what: "a damaged checkpoint",
    start: "trained",
    args: ["pull", "count-1", "--to", "there"],
    prepare: damage("checkpoints/count-1/6-1/model.txt", "epoch 6 and nothing else"),
    code: "CHECKPOINT_DAMAGED",
    says: ["6-1", "model.txt", "--epoch"],
  },
  {
    what: "resume: a run whose every checkpoint is damaged",
    start: "trained",
    args: ["resume", "count-1"],
    prepare: damageAll,
    code: "CHECKPOINT_DAMAGED",
    says: ["every checkpoint of run count-1 is damaged", "pawl resume count-1", "--start-again"],
    begun: "Open knows of it, which the state machine asks",
  },
  {
    what: "pull: a run whose every checkpoint is damaged",
    start: "trained",
    args: ["pull", "count-1", "--to", "there"],
    prepare: damageAll,
    code: "CHECKPOINT_NOT_FOUND",
    says: ["run count-1 has no checkpoint yet: it has none"],
  },
  {
    what: "a damaged manifest",
    start: "trained",
    args: ["pull", "count-1", "--to", "there"],
    prepare: damage("checkpoints/count-1/6-1/manifest.json", "{"),
    code: "CHECKPOINT_DAMAGED",
    says: ["6-1", "manifest.json"],
  },
];
