import {
  type GradientNorms,
  keptByStep,
  type Measured,
  maxStretches,
  ownMachine,
  type Stretch,
} from "../core/measured.ts";
import type { MetricValue } from "../core/metric-value.ts";

/**
 * What was measured of one epoch: before a restored checkpoint, and from there on. A stretch that was cut in two is one again. Times and
 * memory are the machine's that trained: on another one those of before say nothing, and each says where it was trained.
 */
export function mergeMeasured(
  before: Measured | undefined,
  since: Measured | undefined,
): Measured | undefined {
  if (before === undefined || since === undefined) return since ?? before;
  const { machine = ownMachine } = before;
  const earlier =
    before.machine === since.machine
      ? before.stretches
      : before.stretches.map((stretch) => trainedElsewhere(stretch, machine));
  const last = earlier.at(-1);
  const [first, ...rest] = since.stretches;
  const stretches =
    last !== undefined && first !== undefined && isAlike(last, first)
      ? [...earlier.slice(0, -1), joined(last, first), ...rest]
      : [...earlier, ...since.stretches];
  return {
    ...since,
    stretches: stretches.slice(-maxStretches),
    ...(since.optimizer === undefined && before.optimizer !== undefined
      ? { optimizer: before.optimizer }
      : {}),
  };
}

const isAlike = (a: Stretch, b: Stretch): boolean =>
  a.batchSize === b.batchSize && a.microBatchSize === b.microBatchSize && a.workers === b.workers;

const trainedElsewhere = (
  { timed: _timed, memory: _memory, ...rest }: Stretch,
  machine: string,
): Stretch => ({ machine, ...rest });

function joined(a: Stretch, b: Stretch): Stretch {
  const timed =
    a.timed === undefined || b.timed === undefined ? (b.timed ?? a.timed) : joinedTimes(a.timed, b.timed);
  const norms =
    a.norms === undefined || b.norms === undefined ? (b.norms ?? a.norms) : joinedNorms(a.norms, b.norms);
  const memory = (a.memory?.peakBytes ?? 0) > (b.memory?.peakBytes ?? 0) ? a.memory : b.memory;
  const { timed: _timed, norms: _norms, memory: _memory, ...layout } = b;
  return {
    ...layout,
    steps: a.steps + b.steps,
    examples: a.examples + b.examples,
    ...(timed === undefined ? {} : { timed }),
    ...(norms === undefined ? {} : { norms }),
    ...(memory === undefined ? {} : { memory }),
  };
}

type Timed = NonNullable<Stretch["timed"]>;

const joinedTimes = (a: Timed, b: Timed): Timed => ({
  stepSeconds: mean(a.stepSeconds, a.steps, b.stepSeconds, b.steps),
  steps: a.steps + b.steps,
});

/** What is no number says nothing of the others. Norms of other sizes cannot be added up: those that count for more are kept. */
function joinedNorms(a: GradientNorms, b: GradientNorms): GradientNorms {
  if (!areNumbers(a)) return b;
  if (!areNumbers(b)) return a;
  const { weight: newer = b.steps } = b;
  // As if the one who measured b had gone on from a.
  const older = (a.weight ?? a.steps) * (b.weight === undefined ? 1 : keptByStep ** b.steps);
  if (a.small.examples !== b.small.examples || a.large.examples !== b.large.examples)
    return older > newer ? a : b;
  const of = (which: "small" | "large") => ({
    examples: b[which].examples,
    squaredNorm: mean(a[which].squaredNorm, older, b[which].squaredNorm, newer),
  });
  const isPlain = a.weight === undefined && b.weight === undefined;
  return {
    small: of("small"),
    large: of("large"),
    steps: a.steps + b.steps,
    ...(isPlain ? {} : { weight: older + newer }),
  };
}

const areNumbers = ({ small, large }: GradientNorms): boolean =>
  typeof small.squaredNorm === "number" && typeof large.squaredNorm === "number";

/** A word is no number, and makes none of what it is added to. */
function mean(a: MetricValue, weightA: number, b: MetricValue, weightB: number): MetricValue {
  if (typeof a !== "number") return a;
  if (typeof b !== "number") return b;
  // Weights first: the largest numbers too have a mean.
  const share = weightB / (weightA + weightB);
  return a * (1 - share) + b * share;
}
