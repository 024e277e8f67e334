import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { restoreCheckpoint } from "../../store/checkpoints.ts";
import { openJournal } from "../../store/journal.ts";
import { openStore } from "../../store/open-store.ts";
import { ProcessIdentity } from "../../store/process-identity.ts";
import { order } from "../../trainer/order.ts";

export const run = "chaos-1";
export const helpers = ["python", "javascript"] as const;
type Helper = (typeof helpers)[number];

const trainers: Readonly<Record<Helper, { readonly file: string; readonly program: string }>> = {
  python: { file: "train.py", program: "python3" },
  javascript: { file: "train.mjs", program: "node" },
};

const epochs = 4;
const examples = 48;
const seed = 3;

/** The job of one process run. `memory`: so many examples fit at once, of a batch of 8. */
export interface ProcessJob {
  readonly helper: Helper;
  readonly every: "epoch" | "auto" | "{steps: 2}";
  readonly memory: number;
}

/** Writes the job and its trainer into `folder` (in which `pawl` can be imported); gives the job file. */
export async function writeProject(folder: string, { helper, every, memory }: ProcessJob): Promise<string> {
  const { file, program } = trainers[helper];
  const own = join(folder, `${helper}-${every.replace(/\W/g, "")}-${memory}`);
  await mkdir(own, { recursive: true });
  await copyFile(join(import.meta.dirname, "trainers", file), join(own, file));
  const job = join(own, "pawl.yaml");
  const lines = [
    "name: chaos",
    `command: [${program}, ${file}]`,
    `epochs: ${epochs}`,
    "batchSize: 8",
    `seed: ${seed}`,
    `checkpoint: {keep: 2, every: ${every}}`,
    "retry: {failuresWithoutProgress: 100, baseDelay: 0s}",
    "stall: {limit: 8s, start: 20s}",
    `env: {MEMORY: "${memory}"}`,
  ];
  await writeFile(job, `${lines.join("\n")}\n`);
  return job;
}

export async function entriesIn(store: string): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of openJournal(await openStore(store)).entries(run)) entries.push(entry);
  return entries;
}

const Model = z.tuple([z.string(), z.array(z.array(z.int()))]);
export type Model = z.infer<typeof Model>;

/** The model in a run's checkpoint, every digest checked; `into` is a fresh folder. */
export async function modelIn(store: string, checkpoint: string, into: string): Promise<Model> {
  await restoreCheckpoint(await openStore(store), run, checkpoint, into);
  return Model.parse(JSON.parse(await readFile(join(into, "model.json"), "utf8")));
}

/** What each epoch's examples must be, in their order. */
export const expectedOrder = (): number[][] =>
  Array.from({ length: epochs }, (_, index) => [...order(seed, index + 1, examples)]);

export interface Pids {
  readonly agent: number | undefined;
  readonly trainer: number | undefined;
}

/** The processes of the live attempt, by their records in `scratch`. */
export async function recorded(scratch: string): Promise<Pids> {
  for (const attempt of await readdir(join(scratch, run)).catch(() => [])) {
    const read = async (what: string): Promise<number | undefined> => {
      const text = await readFile(join(scratch, run, attempt, `${what}.json`), "utf8").catch(() => "");
      try {
        return ProcessIdentity.safeParse(JSON.parse(text)).data?.pid;
      } catch {
        return undefined;
      }
    };
    const agent = await read("agent");
    if (agent !== undefined) return { agent, trainer: await read("trainer") };
  }
  return { agent: undefined, trainer: undefined };
}
