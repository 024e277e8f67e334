import * as z from "zod";

/** How the learning rate follows the batch size. */
export const scalings = ["none", "linear", "sqrt", "adascale", "auto"] as const;
export type Scaling = (typeof scalings)[number];

export const LearningRatePolicy = z.strictObject({
  scaling: z
    .enum(scalings)
    .optional()
    .describe(
      "How the learning rate follows from batch size / referenceBatchSize; auto: as the optimizer wants it. Absent: auto where Pawl chooses the batch size by what it measures, else none.",
    ),
  referenceBatchSize: z
    .int()
    .min(1)
    .optional()
    .describe("The batch size that the learning rate was tuned for, in examples; absent: the first one."),
  warmUp: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Steps over which the learning rate goes to its new value after a change."),
});

export type LearningRatePolicy = z.output<typeof LearningRatePolicy>;

/** What a rule may look at. */
export interface LearningRateSeen {
  readonly batchSize: number | undefined;
  /** What the learning rate is tuned for. */
  readonly referenceBatchSize: number | undefined;
  /** In examples, where it is known. */
  readonly noiseScale: number | undefined;
  /** Its name, where the trainer says it. */
  readonly optimizer: string | undefined;
}

/** By what to multiply, and the rule that says so in words: `adascale`, `sqrt for AdamW`. */
export interface Scaled {
  readonly scale: number;
  readonly rule: string;
}

interface Ratio {
  readonly batchSize: number;
  readonly reference: number;
  readonly noiseScale: number | undefined;
}

const root = ({ batchSize, reference }: Ratio): number => Math.sqrt(batchSize / reference);

/**
 * B times the examples in a step, B times the rate, so that an example moves the weights as far as before (Goyal et al., arXiv
 * 1706.02677; measured for SGD with momentum, with a warm-up, up to the batch size where it breaks).
 */
const linear = ({ batchSize, reference }: Ratio): Scaled => ({
  scale: batchSize / reference,
  rule: "linear",
});

/**
 * √(B/B₀) keeps the variance of an update (Krizhevsky, arXiv 1404.5997); for Adam and RMSProp it follows from their stochastic
 * differential equation (Malladi et al., arXiv 2205.10287), since they divide the gradient's size out.
 */
const sqrt = (ratio: Ratio): Scaled => ({ scale: root(ratio), rule: "sqrt" });

/**
 * AdaScale's gain (Johnson et al., ICML 2020, equation 4), (N/B₀ + 1) / (N/B + 1) with the noise scale N: from 1, where a larger
 * batch teaches no more, to B/B₀, where noise is all there is. Derived for SGD. Without a noise scale √(B/B₀), which lies between.
 */
function adascale(ratio: Ratio): Scaled {
  const { batchSize, reference, noiseScale } = ratio;
  if (noiseScale === undefined || !(noiseScale >= 0))
    return { scale: root(ratio), rule: "sqrt until the noise scale is known" };
  if (noiseScale === Number.POSITIVE_INFINITY) return linear(ratio);
  return { scale: (noiseScale / reference + 1) / (noiseScale / batchSize + 1), rule: "adascale" };
}

/** Optimizers whose step is the gradient times the rate, as frameworks call them: AdaScale is for these. */
const plainGradient = /^(sgd|asgd|momentum|nesterov)/i;

/** The optimizer's own rule. Where nobody says what it is, the smaller of what is valid for one kind or another. */
function byOptimizer(ratio: Ratio, optimizer: string | undefined): Scaled {
  const isPlain = optimizer !== undefined && plainGradient.test(optimizer);
  const { scale, rule } = isPlain ? adascale(ratio) : sqrt(ratio);
  return { scale, rule: optimizer === undefined ? rule : `${rule} for ${optimizer}` };
}

const rules: Record<Exclude<Scaling, "none">, (ratio: Ratio, optimizer: string | undefined) => Scaled> = {
  linear,
  sqrt,
  adascale,
  auto: byOptimizer,
};

/** What to multiply the trainer's learning rate with; 1 at the reference, and where the batch size or the reference is not ours. */
export function learningRateScale(
  scaling: Scaling,
  { batchSize, referenceBatchSize: reference, noiseScale, optimizer }: LearningRateSeen,
): Scaled {
  if (scaling === "none" || reference === undefined || batchSize === undefined)
    return { scale: 1, rule: "none" };
  return rules[scaling]({ batchSize, reference, noiseScale }, optimizer);
}
