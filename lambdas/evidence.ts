import { diagnose } from "../core/diagnosis/diagnose.ts";
import type { Diagnosis, Signals } from "../core/diagnosis/types.ts";
import { driverGoneReason } from "../core/driver-gone.ts";
import type { Evidence } from "../core/events.ts";
import type { FailureClass } from "../core/failure.ts";
import { outcomeKey } from "../core/keys.ts";
import { Outcome } from "../core/outcome.ts";
import { type LiveAttempt, maxPending, type RunState } from "../core/run-state.ts";
import { findCheckpoints } from "../store/checkpoints.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { readLogTail } from "./log-tail.ts";
import type { Ports } from "./ports.ts";

/** The attempt's own account; `undefined` where there is none, or none of its own: it may have died writing it. */
async function readOutcome(
  store: ObjectStore,
  run: string,
  attempt: number,
  batchJobId: string,
): Promise<Outcome | undefined> {
  const object = await store.read(outcomeKey(run, attempt, batchJobId));
  if (object === undefined) return undefined;
  try {
    const { data } = Outcome.safeParse(JSON.parse(Buffer.from(object.bytes).toString("utf8")));
    const own = data?.run === run && data.attempt === attempt && data.batchJobId === batchJobId;
    return own ? data : undefined;
  } catch {
    return undefined;
  }
}

/** What its trainer said last. A log that cannot be read costs the diagnosis, and not the recovery. */
async function readLog(
  store: ObjectStore,
  run: string,
  attempt: number,
  batchJobId: string,
): Promise<string[] | undefined> {
  try {
    return await readLogTail(store, run, attempt, batchJobId);
  } catch {
    return undefined;
  }
}

/**
 * Checkpoints of `attempt` that no entry has committed, and what it never finished. An attempt is at most one epoch ahead of its
 * reports; nothing is looked for where its whole segment counts.
 */
async function findUncommitted(store: ObjectStore, state: RunState, attempt: LiveAttempt) {
  if (state.progress.epoch >= attempt.lastEpoch) return { complete: [], unfinished: [] };
  const from = state.progress.epoch + 1;
  const reported = attempt.pending.at(-1)?.report.epoch ?? state.progress.epoch;
  return await findCheckpoints(
    store,
    state.run,
    attempt.number,
    from,
    Math.min(reported + 1, from + maxPending),
  );
}

interface Ending {
  readonly gone: boolean;
  readonly stoppedAt?: string | undefined;
  readonly caught?: Signals["caught"];
  /** Whether Batch says that the job succeeded. */
  readonly succeeded?: boolean;
  /** The Batch job that ended, which can be another than the one that claimed the attempt. */
  readonly batchJobId?: string | undefined;
}

/** What an attempt that ended, or is to end, left behind. */
export async function gatherEvidence(
  { store }: Pick<Ports, "store">,
  state: RunState,
  attempt: LiveAttempt,
  ending: Ending,
): Promise<Evidence> {
  const jobId = ending.batchJobId ?? attempt.batchJobId;
  const left =
    jobId === undefined ? undefined : await lookAt(store, state.run, attempt.number, jobId, ending);
  const { outcome, log } = left ?? {};
  const { class: name, message, diagnosis } = tell(outcome, log, attempt, ending);
  const stoppedAt = diagnosis?.stoppedAt ?? outcome?.endedAt ?? ending.stoppedAt;
  const winner = attempt.batchJobId;
  const { complete: found, unfinished } = ending.gone
    ? await findUncommitted(store, state, attempt)
    : { complete: [], unfinished: [] };
  return {
    attempt: attempt.number,
    gone: ending.gone,
    found,
    ...(unfinished.length === 0 ? {} : { unfinished: unfinished.slice(0, 200) }),
    class: name,
    message: message.slice(0, 2000),
    ...(diagnosis === undefined ? {} : restsOn(diagnosis)),
    ...(winner !== undefined && jobId !== winner ? { winner } : {}),
    ...(outcome?.damaged === undefined ? {} : { damaged: outcome.damaged }),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
  };
}

const restsOn = ({ confidence, signs, place, retryable, instance }: Diagnosis) => ({
  confidence,
  signs: [...signs],
  ...(place === undefined ? {} : { place }),
  ...(retryable === undefined ? {} : { retryable }),
  ...(instance === undefined ? {} : { instance }),
});

/** What one Batch job of the attempt left; its log only where it failed, and left no account of it. */
async function lookAt(store: ObjectStore, run: string, attempt: number, jobId: string, ending: Ending) {
  const outcome = await readOutcome(store, run, attempt, jobId);
  const wanted = outcome === undefined && ending.gone && ending.caught !== undefined;
  return { outcome, log: wanted ? await readLog(store, run, attempt, jobId) : undefined };
}

interface Told {
  readonly class: FailureClass;
  readonly message: string;
  readonly diagnosis?: Diagnosis;
}

const driverGone = "its driver was gone, and it was ended";

/** An attempt that is asked about has not done what it was to do, whatever its signals say. */
function tell(
  outcome: Outcome | undefined,
  log: string[] | undefined,
  attempt: LiveAttempt,
  ending: Ending,
): Told {
  const { succeeded } = ending;
  const caught = ending.gone ? ending.caught : undefined;
  if (outcome === undefined && caught === undefined && succeeded !== true) {
    return { class: "interrupted", message: driverGone };
  }
  const diagnosis = diagnose({ outcome, caught, log, ours: true, market: attempt.market });
  const { class: name, message } = diagnosis;
  if (name === "none" || (outcome === undefined && caught === undefined)) {
    return { class: "unknown", message: "the attempt ended well, but its segment is not committed" };
  }
  return { class: name, message: message === driverGoneReason ? driverGone : message, diagnosis };
}

/** On attempt `number` of the run as `state` knows it; where it is live no more, nothing of it matters. */
export async function evidenceOn(
  ports: Pick<Ports, "store">,
  state: RunState | undefined,
  number: number,
  ending: Ending,
): Promise<Evidence> {
  const live = state?.live.find((candidate) => candidate.number === number);
  if (state === undefined || live === undefined) return settledEvidence(number);
  return await gatherEvidence(ports, state, live, ending);
}

const settledEvidence = (attempt: number): Evidence => ({
  attempt,
  gone: true,
  found: [],
  class: "unknown",
  message: "settled already",
});
