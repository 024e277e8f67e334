/** A model, its data and a machine, as others measured and published them. */
export interface Curve {
  readonly name: string;
  /** Where the numbers are from. */
  readonly source: string;
  /** Examples in a step, all at once, and what it took in seconds; ascending. */
  readonly steps: readonly (readonly [examples: number, seconds: number])[];
  /** Examples in an epoch. */
  readonly epochExamples: number;
  readonly epochs: number;
  /** The batch size that progress is counted in: so many of its steps are the whole training. */
  readonly reference: number;
  /** The noise scale in examples, by the share of the training that is done; ascending. */
  readonly noise: readonly (readonly [share: number, examples: number])[];
  /** The share of what is evaluated that is wrong, likewise: the metric that stalls. */
  readonly error: readonly (readonly [share: number, wrong: number])[];
  /** What every strategy that chooses begins with, and how far it may go. */
  readonly start: number;
  readonly largest: number;
}

/** Jayaram Subramanya et al., Sia, SOSP 2023: their profiles of single GPUs, with mixed models of GPU (`v100`, and `dgx`, an A100). */
const sia = (file: string) =>
  `Sia (SOSP 2023), github.com/siasosp23/artifacts, adaptdl/adaptdl/adaptdl/torch/seed/${file}`;

/** ResNet-50 on ImageNet, PyTorch. */
const imagenet = {
  epochExamples: 1_281_167,
  epochs: 90,
  reference: 200,
  /**
   * Pollux (Qiao et al., OSDI 2021), github.com/petuum/adaptdl, branch osdi21-artifact, simulator/traces/imagenet/validation-200.csv:
   * 200 × grad_var / grad_sqr. It jumps where the learning rate falls, after 30 and 60 epochs.
   */
  noise: [
    [0, 930],
    [0.022, 2760],
    [0.044, 4260],
    [0.089, 5090],
    [0.178, 5790],
    [0.333, 6060],
    [0.344, 10_500],
    [0.389, 11_670],
    [0.5, 11_080],
    [0.667, 11_410],
    [0.678, 14_400],
    [0.833, 14_230],
    [1, 14_430],
  ],
  /** 1 − metric there: top-1 error. */
  error: [
    [0, 0.999],
    [0.011, 0.844],
    [0.022, 0.681],
    [0.044, 0.59],
    [0.1, 0.51],
    [0.2, 0.475],
    [0.333, 0.46],
    [0.344, 0.325],
    [0.389, 0.304],
    [0.667, 0.302],
    [0.678, 0.261],
    [0.75, 0.249],
    [1, 0.244],
  ],
  start: 32,
  largest: 4096,
} satisfies Partial<Curve>;

/** BERT, fine-tuned on SQuAD. */
const bert = {
  epochExamples: 88_644,
  epochs: 2,
  reference: 12,
  /**
   * simulator/traces/bert/validation-12.csv there: 12 × grad_var / grad_sqr at the ends of both epochs; what is before the first is
   * as much less than it as the second is more.
   */
  noise: [
    [0, 159],
    [0.5, 423],
    [1, 1124],
  ],
  /** 1 − metric there: F1. */
  error: [
    [0, 0.95],
    [0.5, 0.133],
    [1, 0.114],
  ],
  start: 8,
  largest: 512,
} satisfies Partial<Curve>;

export const curves: readonly Curve[] = [
  {
    ...imagenet,
    name: "ResNet-50, V100",
    source: sia("imagenet.csv"),
    steps: [
      [20, 0.1573],
      [28, 0.1551],
      [40, 0.1714],
      [57, 0.1811],
      [81, 0.2155],
      [115, 0.2476],
      [163, 0.3118],
      [231, 0.4151],
      [327, 0.5305],
      [462, 0.7151],
      [600, 0.8912],
    ],
  },
  {
    ...imagenet,
    name: "ResNet-50, A100",
    source: sia("imagenet.csv"),
    steps: [
      [20, 0.1517],
      [28, 0.1509],
      [40, 0.1566],
      [57, 0.1665],
      [81, 0.1798],
      [115, 0.2012],
      [163, 0.2438],
      [231, 0.2985],
      [327, 0.3687],
      [462, 0.4898],
      [653, 0.6423],
      [800, 0.7737],
    ],
  },
  {
    ...bert,
    name: "BERT, V100",
    source: sia("bert.csv"),
    steps: [
      [4, 0.1917],
      [6, 0.233],
      [8, 0.275],
      [11, 0.3302],
      [16, 0.4393],
      [23, 0.5847],
      [33, 0.7813],
      [36, 0.8657],
    ],
  },
  {
    ...bert,
    name: "BERT, A100",
    source: sia("bert.csv"),
    steps: [
      [4, 0.1486],
      [6, 0.15],
      [8, 0.1564],
      [11, 0.1631],
      [16, 0.1861],
      [23, 0.2199],
      [33, 0.269],
      [47, 0.3383],
      [48, 0.3418],
    ],
  },
];

/** The value at `x` of the line through `points`, straight between two of them, and as at the ends beyond. */
function along(points: readonly (readonly [number, number])[], x: number): number {
  const above = points.find(([at]) => at >= x) ?? points.at(-1);
  const below = points.findLast(([at]) => at <= x) ?? points[0];
  if (above === undefined || below === undefined) throw new RangeError("a curve has points");
  if (above[0] <= below[0]) return above[1];
  return below[1] + ((above[1] - below[1]) * (x - below[0])) / (above[0] - below[0]);
}

/** The most examples that go through the model at once: the most that was published fits, and more is not known to. */
export const mostAtOnce = ({ steps }: Curve): number => steps.at(-1)?.[0] ?? 1;

/**
 * What a step takes, in seconds: its micro-batches one after the other, each as long as a published step of its size, so that what
 * they share (the optimizer's own step) counts each time. A smaller one than was published takes as long as the smallest.
 */
export function secondsOf(curve: Curve, batchSize: number, microBatchSize: number): number {
  const micro = Math.min(microBatchSize, batchSize, mostAtOnce(curve));
  const whole = Math.floor(batchSize / micro);
  const rest = batchSize - whole * micro;
  return whole * along(curve.steps, micro) + (rest > 0 ? along(curve.steps, rest) : 0);
}

/** The error when that share of the training is done. */
export const errorAt = (curve: Curve, share: number): number => along(curve.error, share);

/** The noise scale when that share of the training is done, in examples. */
export const noiseAt = (curve: Curve, share: number): number => along(curve.noise, share);
