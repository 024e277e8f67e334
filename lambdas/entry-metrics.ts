import type { JournalEntry } from "../core/journal-entry.ts";
import { metricNames } from "../core/metric-names.ts";
import type { EpochReport } from "../core/report.ts";
import type { RunState } from "../core/run-state.ts";

/** One thing counted. */
export interface EntryMetric {
  readonly name: (typeof metricNames)[keyof typeof metricNames];
  /** As CloudWatch calls it. */
  readonly unit: "Count" | "Count/Second" | "NoUnit" | "Seconds";
  readonly value: number;
}

/**
 * What one journal entry adds to the metrics: `before` is the state that it was decided from, absent for the first. What
 * has not changed is not counted, so that sums are right however often decisions are asked for.
 */
export function entryMetrics(
  { event, decision, state }: Pick<JournalEntry, "event" | "decision" | "state">,
  before: RunState | undefined,
): EntryMetric[] {
  const count = (name: EntryMetric["name"], value: number, unit: EntryMetric["unit"] = "Count") =>
    Number.isFinite(value) && value > 0 ? [{ name, unit, value }] : [];
  const since = (of: (state: RunState) => number) => of(state) - (before === undefined ? 0 : of(before));
  return [
    ...newReports({ event, state }, before).flatMap(ofReport),
    ...count(
      metricNames.epochs,
      since(({ progress }) => progress.epoch),
    ),
    ...count(
      metricNames.lostSeconds,
      since(({ lostSeconds }) => lostSeconds),
      "Seconds",
    ),
    ...count(
      metricNames.recoveries,
      since(({ recoveries }) => recoveries),
    ),
    ...count(
      metricNames.costUsd,
      since(({ cost }) => cost?.usd ?? 0),
      "NoUnit",
    ),
    ...(decision.kind === "gave-up" ? count(metricNames.failures, 1) : []),
  ];
}

/**
 * What is told of epochs for the first time: in a report; or, as of a segment's last epoch, in the checkpoint alone that
 * makes it count, whoever commits it.
 */
function newReports(
  { event, state }: Pick<JournalEntry, "event" | "state">,
  before: RunState | undefined,
): EpochReport[] {
  if (event.type === "report") return [event.report];
  if (before === undefined) return [];
  const told = new Set(before.live.flatMap(({ pending }) => pending.map(({ report }) => report.epoch)));
  return state.recent
    .map(({ report }) => report)
    .filter(({ epoch }) => epoch > before.progress.epoch && !told.has(epoch));
}

function ofReport({ metrics, examples, seconds }: EpochReport): EntryMetric[] {
  const { loss } = metrics;
  const found: EntryMetric[] = [];
  // CloudWatch takes no other number.
  if (typeof loss === "number" && Number.isFinite(loss) && Math.abs(loss) < 1e108)
    found.push({ name: metricNames.loss, unit: "NoUnit", value: loss });
  if (examples !== undefined && seconds > 0)
    found.push({ name: metricNames.examplesPerSecond, unit: "Count/Second", value: examples / seconds });
  return found;
}
