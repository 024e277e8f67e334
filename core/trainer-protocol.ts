import * as z from "zod";
import { Measured } from "./measured.ts";
import { Name, Ordinal } from "./names.ts";
import { DataPosition, Step } from "./position.ts";
import { EpochPlan, Metrics } from "./report.ts";

/**
 * What a trainer and its agent say to each other: newline-delimited JSON over the Unix socket named by `PAWL_SOCKET`,
 * one request at a time, one answer to each. `docs/trainer-protocol.md` describes it; the conformance suite holds both
 * helpers to it.
 */
export const protocolVersion = 1;

/** A line longer than this, in bytes, ends the conversation. */
export const maxLineBytes = 1_048_576;

/** What a trainer measures; the machine is the agent's to say. */
const MeasuredByTrainer = Measured.omit({ machine: true });

export const TrainerRequest = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("hello"),
    protocol: z.int().min(1),
    /** Name and version of the helper. */
    helper: z.string().min(1).max(100),
  }),
  /** Asks what to train next; ends the epoch before. */
  z.strictObject({ type: z.literal("next") }),
  /** Says how an epoch went; once for each epoch. */
  z.strictObject({
    type: z.literal("report"),
    epoch: Ordinal,
    metrics: Metrics,
    examples: z.int().min(0).optional(),
    seconds: z.number().min(0).optional(),
    /** What the helper measured in this epoch since it was handed out. */
    measured: MeasuredByTrainer.optional(),
  }),
  /**
   * Says that so many steps of this epoch are trained, those before a restored checkpoint among them, and asks whether to
   * save now. Sent when the last answer's `ask` says so, not at each step.
   */
  z.strictObject({
    type: z.literal("step"),
    epoch: Ordinal,
    step: Step,
    /** From where in the data training would go on. */
    position: DataPosition,
    /** Whether the trainer could save here. */
    canSave: z.boolean(),
    /** What the helper measured in this epoch up to here, since it was handed out. */
    measured: MeasuredByTrainer.optional(),
  }),
  /** Asks for a fresh, empty folder to save the checkpoint at the end of this epoch into. */
  z.strictObject({ type: z.literal("checkpoint"), epoch: Ordinal }),
  /** Hands the folder over: from now on it is the agent's, and nothing in it may change. */
  z.strictObject({
    type: z.literal("saved"),
    epoch: Ordinal,
    /** The step that the folder was asked for at; absent for the end of the epoch. */
    step: Step.optional(),
    framework: z.string().max(100).optional(),
  }),
]);
export type TrainerRequest = z.infer<typeof TrainerRequest>;

export const TrainerAnswer = z.discriminatedUnion("type", [
  /** Answers `hello`. */
  z.strictObject({
    type: z.literal("welcome"),
    protocol: z.int(),
    run: Name,
    attempt: Ordinal,
    epochs: Ordinal,
    seed: z.int(),
    /**
     * The restored checkpoint, to be read only; `null` where training begins with nothing. Epoch 0: what the job's
     * `checkpoint.from` names, in which no epoch of this run is. With a `step`, so many steps of the epoch after that are in
     * it too.
     */
    restored: z.strictObject({ folder: z.string(), epoch: z.int().min(0), step: Step.optional() }).nullable(),
  }),
  /** Answers `next`: train this epoch; with `resume`, the rest of it. */
  z.strictObject({
    type: z.literal("epoch"),
    plan: EpochPlan,
    resume: z
      .strictObject({
        step: Step,
        position: DataPosition,
        /** What has been trained of this epoch already, to be counted in its report. */
        seconds: z.number().min(0),
      })
      .optional(),
  }),
  /** Answers `next`: there is nothing more to train; leave with exit code 0. */
  z.strictObject({ type: z.literal("end"), reason: z.string() }),
  /** Answers `report` and `saved`. */
  z.strictObject({ type: z.literal("ok") }),
  /** Answers `step`: train on, and ask again after so long, or at that step, whichever is first; with `plan`, the rest of it so. */
  z.strictObject({
    type: z.literal("go-on"),
    ask: z.strictObject({ seconds: z.number().min(0), step: Step.optional() }),
    plan: EpochPlan.optional(),
  }),
  /** Answers `checkpoint`, and `step` where a checkpoint is to be taken now: save into this folder, and say `saved`. */
  z.strictObject({ type: z.literal("folder"), folder: z.string() }),
  /** Answers `checkpoint`: none is needed at the end of this epoch. */
  z.strictObject({ type: z.literal("skip") }),
  /** Answers anything that cannot be done; the agent then closes the socket. */
  z.strictObject({ type: z.literal("error"), code: z.string(), message: z.string() }),
]);
export type TrainerAnswer = z.infer<typeof TrainerAnswer>;
