import * as z from "zod";
import { PawlError } from "./errors.ts";
import { JobInput } from "./events.ts";
import { TrainingJob, type TrainingJobInput } from "./job.ts";
import { problems } from "./problems.ts";

/** The job's JSON Schema, as editors read it: what may be written, with defaulted fields optional. */
export const jobJsonSchema = (): unknown => z.toJSONSchema(TrainingJob, { io: "input" });

/**
 * A job that was read from a file or an execution's input; `where` names it in the message. Throws JOB_INVALID, which
 * names each wrong field, its value and what is allowed.
 */
export function parseJob(input: unknown, where: string): { job: TrainingJob; input: TrainingJobInput } {
  const parsed = TrainingJob.safeParse(input);
  if (parsed.success) return { job: parsed.data, input: JobInput.parse(input) };
  const found = problems(parsed.error, input, jobJsonSchema);
  const lines = found.map(({ field, message }) =>
    field === "" ? `the job ${message}` : `${field} ${message}`,
  );
  throw new PawlError("JOB_INVALID", `${where} is not a valid job:\n  ${lines.join("\n  ")}`, {
    next: "Correct what is named above and run the same command again.",
    details: { problems: found },
  });
}
