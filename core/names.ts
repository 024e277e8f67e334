import * as z from "zod";

/**
 * Names of jobs and runs: they become keys, folder names, Batch job names and execution names, so they keep to what
 * all of these allow (Batch: letters, digits, `-`, `_`; Step Functions: 80 characters, of which a generation takes some).
 */
export const nameRule = "1 to 60 letters, digits, '-' or '_', beginning with a letter or digit";

export const Name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$/, { error: `must be ${nameRule}` });

const longestName = 60;

/** How a job's runs are named when nobody names them; of a job's long name the beginning. */
export function automaticRun(job: string, number: number): string {
  const ending = `-${number}`;
  return `${job.slice(0, longestName - ending.length)}${ending}`;
}

/** The number of a run that has an automatic name of `job`'s, else `undefined`. */
export function runNumber(job: string, run: string): number | undefined {
  const digits = /-([1-9]\d*)$/.exec(run)?.[1];
  return digits !== undefined && automaticRun(job, Number(digits)) === run ? Number(digits) : undefined;
}

/** A checkpoint's name: `<epoch>-<attempt>`, with `-<step>` where it was taken in the middle of an epoch. */
export const CheckpointName = z.string().regex(/^\d{1,9}-\d{1,9}(-\d{1,15})?$/);

/** Epochs and attempts are counted from 1. */
export const Ordinal = z.int().min(1).max(999_999_999);

export const Digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: "must be a SHA-256 digest in hexadecimal" });

/** A moment, in UTC, as ISO 8601 with milliseconds. */
export const Moment = z.iso.datetime({ precision: 3 });
