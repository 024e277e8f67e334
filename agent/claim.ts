import type { Assignment, ReviewReply } from "../core/answers.ts";
import type { SentEvent } from "../core/events.ts";
import type { Instance } from "../core/instance.ts";
import type { TrainingJobInput } from "../core/job.ts";
import type { JobSource } from "../core/source.ts";
import { AttemptError } from "./attempt-error.ts";
import type { AgentEnvironment } from "./environment.ts";
import { unexpected } from "./heed.ts";

export interface Claimed {
  readonly assignment: Assignment;
  readonly job: TrainingJobInput;
  /** Where the job's code is. */
  readonly source: JobSource | undefined;
}

interface Claimant {
  readonly environment: AgentEnvironment;
  /** What it runs on, where that is known. */
  readonly instance?: Instance | undefined;
}

/** Claims the attempt's assignment. Throws AttemptError: `duplicate` where another Batch job has it, `left` where nobody may. */
export async function claim(
  { environment: { run, attempt, batchJobId }, instance }: Claimant,
  review: (event: SentEvent) => Promise<ReviewReply>,
): Promise<Claimed> {
  const { answer, job, source } = await review({
    run,
    attempt,
    batchJobId,
    type: "started",
    ...(instance === undefined ? {} : { instance }),
  });
  if (answer.action === "leave") {
    const more = answer.winner === undefined ? {} : { winner: answer.winner };
    throw new AttemptError(answer.winner === undefined ? "left" : "duplicate", answer.reason, more);
  }
  if (answer.action !== "begin" || job === undefined) throw unexpected(answer, "claim");
  return { assignment: answer.assignment, job, source };
}
