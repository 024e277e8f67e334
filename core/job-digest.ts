import { createHash } from "node:crypto";
import type { TrainingJob } from "./job.ts";

type Flat = Map<string, string>;

function flatten(value: unknown, path: string, into: Flat): Flat {
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    if (entries.length === 0 && path !== "") into.set(path, Array.isArray(value) ? "[]" : "{}");
    for (const [name, inner] of entries) {
      flatten(
        inner,
        Array.isArray(value) ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`,
        into,
      );
    }
  } else {
    into.set(path, JSON.stringify(value));
  }
  return into;
}

/** SHA-256 over what the job means: comments, order, short forms and defaults that are spelt out do not change it. */
export function jobDigest(job: TrainingJob): string {
  const lines = [...flatten(job, "", new Map())].map(([path, value]) => `${path}=${value}`).sort();
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

export interface JobChange {
  readonly field: string;
  /** As JSON; absent where the field is new. */
  readonly before?: string;
  /** As JSON; absent where the field is gone. */
  readonly after?: string;
}

/** What differs between two jobs, field by field. */
export function jobChanges(before: TrainingJob, after: TrainingJob): JobChange[] {
  const old = flatten(before, "", new Map());
  const now = flatten(after, "", new Map());
  const fields = [...new Set([...old.keys(), ...now.keys()])].sort();
  return fields.flatMap((field) => {
    const [from, to] = [old.get(field), now.get(field)];
    if (from === to) return [];
    return [
      { field, ...(from === undefined ? {} : { before: from }), ...(to === undefined ? {} : { after: to }) },
    ];
  });
}
