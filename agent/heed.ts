import type { ReviewAnswer } from "../core/answers.ts";
import { AttemptError } from "./attempt-error.ts";

/** Ends the attempt where Review's answer says so: it is not live, or what it trained is of no use. */
export function heed(answer: ReviewAnswer): void {
  if (answer.action === "leave") throw new AttemptError("left", answer.reason);
  if (answer.action === "fail") throw new AttemptError(answer.class, answer.reason);
}

export const unexpected = (answer: ReviewAnswer | undefined, to: string): AttemptError =>
  new AttemptError("unknown", `Review answered '${answer?.action}' to a ${to}`);
