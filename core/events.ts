import * as z from "zod";
import { Origin } from "./checkpoint-source.ts";
import { FailureClass } from "./failure.ts";
import { Instance, Price } from "./instance.ts";
import { TrainingJob, type TrainingJobInput } from "./job.ts";
import { CheckpointSummary } from "./manifest.ts";
import { Measured } from "./measured.ts";
import { CheckpointName, Moment, Name, Ordinal } from "./names.ts";
import { Outcome } from "./outcome.ts";
import { Step } from "./position.ts";
import { EpochReport } from "./report.ts";
import { Driver } from "./run-state.ts";
import { SaveTimes } from "./saving.ts";
import { diagnosed } from "./sign.ts";
import { JobSource } from "./source.ts";
import { StopIntent } from "./stop.ts";

/** A job as it was given, known to be valid. */
export const JobInput = z.custom<TrainingJobInput>((value) => TrainingJob.safeParse(value).success, {
  error: "is not a valid job",
});

const BatchJobId = z.string().min(1).max(200);

const fromAttempt = { run: Name, attempt: Ordinal, batchJobId: BatchJobId };

/** The attempt claims its assignment. */
const started = { ...fromAttempt, type: z.literal("started"), instance: Instance.optional() };

/** The same as the attempt sends it. */
const SentStartedEvent = z.strictObject(started);

/** The same as it is decided upon: with what the instance costs, looked up by Review itself. */
export const StartedEvent = z.strictObject({ ...started, price: Price.optional() });
export type StartedEvent = z.infer<typeof StartedEvent>;

/** An epoch is trained; its checkpoint may still be on its way. */
export const ReportEvent = z.strictObject({ ...fromAttempt, type: z.literal("report"), report: EpochReport });
export type ReportEvent = z.infer<typeof ReportEvent>;

/** What was measured of an epoch up to a step: the rest of it may be trained otherwise. Sent again, it holds all that was sent before. */
export const MeasuredEvent = z.strictObject({
  ...fromAttempt,
  type: z.literal("measured"),
  epoch: Ordinal,
  step: Step,
  measured: Measured,
});
export type MeasuredEvent = z.infer<typeof MeasuredEvent>;

const commit = {
  ...fromAttempt,
  type: z.literal("commit"),
  /** The last epoch that counts with this, as a whole or up to `step`; all before it count too. */
  epoch: Ordinal,
  /** Where the checkpoint was taken in the middle of `epoch`: so many steps of it count, and all epochs before it. */
  step: Step.optional(),
  /** What the save took; absent where nothing is saved. */
  took: SaveTimes.optional(),
  /** Dropped checkpoints that the attempt has removed. */
  removed: z.array(CheckpointName),
};

/** A checkpoint is complete; `null` for trainers that keep nothing. As the attempt sends it: by name. */
const SentCommitEvent = z.strictObject({ ...commit, checkpoint: CheckpointName.nullable() });

/** The same as it is decided upon: with what the manifest says, read by Review itself. */
export const CommitEvent = z.strictObject({
  ...commit,
  checkpoint: CheckpointSummary.nullable(),
  /** The checkpoint that was named, where it has no manifest: it is not complete. */
  incomplete: CheckpointName.optional(),
});
export type CommitEvent = z.infer<typeof CommitEvent>;

/** The attempt's last word. */
export const EndedEvent = z.strictObject({
  ...fromAttempt,
  type: z.literal("ended"),
  outcome: Outcome,
  removed: z.array(CheckpointName),
});
export type EndedEvent = z.infer<typeof EndedEvent>;

/** What an attempt sends to Review. Each is answered once; a repeated one gets the same answer. */
export const SentEvent = z.discriminatedUnion("type", [
  SentStartedEvent,
  ReportEvent,
  MeasuredEvent,
  SentCommitEvent,
  EndedEvent,
]);
export type SentEvent = z.infer<typeof SentEvent>;

/** What an attempt that ended (or ends) left behind, as outcome.json, Batch and the store show it. */
export const Evidence = z.strictObject({
  attempt: Ordinal,
  /** Whether nothing of it runs any more. */
  gone: z.boolean(),
  /** Complete checkpoints that were not committed, in order of their epochs. */
  found: z.array(CheckpointSummary),
  /** Checkpoints that it began and never completed. */
  unfinished: z.array(CheckpointName).max(200).optional(),
  class: FailureClass,
  message: z.string().max(2000),
  ...diagnosed,
  /** The Batch job that holds the assignment, where the one that ended was a duplicate. */
  winner: BatchJobId.optional(),
  /** The checkpoint that could not be restored. */
  damaged: CheckpointName.optional(),
  /** When it stopped, where that is known. */
  stoppedAt: Moment.optional(),
});
export type Evidence = z.infer<typeof Evidence>;

/** In [0, 1); drawn by the caller and journalled, so that the decision can be replayed. */
const Random = z.number().min(0).lt(1);

/** Whether the driver that the journal names is alive, and who that is, in words. */
const Holder = z.strictObject({ alive: z.boolean(), who: z.string() });

export const OpenEvent = z.strictObject({
  type: z.literal("open"),
  run: Name,
  driver: Driver,
  /** The job as given now; absent when a run is resumed by its name. */
  job: JobInput.optional(),
  source: JobSource.optional(),
  /** What the job's `checkpoint.from` was found to be, while nothing is committed. */
  origin: Origin.optional(),
  /** Whether a job that differs from the run's is accepted. */
  acceptChanges: z.boolean(),
  /** Whether a run whose every checkpoint is damaged is to begin again. */
  startAgain: z.boolean().optional(),
  holder: Holder,
  /** On each live attempt. */
  evidence: z.array(Evidence),
  random: Random,
});
export type OpenEvent = z.infer<typeof OpenEvent>;

const fromTrain = { run: Name, generation: Ordinal, attempt: Ordinal, evidence: Evidence, random: Random };

/** Train succeeded, as the state machine saw it. */
export const TrainedEvent = z.strictObject({ ...fromTrain, type: z.literal("trained") });
export type TrainedEvent = z.infer<typeof TrainedEvent>;

/** Train failed, as the state machine saw it. */
export const FailedEvent = z.strictObject({ ...fromTrain, type: z.literal("failed") });
export type FailedEvent = z.infer<typeof FailedEvent>;

/** Somebody asks that the run stop, or whether it has by now. */
export const StopEvent = z.strictObject({
  type: z.literal("stop"),
  run: Name,
  id: StopIntent.shape.id,
  by: StopIntent.shape.by,
  holder: Holder,
});
export type StopEvent = z.infer<typeof StopEvent>;

/** Sweep found that the run's driver may be gone: nothing else would run for it any more. */
export const SweepEvent = z.strictObject({
  type: z.literal("sweep"),
  run: Name,
  holder: Holder,
  /** How the execution ended, where that is known: its status, and its error and cause. */
  ending: z
    .strictObject({ status: z.string().max(50), error: z.string().max(256), cause: z.string().max(1000) })
    .optional(),
  /** On each live attempt; those that still ran have been asked to end. */
  evidence: z.array(Evidence),
});
export type SweepEvent = z.infer<typeof SweepEvent>;

/** Everything that a journal entry can have been decided from. */
export const RunEvent = z.discriminatedUnion("type", [
  OpenEvent,
  StartedEvent,
  ReportEvent,
  MeasuredEvent,
  CommitEvent,
  EndedEvent,
  TrainedEvent,
  FailedEvent,
  StopEvent,
  SweepEvent,
]);
export type RunEvent = z.infer<typeof RunEvent>;

/** The reports of epochs that an event brings, in the order of their epochs for each attempt. */
export function reportsIn(event: RunEvent): readonly EpochReport[] {
  if (event.type === "report") return [event.report];
  if (event.type === "commit") return event.checkpoint?.reports ?? [];
  if (!("evidence" in event)) return [];
  return [event.evidence].flat().flatMap(({ found }) => found.flatMap(({ reports }) => reports));
}
