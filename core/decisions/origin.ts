import type { Origin } from "../checkpoint-source.ts";
import type { OpenEvent } from "../events.ts";
import type { RunState } from "../run-state.ts";

/** What an attempt begins from that has no checkpoint of its own run: nothing once an epoch is committed. */
export const originOf = ({ origin, progress }: RunState): { origin?: Origin } =>
  origin === undefined || progress.epoch > 0 ? {} : { origin };

/** `state` as it begins under the job that `event` brings: a run that has committed something has its beginning behind it. */
export function withOrigin(state: RunState, { origin }: OpenEvent): RunState {
  if (state.progress.epoch > 0) return state;
  const { origin: _before, ...rest } = state;
  return origin === undefined ? rest : { ...rest, origin };
}
