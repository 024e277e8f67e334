import type { ExitCode } from "../core/errors.ts";

/** Where a command writes: results on stdout, talk on stderr. */
export interface Console {
  readonly out: (text: string) => void;
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
  readonly options: OptionValues;
  readonly console: Console;
}

export type CommandRun = (input: CommandInput) => Promise<ExitCode>;

interface OptionSpec {
  readonly flags: string;
  readonly description: string;
  readonly fallback?: string;
}

export interface CommandSpec {
  readonly name: string;
  /** In commander's notation: `<name>` is needed, `[name]` may be left out. */
  readonly args: readonly { readonly syntax: string; readonly description: string }[];
  readonly summary: string;
  readonly example: string;
  readonly options: readonly OptionSpec[];
  /** Loaded only when it runs, so that the others start fast. */
  readonly load: () => Promise<CommandRun>;
}

const store: OptionSpec = {
  flags: "--store <folder>",
  description: "where runs live (default: .pawl in this folder, or PAWL_STORE)",
};
const json: OptionSpec = { flags: "--json", description: "print the result as JSON on stdout" };
const acceptChanges: OptionSpec = {
  flags: "--accept-changes",
  description: "go on although the job file differs from the one the run was begun with",
};
const verbose: OptionSpec = { flags: "--verbose", description: "show what the trainer prints, on stderr" };

/** The one table of commands: parser, help and documentation are made from it. */
export const commands: readonly CommandSpec[] = [
  {
    name: "train",
    args: [{ syntax: "[file]", description: "the job file (default: pawl.yaml)" }],
    summary: "Train a job on this machine, or go on with its newest unfinished run.",
    example: "pawl train examples/shell/pawl.yaml",
    options: [
      { flags: "--run <name>", description: "the run's name" },
      { flags: "--new", description: "begin another run" },
      acceptChanges,
      store,
      verbose,
      json,
    ],
    load: async () => (await import("./train.ts")).train,
  },
  {
    name: "resume",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Go on with a run, with the job that it has.",
    example: "pawl resume shell-1",
    options: [store, verbose, json],
    load: async () => (await import("./train.ts")).resume,
  },
  {
    name: "show",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Show a run: state, epochs, attempts, and each decision with its reason.",
    example: "pawl show shell-1 --json",
    options: [{ flags: "--all", description: "every epoch and decision, however many" }, store, json],
    load: async () => (await import("./show.ts")).show,
  },
  {
    name: "pull",
    args: [{ syntax: "<name>", description: "the run" }],
    summary: "Copy the files of a committed checkpoint into a folder.",
    example: "pawl pull shell-1 --epoch best --to shell-model",
    options: [
      { flags: "--epoch <epoch>", description: "a number, best or last", fallback: "last" },
      { flags: "--to <folder>", description: "an absent or empty folder (needed)" },
      store,
      json,
    ],
    load: async () => (await import("./pull.ts")).pull,
  },
];
