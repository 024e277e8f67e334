import type { ExitCode } from "../core/errors.ts";
import type { Stack } from "./stack.ts";

/** Where a command writes: results on stdout, talk on stderr. */
export interface Console {
  readonly out: (text: string) => void;
  /** Bytes on stdout as they are, once there is room for them; `false` where nobody reads them any more. */
  readonly outBytes: (bytes: Uint8Array) => Promise<boolean>;
  readonly err: (text: string) => void;
  /** What a trainer prints, as it came. */
  readonly errBytes: (bytes: Uint8Array) => void;
  /** Draws `line` in the place of the last line of stderr; only where `interactive`. */
  readonly live: (line: string) => void;
  /** Whether people watch stderr on a terminal. */
  readonly interactive: boolean;
}

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

interface CommandInput {
  readonly args: readonly (string | undefined)[];
  /** Of a command that takes a stack, with the stack's store in `store` where one is named. */
  readonly options: OptionValues;
  readonly console: Console;
  /** The stack that is named, of a command that takes one. */
  readonly stack?: Stack | undefined;
}

export type CommandRun = (input: CommandInput) => Promise<ExitCode>;

interface OptionSpec {
  readonly flags: string;
  readonly description: string;
  readonly fallback?: string;
  /** What it may be, where that is a list: shells offer it. */
  readonly values?: readonly string[];
}

export interface CommandSpec {
  readonly name: string;
  /** In commander's notation: `<name>` is needed, `[name]` may be left out. */
  readonly args: readonly {
    readonly syntax: string;
    readonly description: string;
    readonly values?: readonly string[];
  }[];
  readonly summary: string;
  readonly example: string;
  readonly options: readonly OptionSpec[];
  /** What its help says below the options. */
  readonly notes?: string;
  /** Loaded only when it runs, so that the others start fast. */
  readonly load: () => Promise<CommandRun>;
}

const store: OptionSpec = {
  flags: "--store <store>",
  description:
    "where runs live: a folder, or s3://bucket/prefix (default: .pawl in this folder, or PAWL_STORE)",
};
/** A command that has this one is given the stack itself, found before it runs. */
export const stack: OptionSpec = {
  flags: "--stack <name>",
  description: "the deployed stack whose runs are meant, instead of a store (or PAWL_STACK)",
};
const json: OptionSpec = { flags: "--json", description: "print the result as JSON on stdout" };
const acceptChanges: OptionSpec = {
  flags: "--accept-changes",
  description: "go on although the job file differs from the one the run was begun with",
};
const startAgain: OptionSpec = {
  flags: "--start-again",
  description: "begin at epoch 1 again where every checkpoint of the run is damaged",
};
const verbose: OptionSpec = { flags: "--verbose", description: "show what the trainer prints, on stderr" };

/** What `pawl runs` tells of a run; only the first two can change by themselves. */
export const runStates = [
  "training",
  "waiting",
  "interrupted",
  "stopped",
  "finished",
  "failed",
  "damaged",
] as const;

/** The shells that commands are completed in. */
export const shells = ["bash", "zsh", "fish"] as const;

const completionNotes = `To complete commands, options and the names of runs with TAB:
  bash  eval "$(pawl completion bash)"   in ~/.bashrc
  zsh   eval "$(pawl completion zsh)"    in ~/.zshrc, after compinit
  fish  pawl completion fish > ~/.config/fish/completions/pawl.fish`;

const diagnoseNotes = `It reads, and finds out by itself which it is: the cause of a failed step of Step Functions, what a Catch
gives ({"Error", "Cause"}), a Batch job (in either casing, whole or in part), an attempt's outcome.json, or a log. It
asks nobody: no store, no AWS.`;

/** The policies that --policy takes by their name alone. */
export const namedPolicies = ["auto", "goodput", "noise-scale", "throughput", "plateau"] as const;

const replayNotes = `Reads the journal, and changes nothing. Each decision is made anew from what was before it; exit code 1 says that one
came out otherwise. A policy by its name keeps to the bounds of the run's own; for others see docs/batch-size.md:
  pawl replay shell-1 --policy 64
  pawl replay shell-1 --policy '{policy: plateau, metric: accuracy, mode: max}'`;

/** The one table of commands: parser, help and documentation are made from it. */
export const commands: readonly CommandSpec[] = [
  {
    name: "init",
    args: [{ syntax: "[folder]", description: "where to (default: this folder)" }],
    summary: "Write a job file and a trainer to begin with, which train as they stand.",
    example: "pawl init moons --trainer python",
    options: [
      {
        flags: "--trainer <kind>",
        description: "python, javascript, shell or pytorch",
        fallback: "python",
        values: ["python", "javascript", "shell", "pytorch"],
      },
      { flags: "--name <name>", description: "the job's name (default: the folder's)" },
      json,
    ],
    load: async () => (await import("./init.ts")).init,
  },
  {
    name: "validate",
    args: [{ syntax: "[file]", description: "the job file (default: pawl.yaml)" }],
    summary: "Check a job file, and tell all that is wrong with it. Starts nothing and writes nothing.",
    example: "pawl validate examples/digits/pawl.yaml",
    options: [json],
    load: async () => (await import("./validate.ts")).validate,
  },
  {
    name: "schema",
    args: [],
    summary: "Print the JSON Schema of a job file, for editors.",
    example: "pawl schema > pawl.schema.json",
    options: [],
    load: async () => (await import("./schema.ts")).schema,
  },
  {
    name: "train",
    args: [{ syntax: "[file]", description: "the job file (default: pawl.yaml)" }],
    summary: "Train a job on this machine, or go on with its newest unfinished run.",
    example: "pawl train examples/shell/pawl.yaml",
    options: [
      { flags: "--run <name>", description: "the run's name" },
      { flags: "--new", description: "begin another run" },
      acceptChanges,
      startAgain,
      store,
      verbose,
      json,
    ],
    load: async () => (await import("./train.ts")).train,
  },
  {
    name: "start",
    args: [{ syntax: "[file]", description: "the job file (default: pawl.yaml)" }],
    summary: "Train a job on a stack on AWS, or go on with its newest unfinished run there.",
    example: "pawl start examples/shell/pawl.yaml --stack Pawl --yes",
    options: [
      { flags: "--stack <name>", description: "the deployed stack (needed, or PAWL_STACK)" },
      { flags: "--run <name>", description: "the run's name" },
      { flags: "--new", description: "begin another run" },
      acceptChanges,
      startAgain,
      { flags: "--yes", description: "start without asking" },
      { flags: "--wait", description: "follow it until it is over, as pawl watch does; Ctrl-C only leaves" },
      json,
    ],
    load: async () => (await import("./start.ts")).start,
  },
  {
    name: "resume",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Go on with a run, with the job that it has.",
    example: "pawl resume shell-1",
    options: [
      startAgain,
      store,
      stack,
      { flags: "--wait", description: "on a stack, follow it until it is over; Ctrl-C only leaves" },
      verbose,
      json,
    ],
    load: async () => (await import("./train.ts")).resume,
  },
  {
    name: "stop",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Stop a run, wherever it is trained: what is trained is committed, and pawl resume goes on.",
    example: "pawl stop shell-1",
    options: [{ flags: "--no-wait", description: "do not wait until it has stopped" }, store, stack, json],
    load: async () => (await import("./stop.ts")).stop,
  },
  {
    name: "runs",
    args: [],
    summary: "List the runs in a store, the newest first.",
    example: "pawl runs --state failed,interrupted --newer-than 2d",
    options: [
      {
        flags: "--state <states>",
        description: `only these, with commas between: ${runStates.join(", ")}`,
        values: runStates,
      },
      { flags: "--job <job>", description: "only runs of the job with this name" },
      {
        flags: "--newer-than <age>",
        description: "only those that changed within this time (90min, 12h, 2d)",
      },
      { flags: "--older-than <age>", description: "only those that have not changed for this time" },
      store,
      stack,
      json,
    ],
    load: async () => (await import("./run-list.ts")).runs,
  },
  {
    name: "show",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Show a run: state, epochs, attempts, and each decision with its reason.",
    example: "pawl show shell-1 --json",
    options: [{ flags: "--all", description: "every epoch and decision, however many" }, store, stack, json],
    load: async () => (await import("./show.ts")).show,
  },
  {
    name: "replay",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Decide a run's decisions anew, or choose its batch sizes by another policy.",
    example: "pawl replay shell-1",
    options: [
      {
        flags: "--policy <policy>",
        description: "what this policy would have chosen: its name, a size, or what a job's batchSize can be",
        values: namedPolicies,
      },
      { flags: "--all", description: "every decision on the batch size, however many" },
      store,
      stack,
      json,
    ],
    notes: replayNotes,
    load: async () => (await import("./replay.ts")).replayRun,
  },
  {
    name: "watch",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Watch a run that somebody trains, as its trainer sees it. Ctrl-C only leaves.",
    example: "pawl watch shell-1",
    options: [store, stack, json],
    load: async () => (await import("./watch.ts")).watch,
  },
  {
    name: "logs",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Print what the trainer printed.",
    example: "pawl logs shell-1 --follow",
    options: [
      {
        flags: "--attempt <attempt>",
        description: "a number, newest or all",
        fallback: "newest",
        values: ["newest", "all"],
      },
      { flags: "-f, --follow", description: "go on as it prints, until the run is over; Ctrl-C only leaves" },
      store,
      stack,
      { flags: "--json", description: "print a JSON object for each line on stdout" },
    ],
    load: async () => (await import("./logs.ts")).logs,
  },
  {
    name: "checkpoints",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "List a run's checkpoints, and what else of them is in the store.",
    example: "pawl checkpoints shell-1",
    options: [store, stack, json],
    load: async () => (await import("./checkpoints.ts")).checkpoints,
  },
  {
    name: "pull",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Copy the files of a committed checkpoint into a folder.",
    example: "pawl pull shell-1 --epoch best --to shell-model",
    options: [
      {
        flags: "--epoch <epoch>",
        description: "a number, best or last",
        fallback: "last",
        values: ["best", "last"],
      },
      { flags: "--to <folder>", description: "an absent or empty folder (needed)" },
      store,
      stack,
      json,
    ],
    load: async () => (await import("./pull.ts")).pull,
  },
  {
    name: "copy",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Copy a run to another store, to go on with it there.",
    example: "pawl copy shell-1 --from .pawl --to archive",
    options: [
      { flags: "--from <store>", description: "the store that the run is in (needed, or --stack)" },
      { flags: "--to <store>", description: "the store to copy it to (needed, or --stack)" },
      { flags: "--stack <name>", description: "a stack's store in the place of the one that is not named" },
      json,
    ],
    load: async () => (await import("./copy.ts")).copy,
  },
  {
    name: "diagnose",
    args: [{ syntax: "[input]", description: "the file; - or none reads standard input" }],
    summary: "Say what a failure was, from a cause, a Batch job or a log, and what Pawl would do.",
    example: "pawl logs shell-1 | pawl diagnose",
    options: [json],
    notes: diagnoseNotes,
    load: async () => (await import("./diagnose.ts")).diagnoseInput,
  },
  {
    name: "doctor",
    args: [],
    summary: "Check account, stack, images and quotas, and say what to do about each. Changes nothing.",
    example: "pawl doctor --stack Pawl",
    options: [{ flags: "--stack <name>", description: "the stack (default: PAWL_STACK, or Pawl)" }, json],
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "prune",
    args: [{ syntax: "[name]", description: "the run (default: every run in the store)" }],
    summary: "Show what nobody needs any more, and with --yes remove it.",
    example: "pawl prune --yes",
    options: [
      { flags: "--yes", description: "remove it; without this nothing is removed" },
      { flags: "--whole-runs", description: "remove whole runs too, with their history" },
      {
        flags: "--state <states>",
        description:
          "with --whole-runs, those that are finished, failed, stopped or interrupted (default: finished)",
        values: ["finished", "failed", "stopped", "interrupted"],
      },
      {
        flags: "--older-than <age>",
        description:
          "with --whole-runs, those that have not changed for this time (needed where no run is named)",
      },
      store,
      stack,
      json,
    ],
    load: async () => (await import("./prune.ts")).prune,
  },
  {
    name: "completion",
    args: [{ syntax: "<shell>", description: shells.join(", "), values: shells }],
    summary: "Print the script that completes what is typed in a shell.",
    example: "pawl completion bash",
    options: [],
    notes: completionNotes,
    load: async () => (await import("./completion.ts")).completion,
  },
];
