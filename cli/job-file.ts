import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PawlError } from "../core/errors.ts";
import { awsOnlyFields, type TrainingJob, type TrainingJobInput } from "../core/job.ts";
import { checkJob, jobInvalid } from "../core/parse-job.ts";
import type { Problem } from "../core/problems.ts";
import { type JobText, type Place, parseJobText, type TextProblem } from "./job-text.ts";
import { readJobText } from "./read-job-text.ts";

export interface JobFile {
  readonly path: string;
  /** The job file's folder: what the trainer's working directory is made from. */
  readonly folder: string;
  readonly job: TrainingJob;
  readonly input: TrainingJobInput;
  /** Fields that it gives and that act only on AWS. */
  readonly awsOnly: string[];
  /** What the parser doubts. */
  readonly warnings: readonly TextProblem[];
}

/** A problem with where it stands in the file, as `details.problems` of JOB_INVALID and `validate --json` have it. */
interface PlacedProblem extends Partial<Place>, Pick<Problem, "field" | "message" | "next" | "value"> {}

/**
 * Reads and checks a job file: the one way that every command takes. Throws JOB_NOT_FOUND, or JOB_INVALID with all that is
 * wrong (`details.problems`: PlacedProblem), before anything is started.
 */
export async function readJobFile(file: string): Promise<JobFile> {
  const path = resolve(file);
  const folder = dirname(path);
  const text = parseJobText(await readJobText(path, file));
  if ("problems" in text) throw notYaml(file, text.problems);
  const checked = checkJob(text.input);
  const found = "problems" in checked ? checked.problems : [];
  const absent = await absentData(text.input, folder, found);
  if ("problems" in checked || absent.length > 0) throw invalid(file, text, [...found, ...absent]);
  const { job, input } = checked;
  const awsOnly = awsOnlyFields.filter((field) => input[field] !== undefined);
  return { path, folder, job, input, awsOnly, warnings: text.warnings };
}

/** A data folder that is not there. */
async function absentData(input: unknown, folder: string, found: readonly Problem[]): Promise<Problem[]> {
  if (found.some(({ path }) => path.length === 0 || path[0] === "data")) return [];
  if (input === null || typeof input !== "object" || !("data" in input)) return [];
  const { data } = input;
  if (typeof data !== "string") return [];
  const there = await stat(join(folder, data)).catch(() => undefined);
  if (there?.isDirectory() === true) return [];
  const message = `${JSON.stringify(data)} is not a folder in the job file's folder`;
  return [
    {
      field: "data",
      path: ["data"],
      about: "value",
      value: data,
      message,
      next: "Make the folder, or correct data.",
    },
  ];
}

/** `pawl.yaml:3:9`, as editors and terminals open it. */
export const placeWords = (file: string, place: Place | undefined): string =>
  place === undefined ? file : `${file}:${place.line}:${place.column}`;

function invalid(file: string, text: JobText, found: readonly Problem[]): PawlError {
  const placed = found.map((problem) => ({ problem, place: text.placeOf(problem) }));
  placed.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  const sorted = placed.map(({ problem }) => problem);
  const error = jobInvalid(file, sorted, (problem) => `${placeWords(file, text.placeOf(problem))}: `);
  const problems: PlacedProblem[] = placed.map(({ problem, place }) => {
    const { field, message, next } = problem;
    return { field, ...place, ...("value" in problem ? { value: problem.value } : {}), message, next };
  });
  return new PawlError(error.code, error.message, { ...more(error), details: { file, problems } });
}

const more = ({ next }: PawlError) => (next === undefined ? {} : { next });

const correctLine = "Correct the line and run the same command again.";

function notYaml(file: string, found: readonly TextProblem[]): PawlError {
  const lines = found.map(({ message, place }) => {
    const where = place === undefined ? "" : `line ${place.line}, column ${place.column}: `;
    return `${where}${message}`;
  });
  const problems: PlacedProblem[] = found.map(({ message, place }) => ({
    field: "",
    ...place,
    message,
    next: correctLine,
  }));
  return new PawlError("JOB_INVALID", `${file} is not YAML: ${lines.join("\n  ")}`, {
    next: correctLine,
    details: { file, problems },
  });
}
