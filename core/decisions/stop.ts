import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { StopEvent } from "../events.ts";
import type { RunState } from "../run-state.ts";
import { type StopAnswer, stopWords } from "../stop.ts";
import { halt } from "./next-step.ts";

/**
 * What a person is answered who asks that a run stop. While attempts live and somebody drives them, the intent is noted
 * and they end in their own time. Where nothing lives, or nobody drives it, the run is stopped at once; what an attempt of
 * a dead driver has left is settled by whoever starts the run again.
 */
export function stop(state: RunState, event: StopEvent, { at }: Circumstances): Decision<StopAnswer> {
  const where = { sequence: state.sequence, epoch: state.progress.epoch };
  const { status, stop: inForce } = state;
  const { id, by, holder } = event;
  const ending = holder.alive ? { who: holder.who } : {};
  if (status === "finished" || status === "failed") {
    return unchanged({ ...where, action: "over", status, reason: state.ending ?? status });
  }
  if (inForce !== undefined && status === "stopped") {
    return unchanged({ ...where, action: "stopped", stop: inForce, ...ending });
  }
  const past = state.pastStops ?? [];
  if (inForce === undefined && past.includes(event.id)) {
    return unchanged({ ...where, action: "went-on", who: holder.who });
  }
  const intent = inForce ?? { id, by, at };
  const sequence = state.sequence + 1;
  const pastStops = [...past.filter((each) => each !== id), id].slice(-5);
  const asked: RunState = { ...state, stop: intent, pastStops };
  if (state.live.length === 0 || !holder.alive) {
    const why = holder.alive
      ? `${stopWords(intent)}, with no attempt under way`
      : `${stopWords(intent)}; nobody trains it`;
    const { state: halted, kind, reason } = halt(asked, intent, why);
    return {
      changed: true,
      reply: { ...where, sequence, action: "stopped", stop: intent, ...ending },
      state: { ...halted, turns: state.turns },
      kind,
      reason,
    };
  }
  const stopping = { ...where, action: "stopping" as const, stop: intent, who: holder.who };
  if (inForce !== undefined) return unchanged(stopping);
  const attempts = state.live.map(({ number }) => `attempt ${number}`).join(", ");
  return {
    changed: true,
    reply: { ...stopping, sequence },
    state: { ...asked, sequence },
    kind: "stop-asked",
    reason: `to be ${stopWords(intent)}; ${attempts} ends with what it has trained`,
  };
}
