import { formatCheckpointSource } from "../core/checkpoint-source.ts";
import { PawlError } from "../core/errors.ts";
import type { OpenEvent } from "../core/events.ts";
import { TrainingJob } from "../core/job.ts";
import { placementProblem } from "../core/placement.ts";
import { folderOf } from "../core/source.ts";
import type { Offers } from "../core/stack.ts";
import type { JournalHead } from "./journalled.ts";

/** A checkpoint's address in S3 can be reached from everywhere; a folder only where it is. */
const isFolder = (address: string | undefined): boolean => address !== undefined && !/^s3:/i.test(address);

/** What a job names that is in a folder of somebody's machine. */
function folderProblem(
  { checkpoint }: TrainingJob,
  source: OpenEvent["source"],
  epoch: number,
): string | undefined {
  const folder = folderOf(source);
  if (folder !== undefined)
    return `source must be packed code, code/ and a digest, that 'pawl start' makes; it is the folder '${folder}', which no instance can reach`;
  // Nobody looks at it once an epoch is committed.
  if (epoch > 0 || checkpoint.policy === "none" || checkpoint.from === undefined) return undefined;
  const { from } = checkpoint;
  const place = "folder" in from ? from.folder : "address" in from ? from.address : from.store;
  if (!isFolder(place)) return undefined;
  return `checkpoint.from must be a run of this stack or an address in S3; it is ${formatCheckpointSource(from)}, in a folder that no instance can reach`;
}

/**
 * Refuses a job that the stack can never place, or that needs what is on somebody's machine. What goes on under the same
 * driver is not looked at again: a stack that was deployed anew breaks no run. Errors: JOB_INVALID, in the words of
 * `pawl validate`.
 */
export function checkPlaceable(
  offers: Offers,
  head: JournalHead | undefined,
  request: Pick<OpenEvent, "job" | "source">,
): void {
  if (head?.state.status === "finished") return;
  const input = request.job ?? head?.job;
  if (input === undefined) return;
  const job = TrainingJob.parse(input);
  const found = [
    folderProblem(job, request.source ?? head?.source, head?.state.progress.epoch ?? 0),
    placementProblem(job, offers),
  ].filter((problem) => problem !== undefined);
  if (found.length === 0) return;
  const where = request.job === undefined ? `the job of run ${head?.state.run}` : "the input's job";
  throw new PawlError("JOB_INVALID", `${where} is not a valid job:\n  ${found.join("\n  ")}`, {
    next: "Correct what is named above and start again.",
  });
}
