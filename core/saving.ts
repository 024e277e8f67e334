import * as z from "zod";
import { SaveCost } from "./policies/checkpoint-interval.ts";
import { Step } from "./position.ts";

/** What one save took, in seconds: `pauseSeconds` that training stood still for, `seconds` until it was durable. */
export const SaveTimes = z.strictObject({ pauseSeconds: z.number().min(0), seconds: z.number().min(0) });
export type SaveTimes = z.infer<typeof SaveTimes>;

/** When an attempt is to save in the middle of an epoch. */
export const Saving = z.strictObject({
  /** Seconds of training from one save to the next; absent: at the ends of epochs only, or by steps. */
  everySeconds: z.number().positive().optional(),
  everySteps: Step.optional(),
  /** Whether the end of an epoch is always saved, or only where it is due by the above. */
  epochEnds: z.enum(["always", "when-due"]),
  /** What saves have cost in this run; absent before the first. */
  cost: SaveCost.optional(),
});
export type Saving = z.infer<typeof Saving>;
