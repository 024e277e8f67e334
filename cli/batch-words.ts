import type { BatchChange } from "../core/batch-progress.ts";
import type { StepTime } from "../core/estimators/step-time.ts";
import { rangeOf } from "../core/policies/batch-size/bounds.ts";
import type { BatchSizePolicy } from "../core/policies/batch-size/index.ts";

/** Three digits at most: what was measured is no surer. */
const rounded = (value: number): string => String(Number(value.toPrecision(3)));

/** Parts of a step's time: `21 µs`, `1.9 ms`, `2.4 s`. */
function brief(seconds: number): string {
  if (seconds < 1e-3) return `${rounded(seconds * 1e6)} µs`;
  return seconds < 1 ? `${rounded(seconds * 1e3)} ms` : `${rounded(seconds)} s`;
}

/** What a step takes: `1.9 ms + 21 µs an example`. Parts that cost nothing are left out. */
function stepTimeWords(model: StepTime): string {
  const parts = [
    { seconds: model.fixedSeconds, of: "" },
    { seconds: model.perMicroBatchSeconds, of: " a micro-batch" },
    { seconds: model.perExampleSeconds, of: " an example" },
    { seconds: model.perWorkerSeconds, of: " a worker more" },
  ].filter(({ seconds }) => seconds > 0);
  return parts.length === 0 ? "0 s" : parts.map(({ seconds, of }) => `${brief(seconds)}${of}`).join(" + ");
}

/** A gain as a factor: `× 1.2`. */
export const gainWords = (gain: number | undefined): string =>
  gain === undefined ? "" : `× ${rounded(gain)}`;

/** A noise scale, in examples. */
export const noiseWords = (noiseScale: number | undefined): string =>
  noiseScale === undefined ? "" : rounded(noiseScale);

/** `epoch 3 step 120`; at an epoch's beginning the epoch alone. */
export const whenWords = ({ epoch, step }: Pick<BatchChange, "epoch" | "step">): string =>
  step === 0 ? `epoch ${epoch}` : `epoch ${epoch} step ${step}`;

/** The heads of `changeRow`'s columns. */
export const changeHeads = [
  "  #",
  "when",
  "from → to",
  "noise scale",
  "step time",
  "predicted",
  "obtained",
  "outcome",
] as const;

/** One change of the batch size, in the columns of `changeHeads`. */
export const changeRow = (change: BatchChange): string[] => [
  `  ${change.number}`,
  whenWords(change),
  `${change.from} → ${change.to}`,
  noiseWords(change.noiseScale),
  change.stepTime === undefined ? "" : stepTimeWords(change.stepTime),
  gainWords(change.predictedGain),
  gainWords(change.obtainedGain),
  change.outcome,
];

/** A policy as one line: `goodput, from 32 on, 32 to 2048`. */
export function policyWords(policy: BatchSizePolicy): string {
  if (policy.policy === "fixed") return `${policy.size}, fixed`;
  if (policy.policy === "schedule")
    return policy.steps.map(({ fromEpoch, size }) => `${size} from epoch ${fromEpoch}`).join(", ");
  const { start, min, max } = rangeOf(policy);
  return `${policy.policy}, from ${start} on, ${min} to ${max}`;
}
