// Writes the parts of the documentation that are made from code, between `<!-- generated: name -->` and
// `<!-- end generated -->`. A test fails where they are not current. Run: npx node scripts/generate-docs.ts
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { contextValues } from "../cdk/context-values.ts";
import { actionWords } from "../cli/action-words.ts";
import { type CommandSpec, commands } from "../cli/commands.ts";
import { errorTable, exitCodes } from "../core/errors.ts";
import { failureClasses, failureRule } from "../core/failure.ts";
import { awsOnlyFields } from "../core/job.ts";
import { jobJsonSchema } from "../core/parse-job.ts";
import { Bounds } from "../core/policies/batch-size/bounds.ts";
import { Goodput } from "../core/policies/batch-size/goodput.ts";
import { NoiseScale } from "../core/policies/batch-size/noise-scale.ts";
import { Plateau } from "../core/policies/batch-size/plateau.ts";
import { Throughput } from "../core/policies/batch-size/throughput.ts";
import { LearningRatePolicy } from "../core/policies/learning-rate.ts";
import { FieldSchema, fieldRows } from "./job-table.ts";
import {
  optionalGrantColumns,
  optionalGrantRows,
  permissionColumns,
  permissionRows,
} from "./permission-rows.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

function jobFields(): string {
  const awsOnly: readonly string[] = awsOnlyFields;
  const rows = fieldRows(FieldSchema.parse(jobJsonSchema())).map(({ field, type, fallback, description }) => {
    const top = field.split(".")[0] ?? field;
    const where = awsOnly.includes(top) && !description.includes("AWS") ? " Acts only on AWS." : "";
    return [`\`${field}\``, type, fallback, `${description}${where}`];
  });
  return markdownTable(columns, rows);
}

const columns = ["field", "what may be written", "default", "what it does"];

/** The fields of `form` that are not in `known`. */
function ownFields(form: z.ZodType, known: readonly string[] = []): string {
  const rows = fieldRows(FieldSchema.parse(z.toJSONSchema(form, { io: "input" })));
  const own = rows.filter(({ field }) => !known.includes(field));
  return markdownTable(
    columns,
    own.map(({ field, type, fallback, description }) => [`\`${field}\``, type, fallback, description]),
  );
}

const policyFields = (form: z.ZodType): string => ownFields(form, ["policy", ...Object.keys(Bounds.shape)]);

/** Examples that do not go through in the order of the table, each with why. */
const notRun: Readonly<Record<string, string>> = {
  start: "needs a stack on AWS; aws.md starts one",
  doctor: "needs an account on AWS; cli/doctor.test.ts runs it",
  stop: "shell-1 is finished here; what-happens-when/stopped.md stops a run",
};

function command({ name, summary, args, options, example, notes }: CommandSpec): string {
  const usage = ["pawl", name, ...args.map(({ syntax }) => syntax), "[options]"].join(" ");
  const rows = [
    ...args.map(({ syntax, description }) => [`\`${syntax}\``, description]),
    ...options.map(({ flags, description, fallback }) => [
      `\`${flags}\``,
      fallback === undefined ? description : `${description} (default: \`${fallback}\`)`,
    ]),
  ];
  const skip = notRun[name] === undefined ? "" : `<!-- skip: ${notRun[name]} -->\n`;
  const shown = `${skip}\`\`\`sh\n${example}\n\`\`\``;
  const more = notes === undefined ? [] : [`    ${notes.replaceAll("\n", "\n    ")}`];
  return [`### pawl ${name}`, summary, `    ${usage}`, shown, markdownTable(["", ""], rows), ...more].join(
    "\n\n",
  );
}

const exitCodeWords = {
  done: "Done: the run is finished, or the command has done what it was asked for.",
  toolError: "Pawl itself could not go on: the store, the journal, another driver, a bug.",
  usage: "The command line or the job file is wrong; nothing was started.",
  runFailed: "The run failed. It keeps what is committed, and the same command tries again.",
  notFinished: "Interrupted before the run was finished; the same command goes on.",
  notFound: "There is no such run or checkpoint.",
  stopped: "The run was stopped with `pawl stop`; `pawl resume` goes on.",
} as const satisfies Record<keyof typeof exitCodes, string>;

const exitCodeTable = (): string =>
  markdownTable(
    ["exit code", "meaning"],
    Object.entries(exitCodeWords).map(([name, words]) => [
      String(Object.entries(exitCodes).find(([known]) => known === name)?.[1]),
      words,
    ]),
  );

const errorCodes = (): string =>
  markdownTable(
    ["exit code", "error codes"],
    [...new Set(Object.values(errorTable))]
      .sort((a, b) => a - b)
      .map((exitCode) => {
        const codes = Object.entries(errorTable).filter(([, ends]) => ends === exitCode);
        return [String(exitCode), codes.map(([code]) => `\`${code}\``).join(", ")];
      }),
  );

const classTable = (): string =>
  markdownTable(
    ["class", "what follows", "counts", "what to do when the run gives up"],
    failureClasses.map((name) => {
      const { after, counts, budget, next } = failureRule(name);
      const most = budget === undefined ? "" : `, ${budget} at most`;
      return [`\`${name}\``, actionWords[after], `${counts ? "yes" : "no"}${most}`, next];
    }),
  );

const contextTable = (): string =>
  markdownTable(
    ["key", "what it takes", "default", "what it is for"],
    Object.entries(contextValues).map(([key, { takes, unless, means }]) => [
      `\`${key}\``,
      takes,
      unless,
      means,
    ]),
  );

const parts: Readonly<Record<string, () => string>> = {
  "job fields": jobFields,
  commands: () => commands.map(command).join("\n\n"),
  "exit codes": exitCodeTable,
  "error codes": errorCodes,
  "failure classes": classTable,
  permissions: () => markdownTable(permissionColumns, permissionRows()),
  "permissions by choice": () => markdownTable(optionalGrantColumns, optionalGrantRows()),
  context: contextTable,
  "batch size bounds": () => ownFields(Bounds),
  "policy goodput": () => policyFields(Goodput),
  "policy noise-scale": () => policyFields(NoiseScale),
  "policy throughput": () => policyFields(Throughput),
  "policy plateau": () => policyFields(Plateau),
  "learning rate": () => ownFields(LearningRatePolicy),
};

/** The files that hold generated parts. */
export const generatedFiles = [
  "docs/job.md",
  "docs/cli.md",
  "docs/what-happens-when/failure-classes.md",
  "docs/security.md",
  "docs/deploy.md",
  "docs/batch-size.md",
] as const;

const marked = /(<!-- generated: (.+?) -->\n)([\s\S]*?)(\n<!-- end generated -->)/g;

/** `text` with its generated parts as they should be, and their names. Throws for a part that nothing makes. */
export function regenerate(text: string): { text: string; names: string[] } {
  const names: string[] = [];
  const made = text.replace(marked, (_whole, begin: string, name: string, _old: string, end: string) => {
    const make = parts[name];
    if (make === undefined) throw new RangeError(`no generated part is called '${name}'`);
    names.push(name);
    return `${begin}\n${make()}\n${end}`;
  });
  return { text: made, names };
}

/** Every generated part, by name. */
export const partNames = Object.keys(parts);

if (import.meta.main) {
  for (const file of generatedFiles) {
    const path = join(root, file);
    writeFileSync(path, regenerate(readFileSync(path, "utf8")).text);
    console.log(file);
  }
}
