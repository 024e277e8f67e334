import type { WrongField } from "./case.ts";

/** Of the fields that say what happens when something fails, and when a checkpoint is taken. */
export const wrongPolicies: readonly WrongField[] = [
  {
    what: "a checkpoint now and then",
    more: { checkpoint: "{every: sometimes}" },
    says: ["checkpoint.every must be auto, or epoch, or a duration", "{steps: …}", '"sometimes"'],
  },
  {
    what: "a checkpoint all the time",
    more: { checkpoint: "{every: 0s}" },
    says: ["checkpoint.every must be more than 0s and at most 7d", '"0s"'],
  },
  {
    what: "a checkpoint every 500 of what",
    more: { checkpoint: "{every: 500}" },
    says: ["checkpoint.every must be auto, or epoch, or a duration", "{steps: …}; it is 500"],
  },
  {
    what: "a checkpoint every no step",
    more: { checkpoint: "{every: {steps: 0}}" },
    says: ["checkpoint.every.steps must be at least 1; it is 0"],
  },
  {
    what: "a checkpoint every five epochs",
    more: { checkpoint: "{every: {epochs: 5}}" },
    says: ["checkpoint.every.epochs is not a known field; known here: steps"],
  },
  {
    what: "a budget for a class that nobody knows",
    more: { retry: "{budgets: {bad-luck: 3}}" },
    says: ["retry.budgets.bad-luck is not a known field; known here: user-exception", "spot-reclaim"],
  },
  {
    what: "a budget for a misspelt class",
    more: { retry: "{budgets: {gpu-ooms: 3}}" },
    says: ["retry.budgets.gpu-ooms is not a known field; did you mean gpu-oom?"],
  },
  {
    what: "a budget of nothing",
    more: { retry: "{budgets: {gpu-oom: 0}}" },
    says: ["retry.budgets.gpu-oom must be at least 1; it is 0"],
  },
  {
    what: "one budget for all classes",
    more: { retry: "{budgets: 3}" },
    says: ["retry.budgets must be fields such as {user-exception: …", "it is 3"],
  },
  {
    what: "memory that is a size",
    more: { memory: "14GiB" },
    says: ["memory must be fields such as {onOutOfMemory: …, smallestMicroBatch: …}", '"14GiB"'],
  },
  {
    what: "a remedy for memory that there is not",
    more: { memory: "{onOutOfMemory: retry}" },
    says: ["memory.onOutOfMemory must be one of shrink, give-up", '"retry"'],
  },
  {
    what: "a smallest micro-batch of nothing",
    more: { batchSize: "8", memory: "{smallestMicroBatch: 0}" },
    says: ["memory.smallestMicroBatch must be at least 1; it is 0"],
  },
  {
    what: "a smallest micro-batch without a batch size",
    more: { memory: "{smallestMicroBatch: 4}" },
    says: ["memory.smallestMicroBatch is a part of the batch size: give batchSize too"],
  },
  {
    what: "a misspelt remedy for NaN",
    more: { numeric: "{after: rollback}" },
    says: ["numeric.after must be one of roll-back, give-up, ignore (did you mean roll-back?)"],
  },
  {
    what: "one metric that must be finite, without its list",
    more: { numeric: "{metrics: loss}" },
    says: ["numeric.metrics must be a list such as [loss]"],
  },
  {
    what: "a checkpoint before the first",
    more: { numeric: "{back: -1}" },
    says: ["numeric.back must be at least 0; it is -1"],
  },
  {
    what: "a learning rate that grows",
    more: { numeric: "{learningRateFactor: 2}" },
    says: ["numeric.learningRateFactor must be at most 1; it is 2"],
  },
  {
    what: "a learning rate of nothing",
    more: { numeric: "{learningRateFactor: 0}" },
    says: ["numeric.learningRateFactor must be more than 0; it is 0"],
  },
  {
    what: "going back no time",
    more: { numeric: "{times: 0}" },
    says: ["numeric.times must be at least 1; it is 0"],
  },
  {
    what: "a stall that is a duration",
    more: { stall: "5min" },
    says: ["stall must be fields such as {limit: …, start: …}", '"5min"'],
  },
  {
    what: "a stall that never comes",
    more: { stall: "{limit: never}" },
    says: ["stall.limit must be auto, or none, or a duration such as 30s, 5min or 2h", '"never"'],
  },
  {
    what: "a stall after no time",
    more: { stall: "{limit: 10ms}" },
    says: ["stall.limit must be at least 1s and at most 7d", '"10ms"'],
  },
  {
    what: "a start that is learned",
    more: { stall: "{start: auto}" },
    says: ["stall.start must be none, or a duration", '"auto"'],
  },
  {
    what: "a market that there is not",
    more: { compute: "{market: reserved}" },
    says: ["compute.market must be one of spot-first, spot, on-demand", '"reserved"'],
  },
  {
    what: "a misspelt market",
    more: { compute: "{market: ondemand}" },
    says: ["compute.market must be one of", "did you mean on-demand?"],
  },
  {
    what: "a start within a minute",
    more: { compute: "{startWithin: 1min}" },
    says: ["compute.startWithin must be from 10min to 7d", '"1min"'],
  },
];
