import type { RunHistory } from "../core/history.ts";
import { HistoryReader } from "../core/history.ts";
import { TrainingJob } from "../core/job.ts";
import type { Outcome } from "../core/outcome.ts";
import { readHead } from "../lambdas/journalled.ts";
import type { Journal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { checkRunName, runNotFound } from "./runs.ts";

export interface RunStory extends RunHistory {
  /** What attempts said of their own end, by their number; one that was killed said nothing. */
  readonly outcomes: ReadonlyMap<number, Outcome>;
}

/** A run's whole story. Throws RUN_NOT_FOUND. */
export async function readStory(journal: Journal, name: string, store: ObjectStore): Promise<RunStory> {
  const reader = new HistoryReader();
  const outcomes = new Map<number, Outcome>();
  for await (const entry of journal.entries(checkRunName(name))) {
    reader.add(entry);
    if (entry.event.type === "ended") outcomes.set(entry.event.attempt, entry.event.outcome);
  }
  const history = reader.history();
  if (history === undefined) throw await runNotFound(journal, name, store.address);
  return { ...history, outcomes };
}

/** Where a run stands, and its job. Throws RUN_NOT_FOUND. */
export async function readRun(journal: Journal, name: string, store: ObjectStore) {
  const head = await readHead({ journal }, checkRunName(name), 0);
  if (head === undefined) throw await runNotFound(journal, name, store.address);
  return { state: head.state, job: TrainingJob.parse(head.job), source: head.source };
}
