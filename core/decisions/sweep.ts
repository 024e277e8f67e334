import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { SweepEvent } from "../events.ts";
import { type FailureClass, failureRule } from "../failure.ts";
import type { Next } from "../next.ts";
import type { RunState } from "../run-state.ts";
import { isUnderWay } from "../standing.ts";
import type { SweepAnswer } from "../sweep.ts";
import { giveUp, nextStep } from "./next-step.ts";
import { finishedBecause } from "./progress.ts";
import { isTrained, segmentTrained, withoutTrained } from "./recover.ts";
import { settle } from "./settle.ts";

/** How much of an execution's cause is said in words; the event keeps more of it. */
const longestCause = 300;

/** What is known of the driver's end, in words. */
function goneWords({ driver, successor, next }: RunState, { ending }: SweepEvent): string {
  const known = ending === undefined ? [] : [ending.status, ending.error].filter((text) => text !== "");
  const cause = (ending?.cause ?? "").replace(/\s+/g, " ").trim();
  const short = cause.length > longestCause ? `${cause.slice(0, longestCause)}…` : cause;
  const why = `${known.join(", ")}${short === "" ? "" : `: ${short}`}`;
  const gone = `execution ${driver.execution} is gone${why === "" ? "" : ` (${why})`}`;
  const handingOver = next.action === "continue" && successor !== undefined;
  return handingOver ? `${gone}; ${successor}, which it handed over to, has not begun` : gone;
}

/** `state` without the attempts that are gone: what they saved is adopted, and what became of each is said. */
function withoutGone(
  state: RunState,
  { evidence }: SweepEvent,
  circumstances: Circumstances,
): { state: RunState; reasons: string[]; classes: FailureClass[] } {
  let current = state;
  const reasons: string[] = [];
  const classes: FailureClass[] = [];
  for (const attempt of state.live) {
    const found = evidence.find((each) => each.attempt === attempt.number);
    if (found?.gone !== true) continue;
    if (isTrained(current, attempt, circumstances)) {
      reasons.push(segmentTrained(current, attempt));
      current = withoutTrained(current, attempt);
      continue;
    }
    const settled = settle(current, attempt, found, circumstances);
    reasons.push(settled.reason);
    classes.push(settled.class);
    current = settled.state;
  }
  return { state: current, reasons, classes };
}

/**
 * What becomes of a run whose driver may be gone, so that nothing else would run for it any more. Attempts that have ended
 * are settled. Once none is left the run has finished, is stopped where somebody asked for that, has failed where all of its
 * checkpoints are damaged, or is interrupted: whoever opens it goes on. While one still runs that is asked to end, it stays
 * live.
 */
export function sweep(
  state: RunState,
  event: SweepEvent,
  circumstances: Circumstances,
): Decision<SweepAnswer> {
  const { run, status, generation } = state;
  const where = { run, sequence: state.sequence };
  if (!isUnderWay(state)) {
    return unchanged({ ...where, action: "none", reason: `run ${run} is ${status}` });
  }
  if (event.holder.alive) {
    return unchanged({ ...where, action: "none", reason: `${event.holder.who} drives run ${run}` });
  }
  const settled = withoutGone(state, event, circumstances);
  const reason = [goneWords(state, event), ...settled.reasons].join("; ");
  const sequence = state.sequence + 1;
  const [running] = settled.state.live;
  if (running !== undefined) {
    const ending = {
      action: "ending" as const,
      run,
      reason: `${reason}; attempt ${running.number} has not ended yet`,
    };
    if (settled.reasons.length === 0) return unchanged({ ...ending, sequence: state.sequence });
    return {
      changed: true,
      reply: { ...ending, sequence },
      state: { ...settled.state, sequence },
      kind: "swept",
      reason: ending.reason,
    };
  }
  const swept = { action: "swept" as const, run, sequence };
  const finished = finishedBecause(circumstances.job, settled.state.progress) !== undefined;
  if (!finished && settled.classes.includes("checkpoint-corrupt") && settled.state.kept.length === 0) {
    const words = `${reason}; no undamaged checkpoint is left. ${failureRule("checkpoint-corrupt").next}`;
    const failed = giveUp(settled.state, "Pawl.checkpoint-corrupt", words);
    return answered(failed, { ...swept, status: "failed", reason: words });
  }
  if (finished || state.stop !== undefined) {
    const end = nextStep(settled.state, circumstances, { kind: "swept", reason });
    const status = finished ? "finished" : "stopped";
    return answered(end, { ...swept, status, reason: end.changed ? end.reason : reason });
  }
  const cause = `${reason}; start the run again to go on`;
  return {
    changed: true,
    reply: { ...swept, status: "interrupted", reason: cause },
    state: {
      ...settled.state,
      sequence,
      status: "interrupted",
      ending: cause,
      next: { action: "failed", run, sequence, generation, error: "Pawl.Interrupted", cause },
    },
    kind: "swept",
    reason: cause,
  };
}

/** What is decided for the state machine, though nobody but Sweep hears of it now. */
const answered = (decision: Decision<Next>, reply: SweepAnswer): Decision<SweepAnswer> =>
  decision.changed ? { ...decision, reply } : unchanged(reply);
