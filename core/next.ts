import * as z from "zod";
import { markets } from "./market.ts";
import { Name, Ordinal } from "./names.ts";

const common = {
  run: Name,
  /** The newest journal entry that the answer stands on: a hint that spares the next reader the search. */
  sequence: z.int().min(0),
  generation: z.int().min(0),
};

/** What Open, Review and Recover answer to the state machine: what to do next, and where the journal stands. */
export const Next = z.discriminatedUnion("action", [
  z.strictObject({
    ...common,
    action: z.literal("train"),
    train: z.strictObject({
      /** As a number for Review and Recover, as text for the environment of the Batch job. */
      attempt: Ordinal,
      /** Which queue it waits in. */
      market: z.enum(markets).default("spot"),
      /** Which of the stack's job definitions: `<image>-gpu` or `<image>-cpu`. Entries from before there were several lack it. */
      definition: z.string().max(40).default("default-gpu"),
      /** Why this attempt begins, in words, for whoever reads the execution. */
      reason: z.string().max(2000).default(""),
      attemptText: z.string(),
      sequenceText: z.string(),
      jobName: z.string().max(128),
      /** Batch takes these values as strings only. */
      resourceRequirements: z.array(
        z.strictObject({ Type: z.enum(["GPU", "VCPU", "MEMORY"]), Value: z.string() }),
      ),
    }),
  }),
  z.strictObject({
    ...common,
    action: z.literal("wait"),
    wait: z.strictObject({ seconds: z.int().min(0), reason: z.string() }),
  }),
  z.strictObject({
    ...common,
    action: z.literal("continue"),
    /** The fresh execution's name; made from run and generation, so that it cannot be started twice. */
    continue: z.strictObject({ name: z.string().max(80), reason: z.string().max(2000).default("") }),
  }),
  z.strictObject({ ...common, action: z.literal("done"), reason: z.string() }),
  z.strictObject({ ...common, action: z.literal("failed"), error: z.string(), cause: z.string() }),
]);
export type Next = z.infer<typeof Next>;
