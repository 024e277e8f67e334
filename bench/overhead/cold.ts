import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { DecisionKind, JournalEntry } from "../../core/journal-entry.ts";
import { openJournal } from "../../store/journal.ts";
import { openStore } from "../../store/open-store.ts";
import { between, type Measured, type Samples } from "./measured.ts";
import { here, type Pawl, run } from "./processes.ts";

/** The first attempts, in which code is loaded and compiled. */
const settling = 3;

/** Moments of an attempt's life by the decision that the journal has of it. */
const lifeOfAttempt = ["claimed", "committed", "ended", "attempt-planned"] as const;

const parts: readonly { name: string; from: DecisionKind; to: DecisionKind }[] = [
  { name: "the agent starts and claims its assignment", from: "attempt-planned", to: "claimed" },
  { name: "restoring, the command itself, its checkpoint committed", from: "claimed", to: "committed" },
  { name: "the agent says how it ended", from: "committed", to: "ended" },
  { name: "it is gone, and the next attempt is planned", from: "ended", to: "attempt-planned" },
];

async function entriesOf(store: string): Promise<JournalEntry[]> {
  const all: JournalEntry[] = [];
  for await (const entry of openJournal(await openStore(store)).entries("cold-1")) all.push(entry);
  return all;
}

/** What the command costs alone: 50 times the same program, with a folder to write to. */
export async function bareCommand(folder: string): Promise<Samples> {
  await mkdir(join(folder, "bare"));
  const samples: number[] = [];
  for (let epoch = 1; epoch <= 50; epoch += 1) {
    const env = { PAWL_EPOCH: String(epoch), PAWL_CHECKPOINT_DIR: join(folder, "bare") };
    samples.push((await run("sh", [join(here, "cold", "train.sh")], { env })).milliseconds);
  }
  return samples;
}

/** An attempt for each epoch (`segment: 1`): from one attempt's commit to the next one's. */
export async function coldAttempts(store: string, pawl: Pawl): Promise<Measured> {
  await pawl(["train", join(here, "cold", "pawl.yaml"), "--store", store]);
  const entries = await entriesOf(store);
  const at = (kind: DecisionKind): number[] =>
    entries.flatMap((entry) => (entry.decision.kind === kind ? [Date.parse(entry.at)] : []));
  const moments = new Map(lifeOfAttempt.map((kind) => [kind as DecisionKind, at(kind)]));
  // The first attempt is planned by Open.
  moments.set("attempt-planned", [
    Date.parse(entries[0]?.at ?? ""),
    ...(moments.get("attempt-planned") ?? []),
  ]);
  const spans = ({ from, to }: (typeof parts)[number]): number[] => {
    const [starts = [], ends = []] = [moments.get(from), moments.get(to)];
    // An attempt's own end is followed by the next one's plan.
    const later = to === "attempt-planned" ? ends.slice(1) : ends;
    return later.map((end, index) => end - (starts[index] ?? end)).slice(settling);
  };
  return {
    samples: between(moments.get("committed") ?? []).slice(settling),
    parts: parts.map((part) => ({ name: part.name, samples: spans(part) })),
  };
}
