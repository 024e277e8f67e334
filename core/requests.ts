import * as z from "zod";
import { SentEvent } from "./events.ts";
import { Name, Ordinal } from "./names.ts";
import { Driver } from "./run-state.ts";
import { JobSource } from "./source.ts";

/** What an execution is started with: `{"job": {…}}`, or `{"run": "name"}` to go on, or both. */
export const ExecutionInput = z.strictObject({
  /** Checked by Open, so that a wrong field gets the message that the command line gives. */
  job: z.unknown().optional(),
  run: Name.optional(),
  source: JobSource.optional(),
  acceptChanges: z.boolean().optional(),
  /** Whether a run whose every checkpoint is damaged is to begin again. */
  startAgain: z.boolean().optional(),
});
export type ExecutionInput = z.infer<typeof ExecutionInput>;

/** What the state machine gives to Open. */
export const OpenRequest = z.strictObject({ input: z.unknown(), driver: Driver });
export type OpenRequest = z.infer<typeof OpenRequest>;

const afterTrain = {
  run: Name,
  generation: Ordinal,
  sequence: z.int().min(0),
  attempt: Ordinal,
};

/** What the state machine gives to Review when Train succeeded. */
export const TrainedRequest = z.object({
  trained: z.object({ ...afterTrain, result: z.object({ jobId: z.string() }) }),
});
export type TrainedRequest = z.infer<typeof TrainedRequest>;

/** What an attempt gives to Review. `sequence` is the newest journal entry it knows of. */
export const AttemptRequest = z.strictObject({ sequence: z.int().min(0), event: SentEvent });
export type AttemptRequest = z.infer<typeof AttemptRequest>;

/** What the state machine gives to Recover: what its Catch got. */
export const RecoverRequest = z.object({
  ...afterTrain,
  error: z.object({ Error: z.string(), Cause: z.string().optional() }),
});
export type RecoverRequest = z.infer<typeof RecoverRequest>;
