import type { BatchChange, BatchProgress } from "./batch-progress.ts";
import { isForced, taken } from "./learnt-changes.ts";
import { isBetter, type MetricGoal } from "./metric-goal.ts";
import { type BatchSizePolicy, isAdaptive } from "./policies/batch-size/index.ts";
import type { Metrics } from "./report.ts";

/** So many times as much as the metric usually changes in an epoch is more than chance. */
const clearly = 4;

/** What the policy follows; else what training ends by; else the loss. */
export function followedGoal(policy: BatchSizePolicy | undefined, stop: MetricGoal | undefined): MetricGoal {
  if (policy?.policy === "plateau") return { metric: policy.metric, mode: policy.mode };
  return stop === undefined ? { metric: "loss", mode: "min" } : { metric: stop.metric, mode: stop.mode };
}

/** For people. */
const brief = (value: number): string => String(Number(value.toPrecision(3)));

/** Whether `change` came after the epoch before `epoch` was trained, or in the middle of it. */
const isBetween = (change: BatchChange, epoch: number): boolean =>
  change.epoch === epoch || (change.epoch === epoch - 1 && change.step > 0);

/** The newest change, where `epoch` may have become worse with it: a growth that can be taken back. */
function blamed(
  { changes }: BatchProgress,
  epoch: number,
  policy: BatchSizePolicy | undefined,
): BatchChange | undefined {
  const change = changes.at(-1);
  if (policy === undefined || !isAdaptive(policy)) return undefined;
  if (change === undefined || change.to < change.from) return undefined;
  if (change.outcome !== "open" && change.outcome !== "kept") return undefined;
  return isBetween(change, epoch) && !isForced(policy, change) ? change : undefined;
}

/** `state` with an epoch whose metric is no number: a growth is to blame, unless it was none before. */
function lost(
  state: BatchProgress,
  { epoch, what }: { readonly epoch: number; readonly what: string },
  policy: BatchSizePolicy | undefined,
): BatchProgress {
  const change = state.metricLost === true ? undefined : blamed(state, epoch, policy);
  const after = { ...state, metricLost: true };
  return change === undefined ? after : taken(after, change, `${what} with it`);
}

/**
 * `state` with what an epoch's report says of the metric. Where that became clearly worse with a growth, the growth is taken back,
 * however fast it is: by more than four times what it usually changes in an epoch, and by more than a hundredth of it, or
 * to what is no number. The first two epochs tell what is usual.
 */
export function withMetric(
  before: BatchProgress,
  { epoch, metrics }: { readonly epoch: number; readonly metrics: Metrics },
  goal: MetricGoal,
  policy: BatchSizePolicy | undefined,
): BatchProgress {
  const { metric: name } = goal;
  const value = metrics[name];
  if (value === undefined) return before;
  const title = name.slice(0, 60);
  if (!isBetter(goal, value, undefined)) return lost(before, { epoch, what: `${title} is ${value}` }, policy);
  const { metricLost: _found, ...state } = before;
  const known = state.metric?.name === name ? state.metric : undefined;
  if (known === undefined)
    return { ...state, metric: { name, best: value, bestEpoch: epoch, last: value, lastEpoch: epoch } };
  const delta = policy?.policy === "plateau" ? policy.minDelta : 0;
  const better = isBetter(goal, value, goal.mode === "max" ? known.best + delta : known.best - delta);
  const moved = Math.min(Number.MAX_VALUE, Math.abs(value - known.last));
  const metric = {
    ...known,
    ...(better ? { best: value, bestEpoch: epoch } : {}),
    last: value,
    lastEpoch: epoch,
    swing: known.swing === undefined ? moved : known.swing / 2 + moved / 2,
  };
  const after = { ...state, metric };
  const worse =
    known.swing !== undefined &&
    isBetter(goal, known.last, value) &&
    moved > Math.max(clearly * known.swing, Math.abs(known.last) / 100);
  const change = worse ? blamed(after, epoch, policy) : undefined;
  if (change === undefined) return after;
  const words = `${title} became worse with it, ${brief(value)} after ${brief(known.last)}`;
  return taken(after, change, words);
}
