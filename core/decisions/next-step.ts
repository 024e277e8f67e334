import { originWords } from "../checkpoint-source.ts";
import type { Changed, Circumstances, Decision } from "../decision.ts";
import type { FailureClass } from "../failure.ts";
import type { TrainingJob } from "../job.ts";
import type { DecisionKind } from "../journal-entry.ts";
import type { Next } from "../next.ts";
import type { LiveAttempt, RunState } from "../run-state.ts";
import { attemptJobName, definitionSuffix } from "../stack.ts";
import { type StopIntent, stopWords } from "../stop.ts";
import { budgetStop, paysForMore } from "./cost.ts";
import { isLocal, marketWords, withMarket } from "./market.ts";
import { originOf } from "./origin.ts";
import { planEpoch } from "./plan.ts";
import { finishedBecause } from "./progress.ts";

interface Step {
  readonly kind: DecisionKind;
  readonly reason: string;
}

type NextBody<Action extends Next["action"]> = Omit<
  Extract<Next, { action: Action }>,
  "run" | "sequence" | "generation"
>;

type AnyNextBody = { [Action in Next["action"]]: NextBody<Action> }[Next["action"]];

/** A decision that answers the state machine: `state` becomes the entry after it, and counts one turn. */
function answerMachine(
  state: RunState,
  body: AnyNextBody,
  step: Step,
  changes: Partial<RunState> = {},
): Changed<Next> {
  const sequence = state.sequence + 1;
  const next: Next = { ...body, run: state.run, sequence, generation: state.generation };
  return {
    changed: true,
    reply: next,
    state: { ...state, ...changes, sequence, turns: state.turns + 1, next },
    ...step,
  };
}

const resources = (job: TrainingJob) => [
  ...(job.compute.gpus > 0 ? [{ Type: "GPU" as const, Value: String(job.compute.gpus) }] : []),
  { Type: "VCPU" as const, Value: String(job.compute.vcpus) },
  { Type: "MEMORY" as const, Value: String(job.compute.memory) },
];

/** Classes after which people want to know on which market it goes on. */
const ofTheMarket = new Set<FailureClass | undefined>(["spot-reclaim", "capacity-never-available"]);

function startAttempt(state: RunState, circumstances: Circumstances, step: Step): Decision<Next> {
  const { job, at } = circumstances;
  const number = state.nextAttempt;
  const epoch = state.progress.epoch + 1;
  const { plan, reason } = planEpoch(job, state, epoch);
  const {
    state: { market },
    reason: moved,
  } = withMarket(state, circumstances);
  const restore = job.checkpoint.policy === "none" ? undefined : state.kept.at(-1)?.name;
  const { origin } = originOf(state);
  const beginning =
    restore !== undefined ? `checkpoint ${restore}` : origin === undefined ? undefined : originWords(origin);
  const attempt: LiveAttempt = {
    number,
    worker: { index: 0, count: 1 },
    shard: { index: 0, count: 1 },
    ...(restore === undefined ? {} : { restore }),
    lastEpoch: job.segment === "auto" ? job.epochs : Math.min(job.epochs, state.progress.epoch + job.segment),
    firstPlan: plan,
    market: market.now,
    submittedAt: at,
    lastSeenAt: at,
    pending: [],
    answers: {},
  };
  const { partial } = state.progress;
  const says = !isLocal(state) && ofTheMarket.has(state.failures.recent.at(-1)?.class);
  const words = [
    `attempt ${number} trains from epoch ${epoch}${partial === undefined ? "" : `, step ${partial.step},`} on`,
    ...(beginning === undefined ? [] : [`from ${beginning}`]),
    ...(moved !== undefined ? [moved] : says && step.kind === "recovered" ? [marketWords(market.now)] : []),
    reason,
  ].join(", ");
  const why = `${step.reason}; ${words}`;
  const train = {
    attempt: number,
    market: market.now,
    definition: definitionSuffix(job.image, job.compute.gpus),
    reason: why.slice(0, 2000),
    attemptText: String(number),
    sequenceText: String(state.sequence + 1),
    jobName: attemptJobName(state.run, number),
    resourceRequirements: resources(job),
  };
  return answerMachine(
    state,
    { action: "train", train },
    { kind: step.kind, reason: why },
    {
      status: "training",
      live: [attempt],
      market,
      nextAttempt: number + 1,
      recoveries: state.failures.total,
    },
  );
}

/** Unique for each run and generation, so that a hand-over repeated after a crash cannot start two executions. */
const executionName = (state: RunState): string =>
  `${state.run}-${Date.parse(state.startedAt).toString(36)}-${state.generation + 1}`;

/** What has come to its own end is not stopped. */
const withoutStop = ({ stop: _stop, ...state }: RunState): RunState => state;

/** Ends the run for a reason that is nobody's fault. */
const finish = (state: RunState, reason: string, step: Step): Decision<Next> =>
  answerMachine(
    withoutStop(state),
    { action: "done", reason },
    { kind: "finished", reason: `${step.reason}; finished: ${reason}` },
    { status: "finished", live: [], ending: reason },
  );

/** Ends the run as failed; it can be opened again. */
export const giveUp = (state: RunState, error: string, cause: string): Decision<Next> =>
  answerMachine(
    withoutStop(state),
    { action: "failed", error, cause },
    { kind: "gave-up", reason: cause },
    { status: "failed", live: [], ending: cause },
  );

/** Ends the run as somebody asked; it can be opened again. */
export const halt = (state: RunState, stop: StopIntent, reason: string): Changed<Next> =>
  answerMachine(
    state,
    { action: "done", reason: stopWords(stop) },
    { kind: "stopped", reason },
    { status: "stopped", ending: stopWords(stop) },
  );

/** Has the state machine wait and then look again. */
export const wait = (state: RunState, seconds: number, reason: string): Decision<Next> =>
  answerMachine(
    state,
    { action: "wait", wait: { seconds, reason } },
    { kind: "waiting", reason },
    { status: "waiting" },
  );

/** Has a fresh execution go on. An attempt that lives is not disturbed. */
export function handOver(state: RunState, why: string): Decision<Next> {
  const name = executionName(state);
  const reason = `${why}; after ${state.turns} turns ${name} goes on`;
  return answerMachine(
    state,
    { action: "continue", continue: { name, reason: reason.slice(0, 2000) } },
    { kind: "handed-over", reason },
    { status: "training", successor: name },
  );
}

/** The stop that a run's budget makes, where that pays for no further epoch. */
function budgetReached(state: RunState, circumstances: Circumstances): StopIntent | undefined {
  const { budgetUsd } = circumstances.job;
  return budgetUsd === undefined || paysForMore(state, circumstances)
    ? undefined
    : budgetStop(state, budgetUsd, circumstances.at);
}

/** What follows when no attempt is live: the end, a stop, a fresh execution, or another attempt. */
export function nextStep(state: RunState, circumstances: Circumstances, step: Step): Decision<Next> {
  const finished = finishedBecause(circumstances.job, state.progress);
  if (finished !== undefined) return finish(state, finished, step);
  const stop = state.stop ?? budgetReached(state, circumstances);
  if (stop !== undefined) return halt({ ...state, stop }, stop, `${step.reason}; ${stopWords(stop)}`);
  if (state.turns >= circumstances.limits.turnsPerExecution) {
    return handOver(state, step.reason);
  }
  return startAttempt(state, circumstances, step);
}
