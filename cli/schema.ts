import { exitCodes } from "../core/errors.ts";
import { jobJsonSchema } from "../core/parse-job.ts";
import type { CommandRun } from "./commands.ts";

/** What `pawl schema` prints, and `pawl init` writes beside the job for editors. */
export const schemaText = (): string => JSON.stringify(jobJsonSchema(), null, 2);

/** `pawl schema`. */
export const schema: CommandRun = async ({ console }) => {
  console.out(schemaText());
  return exitCodes.done;
};
