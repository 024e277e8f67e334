import { PawlError } from "../core/errors.ts";
import type { JobChange } from "../core/job-digest.ts";
import type { Console } from "./commands.ts";

/** Shows how the job file differs from the run's job. Throws JOB_CHANGED unless that is accepted. */
export function announceChanges(
  changes: readonly JobChange[],
  run: string,
  accepted: boolean,
  console: Console,
): void {
  if (changes.length === 0) return;
  const lines = changes.map(
    ({ field, before, after }) => `  ${field}: ${before ?? "absent"} → ${after ?? "absent"}`,
  );
  const text = `the job file differs from the job of run ${run}:\n${lines.join("\n")}`;
  if (!accepted) {
    throw new PawlError("JOB_CHANGED", text, {
      next: changes.some(({ field }) => field === "name")
        ? "It is a run of another job: give another --run, or begin one with --new."
        : "Go on with --accept-changes, or begin another run with --new.",
      details: { run, changes },
    });
  }
  console.err(text);
}
