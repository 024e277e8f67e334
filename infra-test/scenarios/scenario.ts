import type { FailureClass } from "../../core/failure.ts";
import type { DecisionKind } from "../../core/journal-entry.ts";
import type { RunState } from "../../core/run-state.ts";

/** A journal entry, by what it decided and where the run stood then. */
export interface Moment {
  readonly kind: DecisionKind;
  /** The last committed epoch. */
  readonly epoch?: number;
  /** The driver's generation: executions of a run are counted from 1. */
  readonly generation?: number;
}

/** What is done to a run from outside. */
export type Fault =
  /** The container is killed, as an out-of-memory killer of the host or a person would. */
  | "kill the job"
  /** The container is killed for its memory, and Batch says so. */
  | "out of memory"
  /** The instance is taken away without a word. */
  | "reclaim the instance"
  /** The instance is told that it is taken away in two minutes. */
  | "announce a reclaim"
  /** `StopExecution`; on a machine of one's own, Ctrl-C. */
  | "stop the execution"
  /** The function that `pawl stop` asks. */
  | "stop the run"
  /** Somebody starts an execution of the same run, which is refused while this one drives it. */
  | "start it twice"
  /** The stack is deployed again, with other job definitions; nothing on a machine of one's own. */
  | "deploy again";

/** How an execution ends for whoever started it. */
export interface ExecutionEnd {
  readonly status: "SUCCEEDED" | "FAILED" | "ABORTED";
  readonly error?: string;
  /** A part of it. */
  readonly cause?: string;
}

/** Where a run is trained: on the stack (embedded: in the one store), or in a folder of this machine. */
export type Place = "stack" | "folder";

/** An execution, from its start to its end and to that of all that it hands over to. */
export interface Execution {
  readonly do: "execute";
  readonly where: Place;
  /** As it is pasted in the console. */
  readonly input: string;
  /** Packed beside the input, as `pawl start` does it; or not given, since the image holds it or the run knows where it is. */
  readonly code: "packed" | "not given";
  /** So many of the next submissions are throttled by Batch. */
  readonly throttled?: number;
  /** In this order; what is done at a moment is done one after the other. */
  readonly faults: readonly { readonly at: Moment; readonly make: readonly Fault[] }[];
  readonly ends: ExecutionEnd;
}

/** `pawl copy`. */
export interface Copy {
  readonly do: "copy";
  readonly from: Place;
  readonly to: Place;
}

export type Act = Execution | Copy;

/** What must be true of a run when all of it is over. */
export interface RunEnd {
  /** Absent: there is no such run. */
  readonly status?: RunState["status"];
  readonly epoch: number;
  /** Executions that opened it. */
  readonly generations: number;
  /** Of all attempts that failed, in order. */
  readonly failures: readonly FailureClass[];
  /** Checkpoints in the store, by their names. */
  readonly checkpoints: readonly string[];
  /** A part of why it ended. */
  readonly ending?: string;
  /** What its instances cost at most, in USD. */
  readonly mostUsd?: number;
  /** What the epochs' micro-batches were, in order, where they are not all alike. */
  readonly microBatches?: readonly number[];
  /** How often the batch size grew, at least. */
  readonly growths?: number;
  /** Where that is not those of `trainer/train.py`. */
  readonly examplesPerEpoch?: number;
}

/** One run, and what happens to it in order. */
export interface Line {
  readonly run: string;
  readonly acts: readonly Act[];
  readonly ends: RunEnd;
}

export interface Scenario {
  /** A sentence. */
  readonly name: string;
  /** Its runs, all at once. */
  readonly lines: readonly Line[];
  /** Whether what is done in it touches other runs too, so that nothing else may go on meanwhile. */
  readonly alone?: boolean;
  /** The run whose last accuracy is to be among those of the scenario's other runs, which differ in their seeds only. */
  readonly amongItsLike?: string;
}
