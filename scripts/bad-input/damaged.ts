import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BadInput } from "./case.ts";

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
    what: "a damaged manifest",
    start: "trained",
    args: ["pull", "count-1", "--to", "there"],
    prepare: damage("checkpoints/count-1/6-1/manifest.json", "{"),
    code: "CHECKPOINT_DAMAGED",
    says: ["6-1", "manifest.json"],
  },
];
