import { RootCommand } from "@bomb.sh/tab";
import { type CommandSpec, commands, type OptionValues } from "./commands.ts";

/**
 * `pawl complete -- <words>`, which the scripts of `pawl completion` call: what the last word can become, one a line, and
 * in the last line how the shell is to take it. Says nothing else, whatever happens: it is called while somebody types.
 */
export async function complete(words: readonly string[]): Promise<void> {
  try {
    const root = describeCommands(await runNames(words), words.at(-1) ?? "");
    // A value that is joined to its option's name needs no place of its own.
    const before = words.slice(0, -1).filter((word) => !/^--[\w-]+=/.test(word));
    root.parse([...before, ...words.slice(-1)]);
  } catch (error) {
    console.log(error instanceof ShellCompletes ? error.lines : `:${noFiles}`);
  }
}

/** What the scripts understand in the last line (cobra's directives). */
const noFiles = 4;
const filesWithExtension = 8;
const folders = 16;

/** The shell knows files and folders better than we do. */
class ShellCompletes extends Error {
  readonly lines: string;

  constructor(lines: string) {
    super("the shell completes this");
    this.lines = lines;
  }
}

/** Causes and descriptions of jobs, and logs. */
const signalFiles = `json\nlog\ntxt\nout\nerr\n:${filesWithExtension}`;

const jobFiles = `yaml\nyml\njson\n:${filesWithExtension}`;

type Handler = (complete: (value: string, description: string) => void) => void;

const shell = (lines: string): Handler => {
  return () => {
    throw new ShellCompletes(lines);
  };
};

/** Of a list with commas, the next one. */
const offer =
  (values: readonly string[], typed = ""): Handler =>
  (complete) => {
    const before = typed.slice(typed.lastIndexOf("=") + 1, typed.lastIndexOf(",") + 1);
    for (const value of values) complete(`${before}${value}`, "");
  };

function describeCommands(runs: readonly string[], typed: string): RootCommand {
  const root = new RootCommand();
  for (const spec of commands) {
    const command = root.command(spec.name, spec.summary);
    for (const { syntax, values } of spec.args) {
      const name = syntax.replace(/[<>[\].]/g, "");
      command.argument(name, values === undefined ? byPlaceholder(name, runs) : offer(values));
    }
    for (const { flags, description, values } of spec.options) {
      const [, short, long = "", placeholder] =
        /^(?:-(\w), )?--([\w-]+)(?: [<[]([\w-]+)[>\]])?$/.exec(flags) ?? [];
      if (placeholder === undefined) command.option(long, description, short);
      else {
        const handler = values === undefined ? byFlag(long, placeholder, runs) : offer(values, typed);
        command.option(long, description, handler, short);
      }
    }
    command.option("help", "how it is used", "h");
  }
  const help = root.command("help", "Show how a command is used.");
  help.argument("command", offer(commands.map(({ name }) => name)));
  root.option("help", "name the commands", "h");
  root.option("version", "print the version", "V");
  root.option("no-color", "no colours");
  return root;
}

const nothing: Handler = () => {};

function byPlaceholder(name: string, runs: readonly string[]): Handler {
  if (name === "name") return offer(runs);
  if (name === "file") return shell(jobFiles);
  if (name === "input") return shell(signalFiles);
  return isFolder(name) ? shell(`:${folders}`) : nothing;
}

const isFolder = (placeholder: string): boolean => placeholder === "folder" || placeholder === "store";

function byFlag(long: string, placeholder: string, runs: readonly string[]): Handler {
  if (long === "run") return offer(runs);
  return isFolder(placeholder) ? shell(`:${folders}`) : nothing;
}

const wantsRun = ({ args, options }: CommandSpec): boolean =>
  args.some(({ syntax }) => /^[<[]name[>\]]$/.test(syntax)) ||
  options.some(({ flags }) => flags.startsWith("--run "));

/** The runs in the store that the words name; read only where one can be meant. */
async function runNames(words: readonly string[]): Promise<string[]> {
  const spec = commands.find(({ name }) => name === words[0]);
  if (spec === undefined || !wantsRun(spec)) return [];
  const { storeAddress } = await import("./store-address.ts");
  const { withStack } = await import("./stack-option.ts");
  const { openStore } = await import("../store/open-store.ts");
  const { journalPrefix } = await import("../core/keys.ts");
  try {
    const names: string[] = [];
    const given = placeOption(words);
    const isOfStack = spec.options.some(({ flags }) => flags.startsWith("--stack "));
    const { options } = isOfStack ? await withStack(given) : { options: given };
    const store = await openStore(storeAddress(options), "read");
    for await (const name of store.children(journalPrefix)) names.push(name);
    return names;
  } catch {
    return [];
  }
}

/** `--store X` or `--store=X` among the words that stand before the one that is typed; of a copy, `--from`; or `--stack`. */
function placeOption(words: readonly string[]): OptionValues {
  const given = words.slice(0, -1).flatMap((word, at, all) => {
    const [, name, joined] = /^--(store|from|stack)(?:=(.*))?$/.exec(word) ?? [];
    if (name === undefined) return [];
    const value = joined ?? all[at + 1];
    return value === undefined ? [] : [[name === "stack" ? "stack" : "store", value]];
  });
  const newest = given.at(-1);
  return newest === undefined ? {} : Object.fromEntries([newest]);
}
