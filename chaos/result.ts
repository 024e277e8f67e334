import * as z from "zod";

const Count = z.int().min(0);

/** What became of one run of chaos; what a worker sends. */
export const RunResult = z.strictObject({
  /** Virtual runs are numbered from 0; process runs too. */
  number: Count,
  kind: z.enum(["virtual", "processes"]),
  /** What was wrong; empty where all held. */
  problems: z.array(z.string()),
  /** Faults, by their kind. */
  injected: z.record(z.string(), Count),
  /** Attempts that suffered a fault of the kind: what their failures were called, and what they cost. */
  suffered: z.array(
    z.strictObject({
      kind: z.string(),
      class: z.string().optional(),
      /** Training that was in no checkpoint which counted, in seconds. */
      lostSeconds: z.number(),
      /** From its end to the next step of training. */
      pauseSeconds: z.number().optional(),
    }),
  ),
  entries: Count,
  attempts: Count,
  failures: Count,
  /** How long the run took, in its own time. */
  seconds: z.number(),
  milliseconds: z.number(),
  /** What happened, line by line, where it was asked for or something was wrong. */
  story: z.array(z.string()),
});
export type RunResult = z.infer<typeof RunResult>;
