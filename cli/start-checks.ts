import { PawlError } from "../core/errors.ts";
import type { TrainingJob } from "../core/job.ts";
import { placementProblem } from "../core/placement.ts";
import type { PackedCode } from "../store/code.ts";
import type { JobFile } from "./job-file.ts";
import type { Stack } from "./stack.ts";

const refuse = (path: string, field: string, problem: string, next: string): PawlError =>
  new PawlError("JOB_INVALID", `${path}: ${field} ${problem}`, { next, details: { file: path, field } });

/** What trains here and cannot on a stack, seen from the job file and the packed code alone. Throws JOB_INVALID. */
export function checkForStack({ path, job }: Pick<JobFile, "path" | "job">, code: PackedCode): void {
  const from = job.checkpoint.policy === "keep" ? job.checkpoint.from : undefined;
  const place = from === undefined ? undefined : localPlace(from);
  if (place !== undefined) {
    throw refuse(
      path,
      "checkpoint.from",
      `is a folder on this machine (${place}), which a stack cannot read`,
      "Copy it to S3 and name it there (s3://bucket/prefix), or copy its run with 'pawl copy --stack' and name the run.",
    );
  }
  checkData(path, job, code);
}

/** Throws JOB_INVALID where the job's data is left out of the code. `path` is what the job is called by. */
export function checkData(path: string, { data }: Pick<TrainingJob, "data">, code: PackedCode): void {
  if (data === undefined) return;
  const folder = data
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
  const isIn =
    folder === "" || code.entries.some(({ path: at }) => at === folder || at.startsWith(`${folder}/`));
  if (isIn) return;
  throw refuse(
    path,
    "data",
    `names ${JSON.stringify(data)}, which is left out of the code that is packed, or is empty`,
    "Take it in with a .pawlignore file, which replaces .gitignore; or let the trainer fetch its data.",
  );
}

/** Throws STACK_REFUSES where no attempt of the job could ever be placed. */
export function checkPlacement({ stackName, offers }: Stack, job: TrainingJob): void {
  const problem = placementProblem(job, offers);
  if (problem === undefined) return;
  throw new PawlError("STACK_REFUSES", `the stack ${stackName} can never train ${job.name}: ${problem}`, {
    next: "Correct it in the job file, or deploy the stack with what is wanted.",
    details: { stack: stackName, image: job.image, compute: job.compute },
  });
}

type From = Extract<JobFile["job"]["checkpoint"], { policy: "keep" }>["from"];

function localPlace(from: NonNullable<From>): string | undefined {
  if ("folder" in from) return from.folder;
  if ("run" in from && from.store !== undefined && !/^s3:/i.test(from.store)) return from.store;
  return undefined;
}
