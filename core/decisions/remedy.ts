import type { Circumstances } from "../decision.ts";
import type { Evidence } from "../events.ts";
import { actionFor, type FailureClass, type RecoveryAction } from "../failure.ts";
import { withWall } from "../policies/memory.ts";
import { smallestLearningRateFactor } from "../policies/numeric.ts";
import { backoffSeconds } from "../policies/retry.ts";
import { keptFailures, type LiveAttempt, planInForce, type RunState } from "../run-state.ts";
import { exhausted } from "./budget.ts";
import { withGrowthTakenBack } from "./growth.ts";
import { withMarket } from "./market.ts";
import { machineOf, splitFor } from "./memory.ts";
import { placeWords } from "./progress.ts";
import { epochOf, goBackTo, restorable } from "./settle.ts";

/** What is done about a failure: another attempt from `state`, after so many seconds; or none. */
export type Remedy =
  | { readonly action: "give-up"; readonly why: string }
  | {
      readonly action: Exclude<RecoveryAction, "give-up">;
      readonly state: RunState;
      readonly waitSeconds: number;
      /** What is different now, in words; none where the same is tried again. */
      readonly change: readonly string[];
    };

/** A failure that is settled: `state` is after it, `before` is the state that the attempt lived in. */
export interface Failed {
  readonly state: RunState;
  readonly before: RunState;
  readonly attempt: LiveAttempt;
  readonly evidence: Evidence;
  readonly class: FailureClass;
  /** In [0, 1). */
  readonly random: number;
}

type Rule = (failed: Failed, circumstances: Circumstances) => Remedy;

const giveUp = (why: string): Remedy => ({ action: "give-up", why });

/** Waits after the first failure already, where it counts or is told to; else only when the same has happened again and again. */
function waitSeconds(
  { state, class: name, random }: Failed,
  { job }: Circumstances,
  patient: boolean,
): number {
  const { withoutProgress, byClass } = state.failures;
  const ofClass = byClass?.[name] ?? 1;
  if (patient) return backoffSeconds(job.retry, Math.max(1, withoutProgress, ofClass), random);
  return ofClass > freeTries ? backoffSeconds(job.retry, ofClass - freeTries, random) : 0;
}

/** So often in a row another attempt follows at once where nobody is at fault; then it waits, or it would spin. */
const freeTries = 2;

const again =
  (action: "at-once" | "wait"): Rule =>
  (failed, circumstances) => {
    const { state, change } = onMarket(failed, circumstances, false);
    const waits = change.length > 0 ? 0 : waitSeconds(failed, circumstances, action === "wait");
    return { action, state, waitSeconds: waits, change };
  };

/** The state on the market that the next attempt is for. */
function onMarket(failed: Failed, circumstances: Circumstances, elsewhere: boolean) {
  const { state, reason } = withMarket(failed.state, circumstances, { class: failed.class, elsewhere });
  return { state, change: reason === undefined ? [] : [reason] };
}

const elsewhere: Rule = (failed, circumstances) => {
  const { state, change } = onMarket(failed, circumstances, true);
  const waits = change.length > 0 ? 0 : waitSeconds(failed, circumstances, true);
  return { action: "elsewhere", state, waitSeconds: waits, change };
};

/** Without a batch size there is nothing that Pawl could make smaller: once more, since memory may have been short for once. */
const triesUnchanged = 2;

const shrink: Rule = (failed, circumstances) => {
  const { state, attempt, class: name } = failed;
  const { job } = circumstances;
  const { batchSize, microBatchSize } = planInForce(attempt);
  if (batchSize === undefined || microBatchSize === undefined) {
    if ((state.failures.byClass?.[name] ?? 1) >= triesUnchanged)
      return giveUp("the job gives no batch size that could be split");
    return again("wait")(failed, circumstances);
  }
  const machine = machineOf(attempt);
  const known = { memory: withWall(state.memory, machine, microBatchSize) };
  const grows = state.progress.partial === undefined;
  const { microBatchSize: smaller } = splitFor(job, known, { batchSize, machine, grows });
  const isNone = smaller >= microBatchSize || smaller < job.memory.smallestMicroBatch;
  if (job.memory.onOutOfMemory === "give-up" || isNone)
    return giveUp(`a micro-batch of ${microBatchSize} does not fit, and none smaller is allowed (memory)`);
  // After a change within the epoch it may begin again with the size before it.
  const isSure = attempt.answers.measured?.epoch !== planInForce(attempt).epoch;
  const stays = isSure ? `, ${batchSize / smaller} to a step, so that the batch stays ${batchSize}` : "";
  const change = `micro-batches of ${smaller} instead of ${microBatchSize}${stays}`;
  return { action: "shrink", state: { ...state, ...known }, waitSeconds: 0, change: [change] };
};

const rollBack: Rule = ({ state, before, attempt }, { job }) => {
  const { numeric: policy } = job;
  if (policy.after !== "roll-back") return giveUp("the job says so (numeric.after)");
  const epoch = epochOf(attempt, before);
  const { numeric } = state;
  const times = numeric !== undefined && epoch <= numeric.epoch ? numeric.times + 1 : 1;
  if (times > policy.times)
    return giveUp(`rolled back ${policy.times} times at epoch ${epoch} (numeric.times)`);
  // A part of this very epoch may have diverged already.
  const sound = restorable(state.kept).filter((kept) => kept.step === undefined || kept.epoch < epoch);
  const target = sound[sound.length - policy.back - times];
  const back = goBackTo(state, target);
  const place = target === undefined ? "the beginning" : placeWords(target.progress);
  // Where the batch size has grown, that is to blame first; the second time the learning rate is too.
  const grown = withGrowthTakenBack(back, { before, attempt }, epoch, job);
  const stays = grown !== undefined && times === 1;
  const factor = numeric?.learningRateFactor ?? 1;
  const learningRateFactor = stays ? factor : factor * policy.learningRateFactor;
  if (!stays && learningRateFactor < smallestLearningRateFactor)
    return giveUp(`the learning rate is lowered too far already (numeric.learningRateFactor)`);
  const otherwise = [
    ...(grown === undefined ? [] : [grown.words]),
    stays
      ? "the learning rate stays"
      : `learning rate × ${Number(learningRateFactor.toPrecision(4))} from now on`,
  ].join(", ");
  const furthest = Math.max(epoch, times > 1 ? (numeric?.epoch ?? 0) : 0);
  return {
    action: "roll-back",
    state: { ...(grown?.state ?? back), numeric: { epoch: furthest, times, learningRateFactor } },
    waitSeconds: 0,
    change: [`back to ${place}, ${otherwise} (${times} of ${policy.times} times)`],
  };
};

/** One row for each thing that can follow; core/failure.ts says which for which class. */
const rules: { readonly [Action in RecoveryAction]: Rule } = {
  "at-once": again("at-once"),
  wait: again("wait"),
  elsewhere,
  shrink,
  "roll-back": rollBack,
  "give-up": () => giveUp("trying again would not help"),
};

/**
 * The same exception at the same line of the trainer in the same epoch will come again: the second time, where nothing was
 * committed and nobody started the run again between; as often as the state remembers, where parts of the epoch were.
 */
function theSameAgain({ class: name, evidence: { place }, before, state }: Failed): string | undefined {
  if (name !== "user-exception" || place === undefined) return undefined;
  const { recent } = state.failures;
  const now = recent.at(-1);
  const isSame = (other: (typeof recent)[number] | undefined) =>
    other?.class === name && other.place === place && other.epoch === now?.epoch;
  const nothingBetween = before.failures.byClass?.[name] !== undefined;
  if (nothingBetween && isSame(recent.at(-2))) return `failed twice at the same place (${place})`;
  const always = recent.every((each) => isSame(each) && each.generation === now?.generation);
  return always && recent.length === keptFailures
    ? `failed ${keptFailures} times at the same place (${place}) in epoch ${now?.epoch}`
    : undefined;
}

/** Decides what is done about a failure. A row of one table for each action; budgets are looked at first. */
export function remedy(failed: Failed, circumstances: Circumstances): Remedy {
  if (failed.class === "checkpoint-corrupt" && failed.state.kept.length === 0)
    return giveUp("no undamaged checkpoint is left");
  const action = actionFor(failed.class, failed.evidence.retryable);
  if (action === "give-up") return rules[action](failed, circumstances);
  const hopeless = theSameAgain(failed) ?? exhausted(circumstances.job, failed.state.failures, failed.class);
  return hopeless === undefined ? rules[action](failed, circumstances) : giveUp(hopeless);
}
