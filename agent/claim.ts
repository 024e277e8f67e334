import type { Assignment, ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { TrainingJobInput } from "../core/job.ts";
import { AttemptError } from "./attempt-error.ts";
import type { AgentEnvironment } from "./environment.ts";
import { unexpected } from "./heed.ts";

export interface Claimed {
  readonly assignment: Assignment;
  readonly job: TrainingJobInput;
  /** The job's folder, where it has one. */
  readonly source: string | undefined;
}

/** Claims the attempt's assignment. Throws AttemptError: `duplicate` where another Batch job has it, `left` where nobody may. */
export async function claim(
  { run, attempt, batchJobId }: AgentEnvironment,
  review: (event: SentEvent) => Promise<ReviewReply>,
): Promise<Claimed> {
  const { answer, job, source } = await review({ run, attempt, batchJobId, type: "started" });
  if (answer.action === "leave") {
    const more = answer.winner === undefined ? {} : { winner: answer.winner };
    throw new AttemptError(answer.winner === undefined ? "left" : "duplicate", answer.reason, more);
  }
  if (answer.action !== "begin" || job === undefined) throw unexpected(answer, "claim");
  return { assignment: answer.assignment, job, source: source?.folder };
}
