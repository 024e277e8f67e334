import { Command, CommanderError } from "commander";
import { exitCodes, PawlError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import packageJson from "../package.json" with { type: "json" };
import { commands, type OptionValues, stack as stackOption } from "./commands.ts";
import { processConsole } from "./console.ts";
import { renderError } from "./render-error.ts";
import { withStack } from "./stack-option.ts";

const console_ = processConsole();
const usageNext = "'pawl --help' names the commands, 'pawl help COMMAND' the options of one.";
const optionsNext = "Options of a command come after its name: 'pawl COMMAND --option'.";
const trainNext = "'pawl train' trains on this machine; 'pawl start' trains on a stack.";
const json = process.argv.includes("--json");
const given = withoutNoColor(process.argv.slice(2));

const program = new Command("pawl")
  .description(packageJson.description)
  .version(packageJson.version)
  .option("--no-color", "no colours, wherever it stands; the same as NO_COLOR=1")
  .configureHelp({ showGlobalOptions: false })
  .configureOutput({ outputError: () => {} })
  .exitOverride()
  .addHelpText("after", "\nHelp on one command: pawl help train");

for (const spec of commands) {
  const command = program
    .command(spec.name)
    .description(spec.summary)
    .copyInheritedSettings(program)
    .addHelpText("after", `\nExample: ${spec.example}${spec.notes === undefined ? "" : `\n\n${spec.notes}`}`);
  for (const { syntax, description } of spec.args) command.argument(syntax, description);
  for (const { flags, description, fallback } of spec.options) command.option(flags, description, fallback);
  command.action(async (...values: unknown[]) => {
    const args = values
      .slice(0, spec.args.length)
      .map((arg) => (arg === undefined ? undefined : String(arg)));
    const given = command.opts<OptionValues>();
    const place = spec.options.includes(stackOption) ? await withStack(given) : { options: given };
    const run = await spec.load();
    process.exitCode = await run({ args, ...place, console: console_ });
  });
}

/** The words without `--no-color`, which all commands understand and which counts from here on. */
function withoutNoColor(words: readonly string[]): string[] {
  const end = words.indexOf("--");
  const kept = words.filter((word, at) => word !== "--no-color" || (end >= 0 && at > end));
  if (kept.length < words.length) {
    process.env.NO_COLOR = "1";
    delete process.env.FORCE_COLOR;
  }
  return kept;
}

/** Commander shows all commands for `help NAME` with an unknown one, and does not say that it is unknown. */
function checkHelp([first, name]: readonly string[]): void {
  const names = commands.map((spec) => spec.name);
  if (first !== "help" || name === undefined || name.startsWith("-") || [...names, "help"].includes(name))
    return;
  const meant = nearest(name, names);
  const hint = meant === undefined ? "" : `. Did you mean ${meant}?`;
  throw new PawlError("USAGE", `unknown command '${name}'${hint}`, { next: usageNext });
}

/** Whether what it complains of is an option that commands have, given before the command. */
function isBeforeCommand(what: string): boolean {
  const flag = /^unknown option '(--[\w-]+)/.exec(what)?.[1];
  return (
    flag !== undefined &&
    given[0]?.split("=")[0] === flag &&
    commands.some(({ options }) => options.some(({ flags }) => flags.split(/[ ,]+/).includes(flag)))
  );
}

/** Commander's words for a wrong command line, as an error of ours. */
function usageError({ message }: CommanderError): PawlError {
  const [what = message, hint] = message.replace(/^error: /, "").split("\n");
  const meant = hint?.replace(/^\((.*)\)$/, "$1");
  const isTrainOnStack = given[0] === "train" && what.startsWith("unknown option '--stack'");
  return new PawlError("USAGE", meant === undefined || isTrainOnStack ? what : `${what}. ${meant}`, {
    next: isTrainOnStack ? trainNext : isBeforeCommand(what) ? optionsNext : usageNext,
  });
}

try {
  checkHelp(given);
  await program.parseAsync(given, { from: "user" });
} catch (error) {
  if (!(error instanceof CommanderError)) {
    renderError(error, console_, json);
    process.exitCode = error instanceof PawlError ? error.exitCode : exitCodes.toolError;
  } else if (error.exitCode !== exitCodes.done) {
    // Help that was not asked for has been shown already.
    if (error.code !== "commander.help") renderError(usageError(error), console_, json);
    process.exitCode = exitCodes.usage;
  }
}
