import * as z from "zod";

/** Where the trainer's code is: the job file's folder. On AWS a packed copy of it takes its place. */
export const JobSource = z.strictObject({ folder: z.string().min(1).max(4096) });
export type JobSource = z.infer<typeof JobSource>;
