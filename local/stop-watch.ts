import type { JournalEntry } from "../core/journal-entry.ts";
import type { Journal } from "../store/journal.ts";

/** How often a driver looks whether somebody else has written to its run's journal: one `has` each time. */
const defaultMilliseconds = 1000;

export interface StopWatchOptions {
  readonly journal: Journal;
  readonly run: string;
  /** Told of entries after which the run is to stop; `own` where this process wrote it. May be told of one twice. */
  readonly onStop: (entry: JournalEntry, own: boolean) => void;
  readonly milliseconds?: number;
}

export interface StopWatch {
  /** Takes an entry that this process has written; looking begins with the first. */
  see(entry: JournalEntry): void;
  close(): void;
}

/** Watches a run's journal for an intent that it stop, which any process that reaches the store can write. */
export function watchStop(options: StopWatchOptions): StopWatch {
  const { journal, run, onStop, milliseconds = defaultMilliseconds } = options;
  let known = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const consider = (entry: JournalEntry, own: boolean) => {
    known = Math.max(known, entry.sequence);
    if (!closed && entry.state.stop !== undefined) onStop(entry, own);
  };
  const look = async () => {
    try {
      const newest = await journal.newest(run, known);
      if (newest !== undefined && newest.sequence > known) consider(newest, false);
    } catch {
      // A store that fails now may be back at the next look.
    }
    if (!closed) plan();
  };
  const plan = () => {
    timer = setTimeout(() => void look(), milliseconds);
    // It must not keep a process that has nothing else to do.
    timer.unref();
  };

  return {
    see(entry) {
      if (known === 0) plan();
      consider(entry, true);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
