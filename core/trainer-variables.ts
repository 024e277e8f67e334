import { distance } from "./nearest.ts";
import type { EpochPlan } from "./report.ts";

/** What a training command is told, beside the plan: where things are. */
export interface TrainerContext {
  readonly run: string;
  readonly attempt: number;
  readonly epochs: number;
  readonly plan: EpochPlan;
  /** The restored checkpoint, which a plain command changes in place. */
  readonly checkpointDir: string;
  readonly metricsFile: string;
  readonly dataDir: string | undefined;
}

type Variable = (context: TrainerContext) => string | number | undefined;

/**
 * The one table of what a trainer is given: as `PAWL_<NAME>` in its environment (`PAWL_BATCH_SIZE`) and as `{name}` in
 * the command's arguments (`{batchSize}`).
 */
const trainerVariables = {
  run: (c) => c.run,
  attempt: (c) => c.attempt,
  epoch: (c) => c.plan.epoch,
  epochs: (c) => c.epochs,
  seed: (c) => c.plan.seed,
  batchSize: (c) => c.plan.batchSize,
  microBatchSize: (c) => c.plan.microBatchSize,
  accumulation: (c) => c.plan.accumulation,
  lrScale: (c) => c.plan.learningRateScale,
  checkpointDir: (c) => c.checkpointDir,
  metricsFile: (c) => c.metricsFile,
  dataDir: (c) => c.dataDir,
} as const satisfies Record<string, Variable>;

type VariableName = keyof typeof trainerVariables;

export const trainerVariableNames = Object.keys(trainerVariables) as VariableName[];

/** Variables that not every job gives a value. */
const dependsOn: Partial<Record<VariableName, "batchSize" | "dataDir">> = {
  batchSize: "batchSize",
  microBatchSize: "batchSize",
  accumulation: "batchSize",
  dataDir: "dataDir",
};

const placeholder = /\{(\{[A-Za-z]+\})\}|\{([A-Za-z]+)\}/g;

const isVariable = (name: string): name is VariableName => Object.hasOwn(trainerVariables, name);

export const environmentName = (name: string): string =>
  `PAWL_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** The variables that have a value, by their names in the environment. */
export function trainerEnvironment(context: TrainerContext): Record<string, string> {
  const entries = trainerVariableNames.flatMap((name) => {
    const value = trainerVariables[name](context);
    return value === undefined ? [] : [[environmentName(name), String(value)] as const];
  });
  return Object.fromEntries(entries);
}

/** `argument` with its placeholders filled in; `{{epoch}}` stands for `{epoch}`, other braces for themselves. */
export function fillPlaceholders(argument: string, context: TrainerContext): string {
  return argument.replace(placeholder, (whole, escaped: string | undefined, name: string | undefined) => {
    if (escaped !== undefined) return escaped;
    if (name === undefined || !isVariable(name)) return whole;
    return String(trainerVariables[name](context) ?? whole);
  });
}

/** Few letters may differ, and none in a short name: braces are also other programs' affair, and stand for themselves. */
function isMisspelt(name: string, known: string): boolean {
  const letters = known.length < 5 ? 0 : known.length < 8 ? 1 : 2;
  return distance(name.toLowerCase(), known.toLowerCase()) <= letters;
}

/** What is wrong with an argument's placeholders, given which optional values the job has. */
export function variableProblem(
  argument: string,
  has: Record<"batchSize" | "dataDir", boolean>,
): string | undefined {
  for (const [, , name] of argument.matchAll(placeholder)) {
    if (name === undefined) continue;
    if (!isVariable(name)) {
      const meant = trainerVariableNames.find((known) => isMisspelt(name, known));
      if (meant === undefined) continue;
      const itself = meant.toLowerCase() === name.toLowerCase() ? "" : ` ({{${name}}} stands for {${name}})`;
      return `{${name}}: did you mean {${meant}}?${itself}`;
    }
    const need = dependsOn[name];
    if (need !== undefined && !has[need]) {
      return `{${name}} has no value: give ${need === "dataDir" ? "data" : need} too`;
    }
  }
  return undefined;
}
