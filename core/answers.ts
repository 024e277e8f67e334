import * as z from "zod";
import { Origin } from "./checkpoint-source.ts";
import { FailureClass } from "./failure.ts";
import { TrainingJob } from "./job.ts";
import { CheckpointName, Digest, Name, Ordinal } from "./names.ts";
import { EpochPlan } from "./report.ts";
import { Saving } from "./saving.ts";
import { JobSource } from "./source.ts";

const sequence = z.int().min(0);

/** What an attempt is told to do; the answer to its claim, so that it travels once and is journalled. */
export const Assignment = z.strictObject({
  run: Name,
  attempt: Ordinal,
  generation: Ordinal,
  worker: z.strictObject({ index: z.int().min(0), count: z.int().min(1) }),
  shard: z.strictObject({ index: z.int().min(0), count: z.int().min(1) }),
  restore: CheckpointName.optional(),
  /** What to begin from where nothing is committed yet. */
  origin: Origin.optional(),
  plan: EpochPlan,
  saving: Saving.default({ epochEnds: "always" }),
  /** Attempts in a row, without a commit between them, that were ended since they stalled. */
  stalls: z.int().min(0).optional(),
  /** For so many seconds from now on the job's budget pays for the instance. */
  budgetSeconds: z.number().min(0).optional(),
  jobDigest: Digest,
});
export type Assignment = z.infer<typeof Assignment>;

/** What Review answers to an attempt. */
export const ReviewAnswer = z.discriminatedUnion("action", [
  /** To `started`: the assignment is yours. */
  z.strictObject({ action: z.literal("begin"), sequence, assignment: Assignment }),
  /** To `report`: the next epoch, provisionally. To `measured`: how the rest of the epoch is to be trained. */
  z.strictObject({ action: z.literal("train"), sequence, plan: EpochPlan }),
  /** To `report`: no further epoch; commit what there is, then exit 0. */
  z.strictObject({ action: z.literal("finish"), sequence, reason: z.string() }),
  /** To `report`: what was trained is of no use (`numeric`); save nothing of it, and end with this class. */
  z.strictObject({ action: z.literal("fail"), sequence, class: FailureClass, reason: z.string() }),
  /** To `commit`: it counts; these checkpoints are to be removed, and from now on it is saved like this. */
  z.strictObject({
    action: z.literal("committed"),
    sequence,
    remove: z.array(CheckpointName),
    saving: Saving.optional(),
  }),
  /** To anything: you are not live; change nothing and leave. */
  z.strictObject({
    action: z.literal("leave"),
    sequence,
    reason: z.string(),
    /** The Batch job that holds the assignment. */
    winner: z.string().optional(),
    /** What the attempt has saved that nobody will ever count: its own to remove. */
    remove: z.array(CheckpointName).optional(),
  }),
  /** To `ended`. */
  z.strictObject({ action: z.literal("noted"), sequence }),
]);
export type ReviewAnswer = z.infer<typeof ReviewAnswer>;

/** The answer over the wire: `begin` carries the job and where its code is as well, which the journal holds once. */
export const ReviewReply = z.strictObject({
  answer: ReviewAnswer,
  job: z.custom<z.input<typeof TrainingJob>>((value) => TrainingJob.safeParse(value).success).optional(),
  source: JobSource.optional(),
});
export type ReviewReply = z.infer<typeof ReviewReply>;
