import * as z from "zod";
import { ReviewAnswer } from "./answers.ts";
import { BatchProgress } from "./batch-progress.ts";
import { Origin } from "./checkpoint-source.ts";
import { Cost } from "./cost.ts";
import { FailureClass, failureClasses, recoveryActions } from "./failure.ts";
import { Instance, Price } from "./instance.ts";
import { markets } from "./market.ts";
import { CheckpointName, Digest, Moment, Name, Ordinal } from "./names.ts";
import { Next } from "./next.ts";
import { SaveCost } from "./policies/checkpoint-interval.ts";
import { MemoryLearnt } from "./policies/memory.ts";
import { Step } from "./position.ts";
import { EpochPlan, EpochReport } from "./report.ts";
import { diagnosed } from "./sign.ts";
import { StopIntent } from "./stop.ts";

/** Who drives a run: one execution of the state machine. Its `id` tells the liveness port whom to ask. */
export const Driver = z.strictObject({
  id: z.string().min(1).max(500),
  /** The execution's own name; a hand-over names its successor by it. */
  execution: z.string().min(1).max(80),
});
export type Driver = z.infer<typeof Driver>;

/** How a step is trained, without what a remedy did to the learning rate. */
const Rate = z.strictObject({
  size: z.int().min(1),
  learningRateScale: z.number().positive(),
  /** What is left of the warm-up that it is in. */
  warmUp: EpochPlan.shape.warmUp,
});

/** What the committed epochs add up to; kept with each checkpoint too, so that a run can go back to it. */
export const Progress = z.strictObject({
  /** The last epoch that is in; 0 before the first. */
  epoch: z.int().min(0),
  examples: z.int().min(0),
  trainedSeconds: z.number().min(0),
  /** The best value of `stop.metric`, and the epoch that had it. */
  stopBest: z.strictObject({ epoch: Ordinal, value: z.number() }).optional(),
  /** What is in of the epoch after `epoch`: so many steps, trained in so many seconds, which `trainedSeconds` has not. */
  partial: z
    .strictObject({
      step: Step,
      seconds: z.number().min(0),
      /** How it is trained. */
      batch: Rate.optional(),
    })
    .optional(),
  /** What was learnt of the batch size; absent where nothing was measured. */
  batch: BatchProgress.optional(),
  /** How the last step of `epoch` was trained, where the job has a warm-up: the next one goes on from there. */
  rate: Rate.optional(),
});
export type Progress = z.infer<typeof Progress>;

export const KeptCheckpoint = z.strictObject({
  name: CheckpointName,
  epoch: Ordinal,
  /** Where it was taken in the middle of `epoch`: after so many steps. */
  step: Step.optional(),
  files: z.int().min(0),
  sizeBytes: z.int().min(0),
  refersTo: z.array(CheckpointName),
  /** The value of `checkpoint.best.metric` at its epoch. */
  bestValue: z.number().optional(),
  progress: Progress,
});
export type KeptCheckpoint = z.infer<typeof KeptCheckpoint>;

/** More epochs than this are never left uncommitted: it bounds the state. */
export const maxPending = 100;

/** An attempt that may change the run. Its number is the fence: what is not in the list of live ones is refused. */
export const LiveAttempt = z.strictObject({
  number: Ordinal,
  /** Which of how many workers trains which shard; one of one today. */
  worker: z.strictObject({ index: z.int().min(0), count: z.int().min(1) }),
  shard: z.strictObject({ index: z.int().min(0), count: z.int().min(1) }),
  /** The checkpoint to restore; absent where training begins (or keeps nothing). */
  restore: CheckpointName.optional(),
  /** The last epoch of its segment. */
  lastEpoch: Ordinal,
  firstPlan: EpochPlan,
  market: z.enum(markets).optional(),
  /** What it runs on, and what that costs; absent on a machine of one's own. */
  instance: Instance.optional(),
  price: Price.optional(),
  /** The Batch job that claimed it. */
  batchJobId: z.string().min(1).max(200).optional(),
  submittedAt: Moment,
  /** When it claimed its assignment. */
  claimedAt: Moment.optional(),
  /** Up to when its training is committed: from its claim on; what came after is lost when it fails now. */
  safeAt: Moment.optional(),
  lastSeenAt: Moment,
  /** Epochs reported and not yet committed, in order, and when. */
  pending: z
    .array(
      z.strictObject({
        report: EpochReport,
        at: Moment,
        /** Of its last step, as in `Progress`. */
        rate: Progress.shape.rate,
      }),
    )
    .max(maxPending),
  /** The first growth of the batch size in the epoch that it trains: what is to blame where that diverges. */
  grown: z
    .strictObject({
      epoch: Ordinal,
      step: z.int().min(0),
      from: z.int().min(1),
      to: z.int().min(1),
      /** Trained before it, in all. */
      examples: z.int().min(0),
    })
    .optional(),
  /** Answers given, by the event they answer, so that an event repeated gets the same one. */
  answers: z.strictObject({
    started: ReviewAnswer.optional(),
    report: ReviewAnswer.optional(),
    measured: z.strictObject({ epoch: Ordinal, step: Step, answer: ReviewAnswer }).optional(),
    commit: z.strictObject({ epoch: Ordinal, step: Step.optional(), answer: ReviewAnswer }).optional(),
    ended: ReviewAnswer.optional(),
  }),
});
export type LiveAttempt = z.infer<typeof LiveAttempt>;

/** What the attempt was told last of the epoch that it trains. */
export function planInForce({ answers, firstPlan }: Pick<LiveAttempt, "answers" | "firstPlan">): EpochPlan {
  const begun = answers.report?.action === "train" ? answers.report.plan : firstPlan;
  const { answer } = answers.measured ?? {};
  return answer?.action === "train" && answer.plan.epoch >= begun.epoch ? answer.plan : begun;
}

/** How many committed epochs the state holds in detail. */
export const recentEpochs = 10;

export const CommittedEpoch = z.strictObject({
  report: EpochReport,
  attempt: Ordinal,
  checkpoint: CheckpointName.nullable(),
});
export type CommittedEpoch = z.infer<typeof CommittedEpoch>;

/** So many of the newest failures the state keeps; the journal has all. */
export const keptFailures = 5;

/** Signs of a failure that the state keeps. */
export const keptSigns = 2;

const FailureRecord = z.strictObject({
  attempt: Ordinal,
  class: FailureClass,
  message: z.string(),
  lostSeconds: z.number().min(0),
  at: Moment,
  ...diagnosed,
  /** The epoch that it was in, and the driver's generation. */
  epoch: Ordinal.optional(),
  generation: Ordinal.optional(),
  /** What followed. */
  action: z.enum(recoveryActions).optional(),
});

/** How long attempts have lived on a market, and how many ended for a reason of the machine's: what says how often to save. */
const Exposure = z.strictObject({ seconds: z.number().min(0), failures: z.int().min(0) });
export type Exposure = z.infer<typeof Exposure>;

/** A run's state after a journal entry. Bounded: its size does not grow with the number of epochs. */
export const RunState = z.strictObject({
  version: z.literal(1),
  run: Name,
  /** The journal entry that holds this state. */
  sequence: Ordinal,
  status: z.enum(["training", "waiting", "stopped", "finished", "failed", "interrupted"]),
  /** The job in force: its digest, and the journal entry that holds it. */
  job: z.strictObject({ digest: Digest, sequence: Ordinal }),
  startedAt: Moment,
  /** What training begins from, where the job says so; of no interest once an epoch is committed. */
  origin: Origin.optional(),
  /** Counts drivers. */
  generation: Ordinal,
  driver: Driver,
  /** The execution that a hand-over lets in while this driver still ends. */
  successor: z.string().max(80).optional(),
  /**
   * The intent in force that it stop: attempts that live are to end with what they have, and no other begins. Kept while
   * the run is stopped; gone when somebody starts it again, and where it has finished or failed before it could stop.
   */
  stop: StopIntent.optional(),
  /** The newest intents that were decided on: asked again after the run went on, they change nothing. */
  pastStops: z.array(StopIntent.shape.id).max(5).optional(),
  /** Answers given to this driver: what the hand-over counts. */
  turns: z.int().min(0),
  /** The answer in force for the state machine. */
  next: Next,
  progress: Progress,
  /** The newest committed epochs, oldest first. */
  recent: z.array(CommittedEpoch).max(recentEpochs),
  /** Oldest first. */
  kept: z.array(KeptCheckpoint),
  /** Checkpoints that retention dropped and nobody has said to be removed yet. */
  dropped: z.array(CheckpointName).max(200),
  live: z.array(LiveAttempt),
  nextAttempt: Ordinal,
  failures: z.strictObject({
    /** Counted ones since the last committed epoch. */
    withoutProgress: z.int().min(0),
    /** All since then, by their class. */
    byClass: z.partialRecord(z.enum(failureClasses), z.int().min(1)).optional(),
    total: z.int().min(0),
    recent: z.array(FailureRecord).max(keptFailures),
  }),
  /** Failures after which another attempt went on. */
  recoveries: z.int().min(0),
  /** What saves have cost. */
  saveCost: SaveCost.optional(),
  exposure: z.partialRecord(z.enum(["spot", "on-demand", "local"]), Exposure).optional(),
  /** On which market it is, since when, and how often it has fallen back to on-demand in a row. */
  market: z.strictObject({ now: z.enum(markets), since: Moment, falls: z.int().min(0) }).optional(),
  /** What is known of memory, by the type of machine. */
  memory: MemoryLearnt.optional(),
  /** In journals of earlier versions, which knew of no types of machines: what did not fit is found out again. */
  microBatchLimit: z.int().min(1).optional(),
  /** The last epoch whose loss was no number, how often it or an earlier one was, and what the learning rate is multiplied with. */
  numeric: z
    .strictObject({ epoch: Ordinal, times: z.int().min(0), learningRateFactor: z.number().gt(0).max(1) })
    .optional(),
  lostSeconds: z.number().min(0),
  cost: Cost.optional(),
  /** Why the run ended, in words. */
  ending: z.string().optional(),
});
export type RunState = z.infer<typeof RunState>;
