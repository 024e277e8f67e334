import * as z from "zod";
import { JobInput } from "../core/events.ts";

/** What the sabotaged runner trains, and what harm it does itself. */
export const Sabotage = z.strictObject({
  store: z.string(),
  source: z.string(),
  run: z.string(),
  job: JobInput,
  turnsPerExecution: z.int(),
  harm: z
    .strictObject({
      /** At a journal entry of this kind … */
      entry: z.string().optional(),
      when: z.enum(["before", "after"]).default("after"),
      /** … or where the state machine enters this state … */
      state: z.string().optional(),
      /** … or where a decision reads the manifest of this checkpoint: then its agent is killed. */
      manifest: z.string().optional(),
      /** The how manieth of these. */
      nth: z.int().default(1),
      act: z.enum(["kill", "throw"]).default("kill"),
    })
    .optional(),
});
export type Sabotage = z.infer<typeof Sabotage>;
export type Harm = z.input<typeof Sabotage>["harm"];
