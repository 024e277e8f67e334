import { setTimeout as sleep } from "node:timers/promises";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { type Journal, openJournal } from "../../store/journal.ts";
import { copyRun } from "../../store/run-copy.ts";
import type { Copy, Execution, Line, Moment, Place, Scenario } from "./scenario.ts";
import type { Ended, Started, World } from "./world.ts";

/** What came of a line. */
export interface Played {
  readonly line: Line;
  /** Of its executions, in order. */
  readonly executions: readonly Ended[];
  readonly journal: readonly JournalEntry[];
  /** Every object of the run where it was last, by its key, in order. */
  readonly objects: readonly string[];
  /** What is still there of the scenario's attempts. */
  readonly remains: readonly string[];
}

/** Plays a scenario's lines, all at once. */
export async function play(scenario: Scenario, world: World): Promise<Played[]> {
  const played = await Promise.all(scenario.lines.map((line) => playLine(line, world)));
  // Looked for when all are over: of one's processes nobody can say whose store they have.
  const remains = await world.remains(played.flatMap(({ journal }) => journal));
  return played.map((line) => ({ ...line, remains }));
}

async function playLine(line: Line, world: World): Promise<Omit<Played, "remains">> {
  const executions: Ended[] = [];
  let last: Place = "stack";
  for (const act of line.acts) {
    if (act.do === "copy") await copy(line.run, act, world);
    else {
      last = act.where;
      executions.push(await execute(line.run, act, world));
    }
  }
  const store = await world.store(last);
  const journal: JournalEntry[] = [];
  for await (const entry of openJournal(store).entries(line.run)) journal.push(entry);
  const objects: string[] = [];
  for (const kind of ["attempts", "checkpoints", "journal"]) {
    for await (const { key } of store.list(`${kind}/${line.run}/`)) objects.push(key);
  }
  return { line, executions, journal, objects };
}

async function copy(run: string, { from, to }: Copy, world: World): Promise<void> {
  await copyRun({
    run,
    from: await world.store(from),
    to: await world.store(to),
    signal: new AbortController().signal,
    onProgress: () => {},
  });
}

async function execute(run: string, execution: Execution, world: World): Promise<Ended> {
  const journal = openJournal(await world.store(execution.where));
  const before = (await journal.newest(run))?.sequence ?? 0;
  const started = await world.start(run, execution);
  const over = new AbortController();
  const faults = makeFaults(execution, started, { journal, run, after: before, over: over.signal });
  // Looked at when the execution is over; meanwhile nobody waits for it.
  faults.catch(() => {});
  const ended = await started.ended;
  over.abort();
  await faults.catch((cause: Error) => {
    const { status, error = "", cause: words = "" } = ended;
    throw new Error(`${cause.message}; the execution: ${status} ${error} ${words}`, { cause });
  });
  return ended;
}

interface Watched {
  readonly journal: Journal;
  readonly run: string;
  /** The newest entry from before. */
  readonly after: number;
  /** Aborts when no further entry comes. */
  readonly over: AbortSignal;
}

const lookEveryMilliseconds = 25;

async function makeFaults({ faults }: Execution, started: Started, watched: Watched): Promise<void> {
  const { journal, run, after, over } = watched;
  let sequence = after;
  for (const { at, make } of faults) {
    for (let found = false; !found; ) {
      const isOver = over.aborted;
      const entry = await journal.entry(run, sequence + 1);
      if (entry === undefined && isOver)
        throw new Error(
          `run ${run} is over, and '${make.join(", ")}' was not done: no entry is ${JSON.stringify(at)}`,
        );
      if (entry === undefined) {
        await sleep(lookEveryMilliseconds);
        continue;
      }
      sequence += 1;
      found = isAt(entry, at);
      if (!found) continue;
      for (const fault of make) await started.make(fault, entry.state.live.at(0));
    }
  }
}

const isAt = ({ decision, state }: JournalEntry, at: Moment): boolean =>
  decision.kind === at.kind &&
  (at.epoch === undefined || state.progress.epoch === at.epoch) &&
  (at.generation === undefined || state.generation === at.generation);
