import { diagnose, type Signals } from "../core/diagnose.ts";
import type { Evidence } from "../core/events.ts";
import { outcomeKey } from "../core/keys.ts";
import { Outcome } from "../core/outcome.ts";
import { type LiveAttempt, maxPending, type RunState } from "../core/run-state.ts";
import { findCheckpoints } from "../store/checkpoints.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Ports } from "./ports.ts";

/** The attempt's own account; `undefined` where there is none that can be read: it may have died writing it. */
async function readOutcome(
  store: ObjectStore,
  run: string,
  attempt: number,
  batchJobId: string,
): Promise<Outcome | undefined> {
  const object = await store.read(outcomeKey(run, attempt, batchJobId));
  if (object === undefined) return undefined;
  try {
    return Outcome.safeParse(JSON.parse(Buffer.from(object.bytes).toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** Complete checkpoints of `attempt` that no entry has committed. An attempt is at most one epoch ahead of its reports. */
function findUncommitted(store: ObjectStore, state: RunState, attempt: LiveAttempt) {
  const from = state.progress.epoch + 1;
  const reported = attempt.pending.at(-1)?.report.epoch ?? state.progress.epoch;
  return findCheckpoints(store, state.run, attempt.number, from, Math.min(reported + 1, from + maxPending));
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
  const outcome =
    jobId === undefined ? undefined : await readOutcome(store, state.run, attempt.number, jobId);
  const diagnosis =
    outcome === undefined && ending.caught === undefined && ending.succeeded !== true
      ? { class: "interrupted" as const, message: "its driver was gone, and it was ended" }
      : diagnose({ outcome, caught: ending.caught });
  const stoppedAt = diagnosis.stoppedAt ?? ending.stoppedAt;
  const winner = attempt.batchJobId;
  return {
    attempt: attempt.number,
    gone: ending.gone,
    found: ending.gone ? await findUncommitted(store, state, attempt) : [],
    class: diagnosis.class,
    message: diagnosis.message.slice(0, 2000),
    ...(winner !== undefined && jobId !== winner ? { winner } : {}),
    ...(outcome?.damaged === undefined ? {} : { damaged: outcome.damaged }),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
  };
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
