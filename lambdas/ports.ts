import type { DecisionLimits } from "../core/decision.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import type { Driver } from "../core/run-state.ts";
import type { Journal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** What the handlers need of the world. */
export interface Ports {
  readonly store: ObjectStore;
  readonly journal: Journal;
  readonly liveness: Liveness;
  readonly jobs: Jobs;
  readonly now: () => Date;
  /** In [0, 1). */
  readonly random: () => number;
  readonly limits: DecisionLimits;
  /** Told of each entry once it is durable. */
  readonly onEntry?: (entry: JournalEntry) => void;
}

/** Whether the driver that a journal names still drives. */
export interface Liveness {
  check(run: string, driver: Driver): Promise<{ alive: boolean; who: string }>;
}

export interface JobRef {
  readonly run: string;
  readonly attempt: number;
  /** Absent where the attempt has not claimed its assignment. */
  readonly batchJobId: string | undefined;
}

export interface JobSight {
  readonly running: boolean;
  /** When it stopped, ISO 8601 with milliseconds, where that is known. */
  readonly stoppedAt?: string;
}

/** The Batch jobs of a run. */
export interface Jobs {
  look(job: JobRef): Promise<JobSight>;
  /** Asks for its end; the answer may still be that it runs. */
  end(job: JobRef, reason: string): Promise<JobSight>;
}
