import * as z from "zod";

/**
 * What follows a failure. `at-once`: another attempt. `wait`: another, after a backoff. `elsewhere`: on the other market
 * where the job allows it, else after a backoff. `shrink`: with a smaller micro-batch. `roll-back`: from an earlier checkpoint
 * with a lower learning rate or without a growth of the batch size. `give-up`: none, until somebody starts the run again.
 */
export const recoveryActions = ["at-once", "wait", "elsewhere", "shrink", "roll-back", "give-up"] as const;
export type RecoveryAction = (typeof recoveryActions)[number];

/**
 * What can become of an attempt that did not end well, by the names that public failure signals are collected under,
 * and what follows. `counts`: against the budget of failures without progress; what changes something each time (`shrink`,
 * `roll-back`) comes to an end of its own. `budget`: so many of this class without progress, where the job says nothing else;
 * absent: as many as of all. `exitCode`: what the agent ends with when it is the one that names the class.
 */
interface FailureRule {
  readonly counts: boolean;
  readonly after: RecoveryAction;
  readonly budget?: number;
  readonly exitCode?: number;
  /** What the person can do, said when the run gives up. */
  readonly next: string;
}

/** The documentation's table is made from this one. */
const failureTable = {
  "user-exception": {
    counts: true,
    after: "wait",
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
    next: "No earlier checkpoint is left: begin another run with --new, or this one again with --start-again.",
  },
  "starting-checkpoint": {
    counts: true,
    after: "give-up",
    exitCode: 19,
    next: "Put back what 'checkpoint.from' names, as it was when the run began, and run the same command again; or name another, and begin with --new.",
  },
  "disk-full": {
    counts: true,
    after: "wait",
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
    after: "wait",
    exitCode: 16,
    next: "See that the store can be reached and written, and run the same command again.",
  },
  "segfault/native-crash": {
    counts: true,
    after: "wait",
    exitCode: 17,
    next: "The trainer crashed in native code: read what it printed last, and run the same command again.",
  },
  interrupted: {
    counts: false,
    after: "at-once",
    exitCode: 143,
    next: "Run the same command again to go on.",
  },
  "spot-reclaim": {
    counts: false,
    after: "at-once",
    exitCode: 29,
    next: "Run the same command again to go on.",
  },
  "host-terminated-other": { counts: false, after: "at-once", next: "Run the same command again to go on." },
  "cancelled/terminated-by-user": {
    counts: true,
    after: "give-up",
    next: "Run the same command again to go on.",
  },
  "job-timeout": { counts: true, after: "wait", next: "Give the attempt more time." },
  "container-oom": {
    counts: false,
    after: "shrink",
    exitCode: 20,
    next: "Give the job more memory (compute.memory; an instance keeps some for itself), or let it load its data with fewer processes.",
  },
  "gpu-oom": {
    counts: false,
    after: "shrink",
    exitCode: 21,
    next: "Give 'batchSize', so that Pawl can choose a smaller micro-batch, use {microBatchSize} and {accumulation} in the trainer, or ask for a GPU with more memory.",
  },
  numeric: {
    counts: false,
    after: "roll-back",
    exitCode: 22,
    next: "Lower the learning rate, clip the gradients, or look at the data of that epoch; 'numeric' in the job says how far Pawl goes back.",
  },
  stalled: {
    counts: true,
    after: "elsewhere",
    exitCode: 23,
    next: "Read the stacks at the end of the attempt's log for what it waited for; where it was only slow, give 'stall.limit' more time.",
  },
  "hardware-gpu": {
    counts: true,
    after: "elsewhere",
    exitCode: 24,
    next: "The GPU is broken: run the same command again, and it comes to another instance.",
  },
  "nccl/network-timeout": {
    counts: true,
    after: "wait",
    exitCode: 25,
    next: "Look for the first process that failed in the attempt's log: the others only lost their connection to it.",
  },
  "dependency-missing": {
    counts: true,
    after: "give-up",
    exitCode: 26,
    next: "Install what is missing, in the image or in the trainer's environment, and run the same command again.",
  },
  "data-loader/s3": {
    counts: true,
    after: "wait",
    exitCode: 27,
    next: "See that the trainer's data can be read with the credentials that it has, and run the same command again.",
  },
  "credentials-expired": {
    counts: true,
    after: "at-once",
    budget: 3,
    exitCode: 28,
    next: "Let the trainer take its credentials from the environment each time it needs them, and not once for all.",
  },
  "cannot-pull-image": {
    counts: true,
    after: "wait",
    budget: 2,
    next: "See that the image exists under that name and tag, and that the instances can reach its registry and may read it.",
  },
  "capacity-never-available": {
    counts: false,
    after: "elsewhere",
    next: "Allow more instance types, zones or markets, or ask for less.",
  },
  "batch-api-error": { counts: true, after: "give-up", next: "Correct what AWS Batch refused." },
  "batch-api-throttled": { counts: false, after: "wait", next: "Run the same command again to go on." },
  "sfn-error": { counts: true, after: "wait", next: "Run the same command again to go on." },
  unknown: {
    counts: true,
    after: "wait",
    exitCode: 1,
    next: "Read the attempt's log, and run the same command again.",
  },
} as const satisfies Record<string, FailureRule>;

export type FailureClass = keyof typeof failureTable;

/** All of them, in the table's order. */
export const failureClasses = Object.keys(failureTable).filter((name): name is FailureClass =>
  Object.hasOwn(failureTable, name),
);

const isFailureClass = (name: unknown): name is FailureClass =>
  typeof name === "string" && Object.hasOwn(failureTable, name);

export const FailureClass = z.custom<FailureClass>(isFailureClass, { error: "is not a failure class" });

export const failureRule = (name: FailureClass): FailureRule => failureTable[name];

/** What follows a failure of this class; what its signs say of trying again outweighs what is the rule. */
export function actionFor(name: FailureClass, retryable: boolean | undefined): RecoveryAction {
  const { after } = failureRule(name);
  if (retryable === false) return "give-up";
  return retryable === true && after === "give-up" ? "wait" : after;
}

const byExitCode = new Map<number, FailureClass>();
for (const name in failureTable) {
  if (!isFailureClass(name)) continue;
  const { exitCode } = failureRule(name);
  // 1 and 143 are everybody's: only the agent's own codes tell a class.
  if (exitCode !== undefined && exitCode >= 10 && exitCode < 100) byExitCode.set(exitCode, name);
}

/** The class that an agent ended with, where its exit code is all that is known of it. */
export const classOfExitCode = (exitCode: number): FailureClass | undefined => byExitCode.get(exitCode);
