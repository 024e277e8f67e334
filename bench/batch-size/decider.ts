import type { Measured } from "../../core/measured.ts";
import type { EpochPlan, EpochReport } from "../../core/report.ts";

/** Who says how training goes on. One of them sees one run, from its beginning to its end. */
export interface Decider {
  /** How `epoch` begins; asked once for each, in order, after `report` of the one before. */
  plan(epoch: number): Promise<EpochPlan>;
  /** How the rest of `epoch` goes on, by what was measured of it so far; asked at consult points. */
  consult(epoch: number, measured: Measured): Promise<EpochPlan>;
  /** An epoch is trained. */
  report(report: EpochReport): Promise<void>;
  /** What it was that changed the size, in words, for those who look into it. */
  readonly reasons: readonly string[];
  /** Whether its answers cost the run nothing: true of one that is given every advantage. */
  readonly isFree: boolean;
  close(): Promise<void>;
}

/** After so many steps of a stretch the decider is asked for the first time; then after twice as many, and so on. */
export const hold = 8;

/** After how many steps of a stretch the decider is asked next, where `steps` of it are trained. */
export function nextConsultPoint(steps: number, first = hold): number {
  let point = first;
  while (point <= steps) point *= 2;
  return point;
}
