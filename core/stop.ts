import * as z from "zod";
import { Moment, Name } from "./names.ts";

/** Somebody's intent that a run stop. */
export const StopIntent = z.strictObject({
  /** Made by whoever asks, so that the question can be repeated. */
  id: z.string().min(1).max(80),
  /** Who asks, in words: `alice@laptop`. */
  by: z.string().min(1).max(200),
  /** When it was journalled first. */
  at: Moment,
});
export type StopIntent = z.infer<typeof StopIntent>;

/** Why a run is stopped, in words. */
export const stopWords = ({ by }: StopIntent): string => `stopped by ${by}`;

/** How the reason begins with which a Batch job is ended for a stop, so that its failure is known for what it is. */
export const terminationPrefix = "Stopped by ";

/** The reason with which a Batch job is ended for a stop. */
export const terminationReason = ({ by }: StopIntent): string => `${terminationPrefix}${by}`;

/** What a person gives to Stop. Asked again with the same `id`, it tells how far the run is with it. */
export const StopRequest = z.strictObject({
  run: Name,
  id: StopIntent.shape.id,
  by: StopIntent.shape.by,
  /** The newest journal entry that whoever asks knows of. */
  sequence: z.int().min(0).default(0),
});
export type StopRequest = z.input<typeof StopRequest>;

const common = {
  sequence: z.int().min(0),
  /** The last committed epoch. */
  epoch: z.int().min(0),
};

/** What Stop answers. `stop` is the intent in force, which can be somebody else's. */
export const StopAnswer = z.discriminatedUnion("action", [
  /** What lives is asked to leave, and what it has trained is committed: ask again. */
  z.strictObject({ ...common, action: z.literal("stopping"), stop: StopIntent, who: z.string() }),
  /** Nothing is trained any more until somebody starts the run again. */
  z.strictObject({
    ...common,
    action: z.literal("stopped"),
    stop: StopIntent,
    /** Who drove it and has not ended yet, though it trains nothing any more. */
    who: z.string().optional(),
  }),
  /** It has ended without the intent; there is nothing to stop. */
  z.strictObject({
    ...common,
    action: z.literal("over"),
    status: z.enum(["finished", "failed"]),
    reason: z.string(),
  }),
  /** Somebody has started the run again since this was asked. */
  z.strictObject({ ...common, action: z.literal("went-on"), who: z.string() }),
]);
export type StopAnswer = z.infer<typeof StopAnswer>;
