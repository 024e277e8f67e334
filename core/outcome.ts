import * as z from "zod";
import { FailureClass } from "./failure.ts";
import { CheckpointName, Moment, Name, Ordinal } from "./names.ts";
import { diagnosed } from "./sign.ts";

/**
 * `outcome.json`, the attempt's own account of its end, written by the agent only if absent. `done`: everything it was
 * assigned is committed. `left`: it was told to leave. `duplicate`: another Batch job had claimed its assignment.
 */
export const Outcome = z.strictObject({
  version: z.literal(1),
  run: Name,
  attempt: Ordinal,
  batchJobId: z.string().min(1).max(200),
  result: z.union([z.enum(["done", "left", "duplicate"]), FailureClass]),
  /** One sentence for people. */
  message: z.string().max(2000),
  ...diagnosed,
  /** How the training command ended, where it had begun. */
  trainer: z.strictObject({ exitCode: z.int().nullable(), signal: z.string().max(20).nullable() }).optional(),
  /** The last lines of the trainer's output. */
  logTail: z.array(z.string().max(500)).max(20),
  /** The Batch job that holds the assignment, for `duplicate`. */
  winner: z.string().max(200).optional(),
  /** The checkpoint that could not be restored, for `checkpoint-corrupt`. */
  damaged: CheckpointName.optional(),
  startedAt: Moment,
  endedAt: Moment,
});
export type Outcome = z.infer<typeof Outcome>;
