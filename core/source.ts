import * as z from "zod";
import { codeKeyPattern } from "./keys.ts";

/**
 * Where the trainer's code is: the job file's folder on the machine that the run was started from, or a packed copy of
 * it in the run's own store (`code/<sha-256 of the archive before compression>.tar.gz`).
 */
export const JobSource = z.union([
  z.strictObject({ folder: z.string().min(1).max(4096) }),
  z.strictObject({
    code: z.string().regex(codeKeyPattern, { error: "must be code/, 64 hexadecimal digits, .tar.gz" }),
  }),
]);
export type JobSource = z.infer<typeof JobSource>;

/** The job's folder, where the source is one. */
export const folderOf = (source: JobSource | undefined): string | undefined =>
  source !== undefined && "folder" in source ? source.folder : undefined;

/** The packed code's key, where the source is that. */
export const codeOf = (source: JobSource | undefined): string | undefined =>
  source !== undefined && "code" in source ? source.code : undefined;
