import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { JournalEntry } from "../core/journal-entry.ts";
import { metricDimensions, metricNamespace } from "../core/metric-names.ts";
import type { RunState } from "../core/run-state.ts";
import { type EntryMetric, entryMetrics } from "./entry-metrics.ts";
import type { FunctionEnvironment } from "./function-environment.ts";

const units = {
  Count: MetricUnit.Count,
  "Count/Second": MetricUnit.CountPerSecond,
  NoUnit: MetricUnit.NoUnit,
  Seconds: MetricUnit.Seconds,
} as const satisfies Record<EntryMetric["unit"], string>;

/** Counts what each journal entry adds, by the stack, and by the run too where that is wanted: a line of the log for each. */
export function metricsOf({
  name,
  runMetrics,
}: Pick<FunctionEnvironment, "name" | "runMetrics">): (
  entry: JournalEntry,
  before: RunState | undefined,
) => void {
  const metrics = new Metrics({ namespace: metricNamespace });
  // It begins with one for the service, which nobody asks for by.
  metrics.clearDefaultDimensions();
  metrics.setDefaultDimensions({ [metricDimensions.stack]: name });
  return (entry, before) => {
    const found = entryMetrics(entry, before);
    if (found.length === 0) return;
    if (runMetrics) metrics.addDimensions({}).addDimensions({ [metricDimensions.run]: entry.run });
    for (const { name: metric, unit, value } of found) metrics.addMetric(metric, units[unit], value);
    metrics.publishStoredMetrics();
  };
}
