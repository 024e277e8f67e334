import type {
  CommitEvent,
  EndedEvent,
  Evidence,
  FailedEvent,
  MeasuredEvent,
  OpenEvent,
  ReportEvent,
  StartedEvent,
  StopEvent,
  SweepEvent,
  TrainedEvent,
} from "../events.ts";
import type { FailureClass } from "../failure.ts";
import type { TrainingJobInput } from "../job.ts";
import { checkpointName } from "../keys.ts";
import type { CheckpointSummary } from "../manifest.ts";
import type { Measured, Stretch } from "../measured.ts";
import type { MetricValue } from "../metric-value.ts";
import type { Outcome } from "../outcome.ts";
import type { EpochReport } from "../report.ts";

/** Events as the world sends them, with what a test does not care about filled in. */

export const run = "digits-1";

/** The moment `seconds` after the beginning of every test's time. */
export const moment = (seconds: number): string =>
  new Date(Date.UTC(2026, 0, 1) + Math.round(seconds * 1000)).toISOString();

export const aJob = (more: Partial<TrainingJobInput> = {}): TrainingJobInput => ({
  name: "digits",
  command: ["python3", "train.py"],
  epochs: 5,
  ...more,
});

const batchJobOf = (attempt: number): string => `batch-${attempt}`;

export const opens = (driver: string, more: Partial<OpenEvent> = {}): OpenEvent => ({
  type: "open",
  run,
  driver: { id: `arn:${driver}`, execution: driver },
  acceptChanges: false,
  holder: { alive: false, who: "nobody" },
  evidence: [],
  random: 0,
  ...more,
});

export const stops = (id: string, more: Partial<StopEvent> = {}): StopEvent => ({
  type: "stop",
  run,
  id,
  by: "alice@laptop",
  holder: { alive: true, who: "somebody" },
  ...more,
});

export const sweeps = (more: Partial<SweepEvent> = {}): SweepEvent => ({
  type: "sweep",
  run,
  holder: { alive: false, who: "nobody" },
  evidence: [],
  ...more,
});

export const started = (attempt: number, batchJobId = batchJobOf(attempt)): StartedEvent => ({
  type: "started",
  run,
  attempt,
  batchJobId,
});

export const aReport = (epoch: number, metrics: Record<string, MetricValue> = {}): EpochReport => ({
  epoch,
  metrics,
  examples: 100,
  seconds: 10,
});

export const reported = (
  attempt: number,
  report: EpochReport,
  batchJobId = batchJobOf(attempt),
): ReportEvent => ({
  type: "report",
  run,
  attempt,
  batchJobId,
  report,
});

/** So many steps at a batch size, of a model whose gradients have a noise scale of 4000 examples: larger batches pay for long. */
export const aStretch = (
  batchSize: number,
  steps: number,
  more: Partial<Omit<Stretch, "batchSize" | "steps">> = {},
): Stretch => {
  const squaredNorm = (examples: number) => 1 + 4000 / examples;
  const half = Math.max(1, batchSize / 2);
  return {
    batchSize,
    microBatchSize: batchSize,
    workers: 1,
    steps,
    examples: steps * batchSize,
    timed: { stepSeconds: 0.01 + 0.0001 * batchSize, steps },
    norms: {
      small: { examples: half, squaredNorm: squaredNorm(half) },
      large: { examples: 2 * half, squaredNorm: squaredNorm(2 * half) },
      steps,
    },
    ...more,
  };
};

export const measuredOf = (stretches: readonly Stretch[], more: Partial<Measured> = {}): Measured => ({
  stretches: [...stretches],
  optimizer: "SGD",
  resizes: true,
  ...more,
});

/** What was measured of all that is trained of an epoch. */
export const measures = (
  attempt: number,
  epoch: number,
  stretches: readonly Stretch[],
  more: Partial<Measured> = {},
): MeasuredEvent => ({
  type: "measured",
  run,
  attempt,
  batchJobId: batchJobOf(attempt),
  epoch,
  step: stretches.reduce((sum, { steps }) => sum + steps, 0),
  measured: measuredOf(stretches, more),
});

export const aCheckpoint = (
  attempt: number,
  reports: readonly EpochReport[],
  refersTo: readonly string[] = [],
): CheckpointSummary => {
  const epoch = reports.at(-1)?.epoch ?? 1;
  return {
    name: checkpointName(epoch, attempt),
    attempt,
    epoch,
    at: moment(epoch * 10),
    files: 2,
    sizeBytes: 1000,
    refersTo: [...refersTo],
    reports: [...reports],
  };
};

/** A checkpoint from the middle of `epoch`, of so many steps of a second each, and of the reports of epochs before it. */
export const aPart = (
  attempt: number,
  epoch: number,
  step: number,
  reports: readonly EpochReport[] = [],
): CheckpointSummary => ({
  ...aCheckpoint(attempt, reports),
  name: checkpointName(epoch, attempt, step),
  epoch,
  step,
  seconds: step,
  at: moment(epoch * 10 + step),
});

export const commits = (
  checkpoint: CheckpointSummary,
  removed: readonly string[] = [],
  batchJobId = batchJobOf(checkpoint.attempt),
): CommitEvent => ({
  type: "commit",
  run,
  attempt: checkpoint.attempt,
  batchJobId,
  epoch: checkpoint.epoch,
  ...(checkpoint.step === undefined ? {} : { step: checkpoint.step }),
  checkpoint,
  removed: [...removed],
});

export const anOutcome = (
  attempt: number,
  result: Outcome["result"],
  more: Partial<Outcome> = {},
): Outcome => ({
  version: 1,
  run,
  attempt,
  batchJobId: batchJobOf(attempt),
  result,
  message: `it ended with ${result}`,
  logTail: [],
  startedAt: moment(0),
  endedAt: moment(1),
  ...more,
});

export const ended = (outcome: Outcome, removed: readonly string[] = []): EndedEvent => ({
  type: "ended",
  run,
  attempt: outcome.attempt,
  batchJobId: outcome.batchJobId,
  outcome,
  removed: [...removed],
});

export const evidenceOn = (
  attempt: number,
  failure: FailureClass,
  more: Partial<Evidence> = {},
): Evidence => ({
  attempt,
  gone: true,
  found: [],
  class: failure,
  message: `it ended as ${failure}`,
  ...more,
});

interface FromTrain {
  readonly generation?: number;
  readonly random?: number;
  readonly evidence?: Partial<Evidence>;
}

const fromTrain = (attempt: number, failure: FailureClass, more: FromTrain) => ({
  run,
  generation: more.generation ?? 1,
  attempt,
  evidence: evidenceOn(attempt, failure, more.evidence),
  random: more.random ?? 0,
});

export const trained = (attempt: number, more: FromTrain = {}): TrainedEvent => ({
  type: "trained",
  ...fromTrain(attempt, "unknown", more),
});

export const failed = (attempt: number, failure: FailureClass, more: FromTrain = {}): FailedEvent => ({
  type: "failed",
  ...fromTrain(attempt, failure, more),
});
