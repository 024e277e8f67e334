import { originOf } from "./decisions/origin.ts";
import type { RunState } from "./run-state.ts";
import { type RestingState, resting } from "./standing.ts";

/** A checkpoint as it was found in a store, complete or not. */
export interface FoundCheckpoint {
  readonly name: string;
  /** Whether it has its manifest. */
  readonly complete: boolean;
  /** Names of the checkpoints that hold files of this one, where its manifest says so. */
  readonly refersTo: readonly string[];
  readonly objects: number;
  readonly sizeBytes: number;
}

/**
 * Why a checkpoint is needed by nobody. `dropped`: the run has let it go. `incomplete`: it has no manifest, and its
 * attempt has ended. `uncommitted`: no entry of the journal counts it, and its attempt has ended. `unknown`: its attempt
 * is none of the run's, as a copy leaves it that was cut short.
 */
export type PruneReason = "dropped" | "incomplete" | "uncommitted" | "unknown";

export interface PrunableCheckpoint extends FoundCheckpoint {
  readonly why: PruneReason;
}

/** What a checkpoint's name says; `undefined` for what is no checkpoint's name. */
export function parseCheckpointName(name: string): { epoch: number; attempt: number } | undefined {
  const [, epoch, attempt] = /^(\d{1,9})-(\d{1,9})(?:-\d{1,15})?$/.exec(name) ?? [];
  return epoch === undefined || attempt === undefined
    ? undefined
    : { epoch: Number(epoch), attempt: Number(attempt) };
}

/** Whether the run can still adopt a checkpoint of this name: a live attempt's, beyond what is committed. */
export function isAdoptable(state: RunState, name: string): boolean {
  const parsed = parseCheckpointName(name);
  return (
    parsed !== undefined &&
    parsed.epoch > state.progress.epoch &&
    state.live.some((attempt) => attempt.number === parsed.attempt)
  );
}

/** The checkpoints of other runs in the same store that training begins from, while nothing is committed. */
export function beginsFrom(state: RunState): { run: string; checkpoint: string } | undefined {
  const { origin } = originOf(state);
  if (origin === undefined || "place" in origin || origin.store !== undefined) return undefined;
  return { run: origin.run, checkpoint: origin.checkpoint };
}

/**
 * The names that something may still need of `found`: what the run keeps, what live attempts restore or may have saved,
 * what other runs begin from (`wanted`), and every one that these refer to.
 */
export function neededCheckpoints(
  state: RunState | undefined,
  found: readonly FoundCheckpoint[],
  wanted: ReadonlySet<string> = new Set(),
): Set<string> {
  const kept = state?.kept ?? [];
  const restored = (state?.live ?? []).flatMap(({ restore }) => (restore === undefined ? [] : [restore]));
  const adoptable = state === undefined ? [] : found.filter(({ name }) => isAdoptable(state, name));
  const first = new Set([...kept, ...adoptable].map(({ name }) => name).concat(restored, ...wanted));
  const references = new Map<string, readonly string[]>(kept.map(({ name, refersTo }) => [name, refersTo]));
  for (const { name, refersTo } of found) {
    references.set(name, [...(references.get(name) ?? []), ...refersTo]);
  }
  // References point to where the bytes are, so one step of following them is enough.
  return new Set([...first].flatMap((name) => [name, ...(references.get(name) ?? [])]));
}

function reasonFor(state: RunState | undefined, { name, complete }: FoundCheckpoint): PruneReason {
  const parsed = parseCheckpointName(name);
  if (state === undefined || (parsed?.attempt ?? 0) >= state.nextAttempt) return "unknown";
  if (!complete) return "incomplete";
  // The state remembers so many dropped ones only; what is older than the oldest kept one was committed once.
  const passed = parsed !== undefined && parsed.epoch < (state.kept[0]?.epoch ?? 0);
  return passed || state.dropped.includes(name) ? "dropped" : "uncommitted";
}

/**
 * The checkpoints of a run that nobody needs: all but `neededCheckpoints`. `state` must have been read after `found` was
 * listed, so that it knows every attempt that had written something then; it is `undefined` where there is no such run.
 * What has no checkpoint's name is somebody else's, and stays.
 */
export function prunableCheckpoints(
  state: RunState | undefined,
  found: readonly FoundCheckpoint[],
  wanted?: ReadonlySet<string>,
): PrunableCheckpoint[] {
  const needed = neededCheckpoints(state, found, wanted);
  return found
    .filter(({ name }) => parseCheckpointName(name) !== undefined && !needed.has(name))
    .map((checkpoint) => ({ ...checkpoint, why: reasonFor(state, checkpoint) }));
}

/** Objects of one kind. */
export interface Heap {
  readonly objects: number;
  readonly sizeBytes: number;
}

/** What a store holds of a run. */
export interface RunSurvey {
  readonly run: string;
  /** Read after the rest was listed; `undefined` where there is no such run. */
  readonly state: RunState | undefined;
  /** How long ago its newest entry was journalled. */
  readonly idleSeconds: number;
  readonly checkpoints: readonly FoundCheckpoint[];
  /** What its attempts left. */
  readonly records: Heap;
  readonly journal: Heap;
}

/** How a run must stand to be removed as a whole, and for how long nothing must have been decided about it. */
export interface WholeRuns {
  readonly states: readonly RestingState[];
  readonly olderThanSeconds: number;
}

export type PruneItem =
  | ({ readonly kind: "checkpoint"; readonly run: string } & Pick<PrunableCheckpoint, "name" | "why"> & Heap)
  /** What attempts of a run left that there is not. */
  | ({ readonly kind: "records"; readonly run: string } & Heap)
  /** A whole run, its journal included. */
  | ({ readonly kind: "run"; readonly run: string; readonly status: RestingState } & Heap);

const add = (heaps: readonly Heap[]): Heap => ({
  objects: heaps.reduce((sum, { objects }) => sum + objects, 0),
  sizeBytes: heaps.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
});

/** A run that has lost all of what it keeps: what a removal of it leaves that was cut short. */
const isEmptied = ({ state, checkpoints, records }: RunSurvey): boolean =>
  state !== undefined && state.kept.length > 0 && checkpoints.length === 0 && records.objects === 0;

/**
 * What is to be removed of a run that nobody drives: what nobody needs; with `whole`, all of a run that is so. `wanted` are the checkpoints
 * of it that other runs begin from: they stay, and the run with them.
 */
export function planPrune(
  survey: RunSurvey,
  wanted: ReadonlySet<string> = new Set(),
  whole?: WholeRuns,
): PruneItem[] {
  const { run, state, checkpoints, records, journal, idleSeconds } = survey;
  const isOver =
    state !== undefined &&
    whole !== undefined &&
    (whole.states.includes(resting(state)) || isEmptied(survey)) &&
    idleSeconds >= whole.olderThanSeconds &&
    wanted.size === 0;
  if (isOver) {
    return [{ kind: "run", run, status: resting(state), ...add([...checkpoints, records, journal]) }];
  }
  const items: PruneItem[] = prunableCheckpoints(state, checkpoints, wanted).map(
    ({ name, why, objects, sizeBytes }) => ({ kind: "checkpoint", run, name, why, objects, sizeBytes }),
  );
  if (state === undefined && records.objects > 0) items.push({ kind: "records", run, ...records });
  return items;
}
