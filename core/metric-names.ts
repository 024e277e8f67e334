/**
 * What a stack's runs are counted by in CloudWatch: plain names, which the functions write and the dashboard reads. Every
 * metric has the dimension `Stack`; where the stack counts each run too, there is a second one with `Stack` and `Run`.
 */
export const metricNamespace = "Pawl";

export const metricDimensions = {
  /** The stack's own name for things, as its queues' names begin. */
  stack: "Stack",
  run: "Run",
} as const;

export const metricNames = {
  /** Epochs committed. */
  epochs: "Epochs",
  /** The loss that an epoch reported. */
  loss: "Loss",
  examplesPerSecond: "ExamplesPerSecond",
  /** Seconds of training that were lost, and will be done again. */
  lostSeconds: "LostSeconds",
  /** Attempts that take the place of one that failed. */
  recoveries: "Recoveries",
  /** USD that an attempt's instance has cost. */
  costUsd: "CostUsd",
  /** Runs that gave up. */
  failures: "Failures",
} as const;
