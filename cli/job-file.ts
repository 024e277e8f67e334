import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { PawlError } from "../core/errors.ts";
import { awsOnlyFields, type TrainingJob, type TrainingJobInput } from "../core/job.ts";
import { parseJob } from "../core/parse-job.ts";
import { systemCode } from "../store/folder-errors.ts";

export interface JobFile {
  readonly path: string;
  /** The job file's folder: what the trainer's working directory is made from. */
  readonly folder: string;
  readonly job: TrainingJob;
  readonly input: TrainingJobInput;
  /** Fields that it gives and that act only on AWS. */
  readonly awsOnly: string[];
}

const maxBytes = 1_048_576;

/** Reads and checks a job file. Throws JOB_NOT_FOUND or JOB_INVALID, before anything is started. */
export async function readJobFile(file: string): Promise<JobFile> {
  const path = resolve(file);
  const text = await readText(path, file);
  let input: unknown;
  try {
    input = parse(text, { logLevel: "error" });
  } catch (error) {
    const why = error instanceof YAMLParseError ? error.message.trim() : String(error);
    throw new PawlError("JOB_INVALID", `${file} is not YAML: ${why}`, {
      next: "Correct the line and run the same command again.",
      details: { file },
      cause: error,
    });
  }
  const { job, input: given } = parseJob(input, file);
  const folder = dirname(path);
  if (job.data !== undefined) await checkFolder(join(folder, job.data), job.data, file);
  return {
    path,
    folder,
    job,
    input: given,
    awsOnly: awsOnlyFields.filter((field) => given[field] !== undefined),
  };
}

async function readText(path: string, shown: string): Promise<string> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) {
      const inside = join(shown, "pawl.yaml");
      throw new PawlError("JOB_NOT_FOUND", `the job file ${shown} is a folder`, {
        next: `Name the file in it: pawl train ${inside}`,
        details: { file: shown },
      });
    }
    if (found.size > maxBytes) {
      throw new PawlError(
        "JOB_INVALID",
        `${shown} has ${found.size} bytes; a job file has at most ${maxBytes}`,
        { next: "Give the job file; data belongs beside it.", details: { file: shown } },
      );
    }
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof PawlError) throw cause;
    const code = systemCode(cause) ?? "unknown";
    throw new PawlError(
      "JOB_NOT_FOUND",
      `the job file ${shown} cannot be read: ${readProblems[code] ?? code}`,
      {
        next: "Name the job file: pawl train FILE.",
        details: { file: shown },
        cause,
      },
    );
  }
}

const readProblems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is not a folder",
  EACCES: "permission is denied",
  ELOOP: "its symbolic links go round in circles",
};

async function checkFolder(path: string, data: string, file: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new PawlError(
    "JOB_INVALID",
    `${file}: data: ${JSON.stringify(data)} is not a folder in the job file's folder`,
    {
      next: "Make the folder, or correct 'data'.",
      details: { field: "data", value: data },
    },
  );
}
