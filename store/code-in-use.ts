import { codeKeyPattern, codePrefix } from "../core/keys.ts";
import type { RunState } from "../core/run-state.ts";
import { codeOf } from "../core/source.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import { type Journal, openJournal } from "./journal.ts";
import type { ListedObject, ObjectStore } from "./object-store.ts";

/** The packed code that a run's attempts unpack; `undefined` where its code is a folder, or none. */
export async function codeInForce(
  journal: Journal,
  { run, job }: Pick<RunState, "run" | "job">,
): Promise<string | undefined> {
  const opened = await journal.entry(run, job.sequence);
  return opened?.event.type === "open" ? codeOf(opened.event.source) : undefined;
}

/**
 * The packed code in a store that no run's attempts would unpack; `gone` are runs that do not count any more. Errors:
 * JOURNAL_DAMAGED, since such a run may need any of it.
 */
export async function unusedCode(
  store: ObjectStore,
  gone: ReadonlySet<string> = new Set(),
): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  for await (const object of store.list(codePrefix)) if (codeKeyPattern.test(object.key)) found.push(object);
  if (found.length === 0) return [];
  // Read after the code was listed: a run that began meanwhile is seen.
  const journal = openJournal(store);
  const runs: string[] = [];
  for await (const run of journal.runs()) if (!gone.has(run)) runs.push(run);
  const used = await inParallel(runs, { concurrency: 8 }, async (run) => {
    const newest = await journal.newest(run);
    return newest === undefined ? undefined : await codeInForce(journal, newest.state);
  });
  const needed = new Set(used);
  return found.filter(({ key }) => !needed.has(key));
}
