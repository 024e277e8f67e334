import * as z from "zod";
import { Name } from "./names.ts";
import type { Driver, RunState } from "./run-state.ts";
import { restingStates } from "./standing.ts";

const common = { run: Name, sequence: z.int().min(0), reason: z.string() };

/** What Sweep found of a run, and did. */
export const SweepAnswer = z.discriminatedUnion("action", [
  /** Somebody drives it, or it is at rest already. */
  z.strictObject({ ...common, action: z.literal("none") }),
  /** Its driver is gone, and what it left running is asked to end: look again later. */
  z.strictObject({ ...common, action: z.literal("ending") }),
  /** Its driver was gone, and what that left is settled: nothing of the run lives any more. */
  z.strictObject({ ...common, action: z.literal("swept"), status: z.enum(restingStates) }),
]);
export type SweepAnswer = z.infer<typeof SweepAnswer>;

/**
 * The execution that a hand-over has named and that may not have opened the run yet; `undefined` where there is none. It is
 * one of the driver's kind: its id ends with its own name.
 */
export function successorOf({
  driver,
  successor,
}: Pick<RunState, "driver" | "successor">): Driver | undefined {
  if (successor === undefined || !driver.id.endsWith(driver.execution)) return undefined;
  const id = `${driver.id.slice(0, driver.id.length - driver.execution.length)}${successor}`;
  return { id, execution: successor };
}
