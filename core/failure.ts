import * as z from "zod";

/**
 * What can become of an attempt that did not end well, by the names that public failure signals are collected under,
 * and what follows. `counts`: against the budget of failures without progress. `after`: whether another attempt starts
 * at once, after a backoff, or not at all. `exitCode`: what the agent ends with when it is the one that names the class.
 */
interface FailureRule {
  readonly counts: boolean;
  readonly after: "at-once" | "backoff" | "give-up";
  readonly exitCode?: number;
  /** What the person can do, said when the run gives up. */
  readonly next: string;
}

/** The documentation's table is made from this one. */
export const failureTable = {
  "user-exception": {
    counts: true,
    after: "backoff",
    exitCode: 10,
    next: "Read what the trainer printed last, correct it, and run the same command again.",
  },
  "no-checkpoint": {
    counts: true,
    after: "give-up",
    exitCode: 11,
    next: "Write the model into PAWL_CHECKPOINT_DIR, or call epoch.checkpoint(save) in each epoch, or say 'checkpoint: none' in the job.",
  },
  "trainer-protocol": {
    counts: true,
    after: "give-up",
    exitCode: 12,
    next: "Use the helper that came with this version of Pawl; docs/trainer-protocol.md says what is spoken.",
  },
  "checkpoint-corrupt": {
    counts: false,
    after: "at-once",
    exitCode: 13,
    next: "No earlier checkpoint is left: begin again with --new.",
  },
  "starting-checkpoint": {
    counts: true,
    after: "give-up",
    exitCode: 19,
    next: "Put back what 'checkpoint.from' names, as it was when the run began, and run the same command again; or name another, and begin with --new.",
  },
  "disk-full": {
    counts: true,
    after: "backoff",
    exitCode: 14,
    next: "Free some space, or give another --store, and run the same command again.",
  },
  "image-or-command-error": {
    counts: true,
    after: "give-up",
    exitCode: 15,
    next: "Correct 'command' in the job file, or install the program, and run the same command again.",
  },
  "store-failed": {
    counts: true,
    after: "backoff",
    exitCode: 16,
    next: "See that the store can be reached and written, and run the same command again.",
  },
  "segfault/native-crash": {
    counts: true,
    after: "backoff",
    exitCode: 17,
    next: "The trainer crashed in native code: read what it printed last, and run the same command again.",
  },
  interrupted: {
    counts: false,
    after: "at-once",
    exitCode: 143,
    next: "Run the same command again to go on.",
  },
  "spot-reclaim": { counts: false, after: "at-once", next: "Run the same command again to go on." },
  "host-terminated-other": { counts: false, after: "at-once", next: "Run the same command again to go on." },
  "cancelled/terminated-by-user": {
    counts: true,
    after: "give-up",
    next: "Run the same command again to go on.",
  },
  "job-timeout": { counts: true, after: "backoff", next: "Give the attempt more time." },
  "container-oom": { counts: true, after: "backoff", next: "Give the job more memory (compute.memory)." },
  "batch-api-error": { counts: true, after: "give-up", next: "Correct what AWS Batch refused." },
  "batch-api-throttled": { counts: false, after: "backoff", next: "Run the same command again to go on." },
  "sfn-error": { counts: true, after: "backoff", next: "Run the same command again to go on." },
  unknown: {
    counts: true,
    after: "backoff",
    exitCode: 1,
    next: "Read the attempt's log, and run the same command again.",
  },
} as const satisfies Record<string, FailureRule>;

export type FailureClass = keyof typeof failureTable;

const isFailureClass = (name: unknown): name is FailureClass =>
  typeof name === "string" && Object.hasOwn(failureTable, name);

export const FailureClass = z.custom<FailureClass>(isFailureClass, { error: "is not a failure class" });

export const failureRule = (name: FailureClass): FailureRule => failureTable[name];

const byExitCode = new Map<number, FailureClass>();
for (const name in failureTable) {
  if (!isFailureClass(name)) continue;
  const { exitCode } = failureRule(name);
  // 1 and 143 are everybody's: only the agent's own codes tell a class.
  if (exitCode !== undefined && exitCode >= 10 && exitCode < 100) byExitCode.set(exitCode, name);
}

/** The class that an agent ended with, where its exit code is all that is known of it. */
export const classOfExitCode = (exitCode: number): FailureClass | undefined => byExitCode.get(exitCode);
