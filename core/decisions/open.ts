import { type Circumstances, type Decision, unchanged } from "../decision.ts";
import type { OpenEvent } from "../events.ts";
import { failureRule } from "../failure.ts";
import type { JobChange } from "../job-digest.ts";
import type { Next } from "../next.ts";
import type { Progress, RunState } from "../run-state.ts";
import { stopWords } from "../stop.ts";
import { refilled, retain } from "./commit.ts";
import { giveUp, nextStep } from "./next-step.ts";
import { withOrigin } from "./origin.ts";
import { learningRateAt } from "./plan.ts";
import { finishedBecause, noProgress } from "./progress.ts";
import { isTrained, lookAgain, recoverAttempt, segmentTrained, withoutTrained } from "./recover.ts";
import { goBackTo, restorable, settle } from "./settle.ts";
import { warmUpTo } from "./warm-up.ts";

type Refusal = "Pawl.RunNotFound" | "Pawl.RunHeld" | "Pawl.JobChanged" | "Pawl.NothingLeft";

/** An answer that ends the execution and changes nothing in the run. */
export const refuse = (
  at: { run: string; sequence: number; generation: number },
  error: Refusal | "Pawl.JobInvalid" | "Pawl.CheckpointNotFound",
  cause: string,
): Next => ({
  action: "failed",
  run: at.run,
  sequence: at.sequence,
  generation: at.generation,
  error,
  cause,
});

function begin(event: OpenEvent, circumstances: Circumstances): Decision<Next> {
  const { at, jobDigest } = circumstances;
  const none = { run: event.run, sequence: 0, generation: 0 };
  const state: RunState = {
    version: 1,
    run: event.run,
    sequence: 0,
    status: "training",
    job: { digest: jobDigest, sequence: 1 },
    startedAt: at,
    ...(event.origin === undefined ? {} : { origin: event.origin }),
    generation: 1,
    driver: event.driver,
    turns: 0,
    next: { ...none, action: "done", reason: "" },
    progress: noProgress,
    recent: [],
    kept: [],
    dropped: [],
    live: [],
    nextAttempt: 1,
    failures: { withoutProgress: 0, total: 0, recent: [] },
    recoveries: 0,
    lostSeconds: 0,
  };
  return nextStep(state, circumstances, { kind: "opened", reason: `run ${event.run} begins` });
}

/** The rest of an epoch under a job that wants another learning rate. */
function withRate(progress: Progress, job: Circumstances["job"]): Progress {
  const { partial } = progress;
  if (partial?.batch === undefined) return progress;
  const { size } = partial.batch;
  const scale = learningRateAt(job, progress, size);
  const warmUp = warmUpTo(partial.batch, { size, scale }, job.learningRate.warmUp);
  const batch = { size, learningRateScale: scale, ...(warmUp === undefined ? {} : { warmUp }) };
  return { ...progress, partial: { ...partial, batch } };
}

/** What was measured stays true under another policy, or another goal; what was made of it by then does not bind this one. */
function withoutVerdicts(progress: Progress): Progress {
  if (progress.batch === undefined) return progress;
  const { metric: _metric, metricLost: _lost, failures: _failures, ...batch } = progress.batch;
  return { ...progress, batch: { ...batch, barred: [] } };
}

/** `state` under the job that the event brings: what was judged by another metric is judged afresh. */
function underJob(state: RunState, previous: Circumstances["job"], circumstances: Circumstances): RunState {
  const { job, jobDigest } = circumstances;
  const goal = (of: Circumstances["job"]) =>
    of.checkpoint.policy === "keep" ? of.checkpoint.best : undefined;
  const sameStop = previous.stop?.metric === job.stop?.metric && previous.stop?.mode === job.stop?.mode;
  const sameBest = goal(previous)?.metric === goal(job)?.metric && goal(previous)?.mode === goal(job)?.mode;
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const sameRate = same(previous.learningRate, job.learningRate);
  const samePolicy = same(previous.batchSize, job.batchSize);
  const progressOf = (progress: Progress): Progress => {
    const { stopBest: _stop, ...unjudged } = progress;
    const judged = sameStop ? progress : unjudged;
    const rated = sameRate ? judged : withRate(judged, job);
    return samePolicy && sameStop ? rated : withoutVerdicts(rated);
  };
  const changed: RunState = {
    ...state,
    job: { digest: jobDigest, sequence: state.sequence + 1 },
    progress: progressOf(state.progress),
    kept: state.kept.map(({ bestValue, progress, ...checkpoint }) => ({
      ...checkpoint,
      ...(sameBest && bestValue !== undefined ? { bestValue } : {}),
      progress: progressOf(progress),
    })),
  };
  return retain(changed, job);
}

/** Without the environment's values: these words are logged, and are an execution's cause. */
const describe = (changes: readonly JobChange[]): string =>
  changes
    .map(({ field, before, after }) => {
      const isSecret = field.startsWith("env.");
      if (isSecret && before !== undefined && after !== undefined) return `${field}: another value`;
      const shown = (value: string | undefined) =>
        value === undefined ? "absent" : isSecret ? "given" : value;
      return `${field}: ${shown(before)} → ${shown(after)}`;
    })
    .join(", ");

/** How a run was at rest before somebody starts it again; a stop that its driver did not live to see counts too. */
const overAs = ({ status, stop }: RunState): string | undefined => {
  if (status === "finished" || status === "failed" || status === "interrupted") return status;
  return stop === undefined ? undefined : stopWords(stop);
};

/** `state` as a person who starts the run again wants it: no stop in force, every budget full. A hand-over, which nobody asked for, does not. */
const afresh = ({ stop: _stop, numeric, ...state }: RunState): RunState => ({
  ...state,
  failures: refilled(state.failures),
  ...(numeric === undefined ? {} : { numeric: { ...numeric, times: 0 } }),
});

const nothingLeft = (run: string): string =>
  `every checkpoint of run ${run} is damaged: it would begin again at epoch 1, which it does only when told to`;

/** Whether the run failed since none of its checkpoints could be restored: it has lost all that it had trained. */
const hasNothingLeft = ({ status, kept, failures }: RunState): boolean =>
  status === "failed" && kept.length === 0 && failures.recent.at(-1)?.class === "checkpoint-corrupt";

/** Whether a field of the job says which examples an epoch has, in which order: a part of one goes with no other. */
const changesOrder = (field: string): boolean => /^(seed|data|batchSize)\b/.test(field);

export interface OpenCircumstances extends Circumstances {
  /** The job in force before this event, where there is a run; the same as `job` where the event brings none. */
  readonly previousJob: Circumstances["job"] | undefined;
  /** What differs between the two. */
  readonly changes: readonly JobChange[];
}

/** What a driver is told that starts, takes over, or looks again at a run. */
export function open(
  state: RunState | undefined,
  event: OpenEvent,
  circumstances: OpenCircumstances,
): Decision<Next> {
  const { job, previousJob, changes } = circumstances;
  if (state === undefined) return begin(event, circumstances);
  const same = state.driver.id === event.driver.id;
  if (same && state.next.action !== "wait") return unchanged(state.next);
  if (!same && event.holder.alive && event.driver.execution !== state.successor) {
    return unchanged(
      refuse(state, "Pawl.RunHeld", `run ${state.run} is being trained by ${event.holder.who}`),
    );
  }
  if (changes.length > 0 && !event.acceptChanges) {
    const cause = `the job differs from the one that run ${state.run} was begun with: ${describe(changes)}`;
    return unchanged(refuse(state, "Pawl.JobChanged", cause));
  }
  const handedOver = event.driver.execution === state.successor;
  if (!same && hasNothingLeft(state) && event.startAgain !== true) {
    return unchanged(refuse(state, "Pawl.NothingLeft", nothingLeft(state.run)));
  }
  // A hand-over, which nobody asked for, does not undo what somebody did ask for.
  if (handedOver && state.status === "stopped") return unchanged(state.next);
  const rejobbed =
    event.job !== undefined && previousJob !== undefined && !same
      ? underJob(withOrigin(state, event), previousJob, circumstances)
      : state;
  if (state.status === "finished" && finishedBecause(job, rejobbed.progress) !== undefined) {
    const { run, sequence, generation, ending } = state;
    return unchanged({ action: "done", run, sequence, generation, reason: ending ?? "finished" });
  }

  const accepted = changes.length > 0 ? `; accepted ${describe(changes)}` : "";
  const { successor: _successor, ending: _ending, ...rest } = rejobbed;
  let current: RunState = same
    ? rejobbed
    : {
        ...(handedOver ? rest : afresh(rest)),
        generation: state.generation + 1,
        driver: event.driver,
        turns: 0,
      };
  const evidenceOn = (number: number) => event.evidence.find((evidence) => evidence.attempt === number);
  const ending = current.live.find((attempt) => evidenceOn(attempt.number)?.gone !== true);
  if (ending !== undefined) {
    return lookAgain(current, ending, `attempt ${ending.number} has not ended yet${accepted}`, circumstances);
  }
  const reasons: string[] = [];
  for (const attempt of current.live) {
    const evidence = evidenceOn(attempt.number);
    if (evidence === undefined) continue;
    if (isTrained(current, attempt, circumstances)) {
      reasons.push(segmentTrained(current, attempt));
      current = withoutTrained(current, attempt);
      continue;
    }
    if (same || handedOver) return recoverAttempt(current, attempt, evidence, event.random, circumstances);
    const settled = settle(current, attempt, evidence, circumstances);
    current = settled.state;
    reasons.push(settled.reason);
    if (settled.class === "checkpoint-corrupt" && current.kept.length === 0 && event.startAgain !== true) {
      const { next } = failureRule(settled.class);
      return giveUp(current, "Pawl.NothingLeft", `${settled.reason}; ${nothingLeft(current.run)}. ${next}`);
    }
  }
  if (changes.some(({ field }) => changesOrder(field)) && current.progress.partial !== undefined) {
    current = goBackTo(
      current,
      restorable(current.kept).findLast(({ step }) => step === undefined),
    );
    reasons.push(
      `going back to epoch ${current.progress.epoch}: the rest of the next one would be in another order`,
    );
  }
  const over = overAs(state);
  const arrived = same
    ? { kind: "attempt-planned" as const, reason: "the wait is over" }
    : over !== undefined
      ? { kind: "resumed" as const, reason: `resumed after it was ${over}` }
      : {
          kind: "took-over" as const,
          reason: handedOver ? "handed over" : `taken over from ${state.driver.execution}`,
        };
  return nextStep(current, circumstances, {
    kind: arrived.kind,
    reason: `${[arrived.reason, ...reasons].join("; ")}${accepted}`,
  });
}
