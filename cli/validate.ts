import { formatCheckpointSource } from "../core/checkpoint-source.ts";
import { scalingOf } from "../core/decisions/plan.ts";
import { exitCodes, PawlError } from "../core/errors.ts";
import type { TrainingJob } from "../core/job.ts";
import { sizes } from "../core/policies/batch-size/bounds.ts";
import { policyWords } from "./batch-words.ts";
import { paint } from "./colour.ts";
import type { CommandRun, Console } from "./commands.ts";
import { count, duration } from "./format.ts";
import { jobDoubts } from "./job-doubts.ts";
import { type JobFile, placeWords, readJobFile } from "./job-file.ts";
import { machineWarnings } from "./job-warnings.ts";
import { renderError } from "./render-error.ts";

/** `pawl validate [file]`: starts nothing, writes nothing, and asks no network. */
export const validate: CommandRun = async ({ args, options, console }) => {
  const name = args[0] ?? "pawl.yaml";
  const json = options.json === true;
  let file: JobFile;
  try {
    file = await readJobFile(name);
  } catch (error) {
    if (!(error instanceof PawlError) || error.code !== "JOB_INVALID") throw error;
    return refuse(error, console, json);
  }
  const warnings = [
    ...file.warnings.map(({ message, place }) => `${placeWords(name, place)}: ${message}`),
    ...jobDoubts(file.job),
    ...(await machineWarnings(file)),
  ];
  if (json) {
    console.out(JSON.stringify({ valid: true, job: file.job, warnings }));
    return exitCodes.done;
  }
  console.out([`${name} is valid`, ...summary(file.job)].join("\n"));
  for (const warning of warnings) console.err(`${paint("yellow", "warning")}: ${warning}`);
  return exitCodes.done;
};

function refuse(error: PawlError, console: Console, json: boolean): typeof error.exitCode {
  const { code, message, next, details } = error;
  const whole = { field: "", message, next };
  // `error` as in every other command, so that programs can look in one place.
  const problems = details.problems ?? [whole];
  if (json) console.out(JSON.stringify({ valid: false, problems, error: { code, message, next } }));
  renderError(error, console, false);
  return error.exitCode;
}

/** The job as it is understood, with what goes without saying. */
function summary(job: TrainingJob): string[] {
  const rows: [string, string][] = [
    ["name", job.name],
    ["command", job.command.map(word).join(" ")],
    ["epochs", String(job.epochs)],
    ["batch size", batchSize(job)],
    ...sizesConsidered(job),
    ["micro-batch", microBatch(job)],
    ["learning rate", learningRate(job)],
    ["checkpoints", checkpoints(job)],
    ["stop", stop(job)],
    ["segment", job.segment === "auto" ? "auto: as many epochs as there are" : count(job.segment, "epoch")],
    ["retry", retry(job)],
    ["seed", String(job.seed)],
    ["data", job.data ?? "none"],
    ["env", Object.keys(job.env).join(", ") || "none"],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(14)}${value}`);
}

/** An argument as a shell would take it, only to be read. */
const word = (argument: string): string =>
  /^[\w./:=@%+,{}-]+$/.test(argument) ? argument : JSON.stringify(argument);

function batchSize({ batchSize: policy }: TrainingJob): string {
  if (policy === undefined) return "left to the trainer; auto, from its own, where it measures for Pawl";
  return policyWords(policy);
}

/** The sizes that a policy may choose; nothing where it does not choose. */
function sizesConsidered({ batchSize: policy }: TrainingJob): [string, string][] {
  if (policy === undefined || !("multipleOf" in policy)) return [];
  const all = sizes(policy);
  const shown = all.length > 12 ? [...all.slice(0, 6), "…", ...all.slice(-3)] : all;
  return [["sizes", shown.join(", ")]];
}

function microBatch({ microBatchSize, memory, batchSize: policy }: TrainingJob): string {
  if (microBatchSize === "auto") return "auto: the most that fit";
  if (microBatchSize !== undefined) return `at most ${microBatchSize}`;
  if (policy === undefined) return "left to the trainer";
  return memory.onOutOfMemory === "give-up"
    ? "the whole batch"
    : "the whole batch, less where memory runs out";
}

function learningRate(job: TrainingJob): string {
  const { referenceBatchSize, warmUp } = job.learningRate;
  const scaling = scalingOf(job);
  if (job.batchSize === undefined && job.learningRate.scaling === undefined)
    return "not scaled; auto, where Pawl chooses the batch size";
  if (scaling === "none") return "not scaled";
  const rule = scaling === "auto" ? "auto: as the optimizer wants it" : scaling;
  const from = referenceBatchSize === undefined ? "the first batch size" : `batch size ${referenceBatchSize}`;
  return `scaled (${rule}) from ${from}${warmUp === 0 ? "" : `, over ${count(warmUp, "step")} after a change`}`;
}

function checkpoints({ checkpoint }: TrainingJob): string {
  if (checkpoint.policy === "none") return "none: the trainer keeps nothing";
  const { keep, best, from } = checkpoint;
  const bestToo = best === undefined ? "" : `, and the one with the ${best.mode} ${best.metric}`;
  return `the newest ${keep}${bestToo}${from === undefined ? "" : `; begins from ${formatCheckpointSource(from)}`}`;
}

function stop({ epochs, stop: policy }: TrainingJob): string {
  if (policy === undefined) return `after epoch ${epochs}`;
  const { metric, mode, target, patience } = policy;
  const reached = target === undefined ? [] : [`${metric} at ${mode === "max" ? "least" : "most"} ${target}`];
  const stuck = patience === undefined ? [] : [`no better ${metric} for ${count(patience, "epoch")}`];
  return [...reached, ...stuck, `epoch ${epochs}`].join(", or ");
}

const retry = ({ retry: policy }: TrainingJob): string =>
  `up to ${count(policy.failuresWithoutProgress, "failure")} in a row, up to ${duration(policy.baseDelaySeconds)} apart, later up to ${duration(policy.maxDelaySeconds)}`;
