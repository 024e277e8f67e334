import type { DecisionLimits } from "../core/decision.ts";
import type { PriceList } from "../core/instance.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import type { Driver, RunState } from "../core/run-state.ts";
import type { Offers } from "../core/stack.ts";
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
  /** Told of each entry once it is durable, and of the state that it was decided from; the first one has none. */
  readonly onEntry?: (entry: JournalEntry, before: RunState | undefined) => void;
  /** What the stack can give a job; absent on a machine of one's own. */
  readonly offers?: Offers;
  /** Prices that replace the table's. */
  readonly prices?: PriceList;
  /** Lets time pass: only where whoever asks may wait, as Sweep may that EventBridge has asked. */
  readonly pause?: (milliseconds: number) => Promise<void>;
  /** Tells people that a run is at rest; only Sweep calls it, once that is durable. The same notice can come twice. */
  readonly notify?: (notice: Notice) => Promise<void>;
}

/** What a decision needs that asks neither who drives a run nor what its Batch jobs do. */
export type DecidingPorts = Omit<Ports, "liveness" | "jobs" | "notify">;

export interface Notice {
  readonly run: string;
  /** At most 100 characters. */
  readonly subject: string;
  readonly words: string;
}

/** Whether the driver that a journal names still drives. */
export interface Liveness {
  check(run: string, driver: Driver): Promise<{ alive: boolean; who: string }>;
}

export interface JobRef {
  readonly run: string;
  readonly attempt: number;
  /** Absent where the attempt has not claimed its assignment: all of its jobs are meant. */
  readonly batchJobId: string | undefined;
}

export interface JobSight {
  /** Whether it has not ended: it runs, or waits to. */
  readonly running: boolean;
  /** Whether it still waits for an instance, where that is known. */
  readonly waiting?: boolean;
  /** When it stopped, ISO 8601 with milliseconds, where that is known. */
  readonly stoppedAt?: string;
  /** What is said of its end, as a state machine that watched it would have caught it, where that is known. */
  readonly caught?: { readonly error: string; readonly cause: string | undefined };
}

/** The Batch jobs of a run. */
export interface Jobs {
  look(job: JobRef): Promise<JobSight>;
  /** Asks for its end; the answer may still be that it runs. */
  end(job: JobRef, reason: string): Promise<JobSight>;
}
