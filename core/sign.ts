import * as z from "zod";

/** How sure a diagnosis is: `high` by a field that says it, `medium` by words that mean it, `low` where it is a guess. */
export const Confidence = z.enum(["high", "medium", "low"]);
export type Confidence = z.infer<typeof Confidence>;

/** A piece of evidence: where it was found (`StatusReason`, `Container.ExitCode`, `log`), and what it says. */
export const Sign = z.strictObject({ where: z.string().min(1).max(100), text: z.string().max(500) });
export type Sign = z.infer<typeof Sign>;

/** What a diagnosis rests on; kept in outcomes, evidence and the run's newest failures. */
export const diagnosed = {
  confidence: Confidence.optional(),
  /** The strongest first. */
  signs: z.array(Sign).max(5).optional(),
  /** Where in the trainer's code it failed, so that two failures can be known for the same: exception, file and line. */
  place: z.string().min(1).max(300).optional(),
  /** Whether the same thing tried again can go well, where the signs say so: the class's own rule is for the rest. */
  retryable: z.boolean().optional(),
  /** The host, where one is named (`i-0ab…`). */
  instance: z.string().max(50).optional(),
};
