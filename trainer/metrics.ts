import type { MetricValue } from "../core/metric-value.ts";
import type { Metrics } from "../core/report.ts";
import { TrainerError } from "./error.ts";
import type { Norms } from "./stretch.ts";

const most = 50;
const longest = 100;

/** A number as it is, and what is not finite as the word that JSON can carry. */
export function wireNumber(value: number): MetricValue {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

/** Numbers as they are, and what is not finite as the words that JSON can carry. */
export function wireMetrics(metrics: Readonly<Record<string, number>>): Metrics {
  if (typeof metrics !== "object" || metrics === null) {
    throw new TrainerError("MISUSE", `report takes an object of metrics, not ${String(metrics)}.`);
  }
  const entries = Object.entries(metrics);
  if (entries.length > most) {
    throw new TrainerError(
      "METRIC_INVALID",
      `A report holds at most ${most} metrics, not ${entries.length}.`,
    );
  }
  const wire = entries.map(([name, value]): [string, MetricValue] => {
    if (name.length < 1 || name.length > longest) {
      throw new TrainerError(
        "METRIC_INVALID",
        `A metric's name must be 1 to ${longest} characters, not '${name}'.`,
      );
    }
    if (name === "examples") {
      throw new TrainerError(
        "METRIC_INVALID",
        "'examples' is not a metric: it is the number of examples seen.",
        {
          next: "Give it beside the metrics: report(metrics, { examples }).",
        },
      );
    }
    if (typeof value !== "number") {
      throw new TrainerError("METRIC_INVALID", `Metric '${name}' must be a number, not ${String(value)}.`);
    }
    return [name, wireNumber(value)];
  });
  return Object.fromEntries(wire);
}

/** The number of examples seen. */
export function wireCount(examples: number): number {
  if (!Number.isSafeInteger(examples) || examples < 0) {
    throw new TrainerError(
      "METRIC_INVALID",
      `examples must be a whole number, 0 or more, not ${String(examples)}.`,
    );
  }
  return examples;
}

/** `norms`, checked: numbers may be any, since whoever decides says what is wrong with them; sizes must be sizes. */
export function checkNorms(norms: Norms): Norms {
  for (const which of ["small", "large"] as const) {
    const { examples, squaredNorm } = norms?.[which] ?? {};
    if (!Number.isSafeInteger(examples) || Number(examples) < 1) {
      throw new TrainerError(
        "METRIC_INVALID",
        `norms: ${which}.examples must be a whole number, 1 or more, not ${String(examples)}.`,
        {
          next: "Write epoch.norms({ small: { examples, squaredNorm }, large: { examples, squaredNorm } }).",
        },
      );
    }
    if (typeof squaredNorm !== "number") {
      throw new TrainerError(
        "METRIC_INVALID",
        `norms: ${which}.squaredNorm must be a number, not ${String(squaredNorm)}.`,
      );
    }
  }
  return norms;
}
