import type { RunState } from "./run-state.ts";

/** How a run stands that nobody drives. */
export const restingStates = ["finished", "failed", "stopped", "interrupted"] as const;
export type RestingState = (typeof restingStates)[number];

/** Whether the run has not come to rest, by its journal: somebody drives it, or its driver is gone. */
export const isUnderWay = ({ status }: Pick<RunState, "status">): boolean =>
  status === "training" || status === "waiting";

/** A run whose driver is gone is interrupted, whatever its journal says last; or stopped, if that is what it was asked. */
export function resting({ status, stop }: Pick<RunState, "status" | "stop">): RestingState {
  if (status !== "training" && status !== "waiting") return status;
  return stop === undefined ? "interrupted" : "stopped";
}
