import type { JournalEntry } from "../../core/journal-entry.ts";
import type { LiveAttempt } from "../../core/run-state.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import type { Execution, Fault, Place } from "./scenario.ts";

/** How an execution ended, whole. */
export interface Ended {
  readonly status: string;
  readonly error?: string;
  readonly cause?: string;
}

/** An execution that is under way. */
export interface Started {
  /** Settles when it and all that it handed over to have ended, and its run is at rest. */
  readonly ended: Promise<Ended>;
  /** Does to it, or to the Batch job of the attempt that lives, what a scenario says. */
  make(fault: Fault, attempt: LiveAttempt | undefined): Promise<void>;
}

/** Where scenarios are played: one interface, one file for each driver. */
export interface World {
  store(place: Place): Promise<ObjectStore>;
  start(run: string, execution: Execution): Promise<Started>;
  /** What is still there of the attempts that journals name: processes and jobs, in words. */
  remains(journal: readonly JournalEntry[]): Promise<string[]>;
}
