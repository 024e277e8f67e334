import { PawlError } from "../core/errors.ts";

/** What a check found, for a person to read. */
export interface Finding {
  readonly status: "ok" | "warning" | "problem";
  /** What was looked at: `stack Pawl`, `image default`. */
  readonly subject: string;
  readonly found: string;
  /** What to do about it; a whole sentence. */
  readonly next?: string;
}

export const ok = (subject: string, found: string): Finding => ({ status: "ok", subject, found });
export const warning = (subject: string, found: string, next?: string): Finding => ({
  status: "warning",
  subject,
  found,
  ...(next === undefined ? {} : { next }),
});
export const problem = (subject: string, found: string, next: string): Finding => ({
  status: "problem",
  subject,
  found,
  next,
});

/** What cannot be looked at is a warning: it says nothing of what is there. */
export const unseen = (subject: string, why: string, next?: string): Finding =>
  warning(subject, `could not be looked at: ${why}`, next);

/** What the failure of a check means for it. */
export function unseenFor(subject: string, error: unknown): Finding {
  if (!(error instanceof PawlError))
    return unseen(subject, error instanceof Error ? error.message : String(error));
  const action = String(error.details.action ?? "it");
  switch (error.code) {
    case "AWS_DENIED":
      return unseen(subject, `${action} is not allowed`, error.next);
    // What is the matter is told once, of the credentials.
    case "AWS_CREDENTIALS":
      return unseen(subject, "there are no credentials that AWS accepts");
    case "AWS_REGION":
    case "AWS_UNREACHABLE":
      return error.details.status === undefined
        ? unseen(subject, `${action} does not come through (${String(error.details.error)})`)
        : unseen(subject, notOffered(error, action));
    default:
      return unseen(subject, notOffered(error, action), error.next);
  }
}

/** An emulator says 501 of a service that it lacks. */
const notOffered = ({ details, message }: PawlError, action: string): string =>
  details.status === 501 ? `${action} is not offered by this endpoint` : message;
