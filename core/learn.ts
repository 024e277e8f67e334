import { type BatchProgress, nothingLearnt } from "./batch-progress.ts";
import { noiseScale, normsProblem, smoothed } from "./estimators/noise-scale.ts";
import type { TrainingJob } from "./job.ts";
import { unbarred } from "./learnt-bars.ts";
import { givenUp, judged, resized } from "./learnt-changes.ts";
import { followedGoal, withMetric } from "./learnt-metric.ts";
import { withTiming } from "./learnt-timings.ts";
import { type Measured, ownMachine, type Stretch } from "./measured.ts";
import { type BatchSizePolicy, policyInForce, usesNorms } from "./policies/batch-size/index.ts";
import type { EpochReport } from "./report.ts";

/** A sum of counts, which stays a whole number that can be written down. */
const sum = (a: number, b: number): number => Math.min(Number.MAX_SAFE_INTEGER, a + b);

/** What was measured of one epoch: all of it, or what there is so far. */
export interface Observation {
  readonly epoch: number;
  readonly measured: Measured;
  /** Once the epoch is whole. */
  readonly report?: EpochReport;
}

/** So many steps without norms, where there were norms before, mean that there are none any more. */
const missedSteps = 16;

/** A noise scale that falls so many times from one stretch to the next was measured wrongly, now or before. */
const fallen = 100;

/** The state that an epoch begins with. */
function begun(
  before: BatchProgress | undefined,
  { epoch, measured }: Observation,
  first: Stretch,
): BatchProgress {
  const machine = measured.machine ?? ownMachine;
  const optimizer = measured.optimizer ?? before?.optimizer;
  const learnt = before ?? nothingLearnt(first.batchSize, machine);
  return {
    ...learnt,
    machine,
    resizes: measured.resizes,
    epochStart: { epoch, size: learnt.size },
    ...(optimizer === undefined ? {} : { optimizer }),
  };
}

/** What the steps of a stretch took. */
function timed(state: BatchProgress, stretch: Stretch): { state: BatchProgress; problem?: string } {
  if (stretch.timed === undefined) return { state };
  const { suspect: _suspect, ...rest } = state;
  const taken = withTiming(state, stretch, stretch.timed);
  if ("problem" in taken) {
    const { problem, ...known } = taken;
    return { state: { ...rest, ...known }, problem };
  }
  const { steps, ...known } = taken;
  return { state: { ...rest, ...known, timedAtSize: sum(state.timedAtSize, steps) } };
}

/** A stretch without norms; they are missed where there were some before. */
function unheard(
  state: BatchProgress,
  { steps }: Stretch,
  policy: BatchSizePolicy | undefined,
): { state: BatchProgress; problem?: string } {
  if (state.noise === undefined || policy === undefined || !usesNorms(policy)) return { state };
  const missed = (state.stepsWithoutNorms ?? 0) + steps;
  const counted = { ...state, stepsWithoutNorms: missed };
  return missed < missedSteps
    ? { state: counted }
    : { state: counted, problem: "the trainer reports no gradient norms any more" };
}

/** What its gradients told. A noise scale that fell to nothing is believed only when the next stretch says so too. */
function heard(
  before: BatchProgress,
  stretch: Stretch,
  policy: BatchSizePolicy | undefined,
): { state: BatchProgress; problem?: string } {
  const { norms } = stretch;
  if (norms === undefined) return unheard(before, stretch, policy);
  const problem = normsProblem(norms);
  if (problem !== undefined) return { state: before, problem };
  const { stepsWithoutNorms: _heard, noiseFell = false, ...state } = before;
  const noise = smoothed(state.noise, norms);
  const scale = noiseScale(noise);
  if ("doubt" in scale) return { state: { ...state, noise, ...(noiseFell ? { noiseFell } : {}) } };
  const { noiseScale: known = scale.examples } = state;
  if (scale.examples * fallen < known && !noiseFell) {
    const [from, to] = [known, scale.examples].map((each) => Number(each.toPrecision(3)));
    return {
      state: { ...state, noise, noiseFell: true },
      problem: `the noise scale fell from ${from} to ${to}`,
    };
  }
  return { state: { ...state, noise, noiseScale: scale.examples } };
}

/** `before` with one stretch in it, which began after `step` steps of its epoch. */
function withStretch(
  before: BatchProgress,
  stretch: Stretch,
  at: { readonly epoch: number; readonly step: number },
  job: TrainingJob,
): BatchProgress {
  const policy = policyInForce(job.batchSize, before);
  const sized = stretch.batchSize === before.size ? before : resized(before, stretch, at, policy);
  const clocked = timed(sized, stretch);
  const listened = heard(clocked.state, stretch, policy);
  const problem = clocked.problem ?? listened.problem;
  const { trouble: earlier, ...rest } = listened.state;
  // A stretch too short to measure anything says nothing of whether it is well again.
  const trouble =
    problem ?? (stretch.timed === undefined && stretch.norms === undefined ? earlier : undefined);
  const counted: BatchProgress = {
    ...rest,
    stepsAtSize: sum(rest.stepsAtSize, stretch.steps),
    // Where nobody tells them, bars end by steps: else they would never end, or never begin.
    examples: sum(rest.examples, stretch.examples || stretch.steps * stretch.batchSize),
    ...(trouble === undefined ? {} : { trouble: trouble.slice(0, 300) }),
  };
  return judged(unbarred(counted), policy);
}

/**
 * `before` with one epoch's stretches in it, and with what its report says of the metric that is followed; `undefined` where nothing
 * was ever measured. What there is so far of an epoch is learnt from the state before that epoch again each time, so that the
 * sum is the same however often somebody looked.
 */
export function learn(
  before: BatchProgress | undefined,
  observation: Observation,
  job: TrainingJob,
): BatchProgress | undefined {
  const { epoch, measured, report } = observation;
  const [first] = measured.stretches;
  if (first === undefined && before === undefined) return undefined;
  let state = first === undefined ? before : begun(before, observation, first);
  let step = 0;
  for (const stretch of measured.stretches) {
    if (state !== undefined) state = withStretch(state, stretch, { epoch, step }, job);
    step += stretch.steps;
  }
  if (state === undefined || report === undefined) return state;
  const policy = policyInForce(job.batchSize, state);
  // Where there were more stretches than are kept, the trainer may know of more.
  const counted = measured.stretches.reduce((all, { examples }) => sum(all, examples), 0);
  const epochExamples = Math.max(counted, report.examples ?? 0);
  const whole = epochExamples === 0 ? state : { ...state, epochExamples };
  const told = withMetric(whole, report, followedGoal(policy, job.stop), policy);
  return givenUp(told, epoch, policy);
}
