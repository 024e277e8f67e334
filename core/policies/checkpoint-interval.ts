import * as z from "zod";
import { Duration } from "../duration.ts";
import type { SaveCost } from "./save-cost.ts";

export { observeSave, SaveCost, saveFits } from "./save-cost.ts";

const day = 86_400;
const word = <Word extends "auto" | "epoch">(policy: Word) => z.literal(policy).transform(() => ({ policy }));

/** `auto`, `epoch`, a duration such as `10min`, or `{steps: 500}`. */
export const CheckpointEvery = z
  .union([
    word("auto"),
    word("epoch"),
    Duration.refine((seconds) => seconds > 0 && seconds <= 7 * day, {
      error: "must be more than 0s and at most 7d",
    }).transform((seconds) => ({ policy: "time" as const, seconds })),
    z
      .strictObject({
        steps: z.int().min(1).max(1_000_000_000).describe("From one checkpoint to the next, so many steps."),
      })
      .transform(({ steps }) => ({ policy: "steps" as const, steps })),
  ])
  .prefault("auto")
  .describe(
    "How often a checkpoint is taken: auto, by what one costs and how often attempts fail; epoch, at the end of each; a duration; or so many steps.",
  );
export type CheckpointEvery = z.output<typeof CheckpointEvery>;

/**
 * What is assumed of failures before any is seen: as if `failures` had come, `meanSeconds` apart. One failure's weight, so
 * that a few real ones outweigh it. All are chosen rather too short than too long: a save too many costs its pause, a save
 * too few costs hours.
 *
 * - `spot`, 2 h: public traces of preemptions have means of 0.8 to 5.3 h; 2 h is their geometric middle. (The Spot Instance Advisor's
 *   last bucket, "more than 20% a month", has no upper end, and most GPU instances are in it.)
 * - `on-demand`, 3 d: the hardware of a node with 8 GPUs fails once in a month or more (Kokolis et al., arXiv 2410.21680: jobs of
 *   1,024 GPUs every 7.9 h); all else that ends an attempt is commoner, and no figure for it is public.
 * - `local`, 8 h: a day's work, after which somebody closes the lid. A judgement.
 */
export const failurePriors = {
  spot: { failures: 1, meanSeconds: 2 * 3600 },
  "on-demand": { failures: 1, meanSeconds: 3 * day },
  local: { failures: 1, meanSeconds: 8 * 3600 },
} as const;

/** What a failure takes its rate from: the market, or a machine of one's own. */
export type FailureSource = keyof typeof failurePriors;

interface Exposed {
  readonly market: FailureSource;
  /** How long attempts have lived there, in seconds. */
  readonly exposureSeconds: number;
  /** How many of them failed and lost training. One that saved on a notice has lost none and is not counted. */
  readonly failures: number;
}

/**
 * Seconds between failures, as far as one can know: (a·m + exposure) / (a + failures), with the prior's a and m. The inverse of
 * the posterior mean of a Poisson rate under a gamma prior with shape a and rate a·m (Gelman et al., Bayesian Data
 * Analysis, section 2.6). To first order the cost of an interval is linear in the rate, so its mean is what decides.
 */
export function meanSecondsBetweenFailures({ market, exposureSeconds, failures }: Exposed): number {
  const prior = failurePriors[market];
  return (prior.failures * prior.meanSeconds + exposureSeconds) / (prior.failures + failures);
}

/** Young's interval √(2δM) (Communications of the ACM 17(9), 1974), for saves that cost little beside M. */
export const youngSeconds = (pauseSeconds: number, meanSeconds: number): number =>
  Math.sqrt(2 * pauseSeconds) * Math.sqrt(meanSeconds);

/**
 * Daly's interval (Future Generation Computer Systems 22(3), 2006): √(2δM)·(1 + √(δ/2M)/3 + (δ/2M)/9) − δ where
 * δ < 2M, else M; for the pause δ of a save and the mean M between failures. Seconds of training between two saves.
 */
export function dalySeconds(pauseSeconds: number, meanSeconds: number): number {
  if (pauseSeconds >= 2 * meanSeconds) return meanSeconds;
  const share = pauseSeconds / (2 * meanSeconds);
  const factor = 1 + Math.sqrt(share) / 3 + share / 9;
  return Math.max(0, youngSeconds(pauseSeconds, meanSeconds) * factor - pauseSeconds);
}

/** What a save is taken to cost before one is seen. The first one comes soon enough, and tells. */
export const assumedPauseSeconds = 30;

/** No interval of `auto` is shorter: a save has costs that no pause shows (requests, a journal entry, bandwidth). */
export const shortestIntervalSeconds = 60;
/** And none longer: nobody wants to lose more than this, however reliable the machine has been. */
export const longestIntervalSeconds = 6 * 3600;

/**
 * Seconds of training from one save to the next, the pauses not counted, for `auto`: Daly's interval for the pause, between
 * the bounds, and never shorter than a save takes until it is durable, since two do not overlap.
 *
 * A save is durable only some time after training goes on. What is trained meanwhile is lost by a failure as well, but that
 * much is lost whatever the interval: it adds a constant to the loss and does not move the optimum. Nor does the time that
 * a restart takes (Daly).
 */
export function checkpointIntervalSeconds({
  save,
  meanSecondsBetweenFailures: meanSeconds,
}: {
  /** What saves have cost; `undefined` before the first. */
  readonly save: SaveCost | undefined;
  readonly meanSecondsBetweenFailures: number;
}): number {
  const wanted = dalySeconds(save?.pauseSeconds ?? assumedPauseSeconds, meanSeconds);
  const within = Math.min(longestIntervalSeconds, Math.max(shortestIntervalSeconds, wanted));
  return Math.max(within, save?.seconds ?? 0);
}

/** What nobody minds that the end of an epoch waits, in seconds. */
const cheapPauseSeconds = 1;

/**
 * Whether each end of an epoch gets a checkpoint, or only where one is due by time or steps. `auto` saves each end unless a save
 * is known to hold training up for longer than `cheapPauseSeconds`: by its pause, or, where epochs of `epochSeconds` are
 * shorter than a save takes, by what the next end waits for it.
 */
export function epochEnds(
  every: CheckpointEvery,
  save: SaveCost | undefined,
  epochSeconds = Number.POSITIVE_INFINITY,
): "always" | "when-due" {
  if (every.policy === "epoch") return "always";
  if (every.policy !== "auto") return "when-due";
  if (save === undefined) return "always";
  const waits = Math.max(save.pauseSeconds, save.seconds - epochSeconds);
  return waits > cheapPauseSeconds ? "when-due" : "always";
}

interface DueInput {
  /** Seconds of training since the last save began, without its pause. */
  readonly secondsSinceLastSave: number;
  /** Steps since then; absent where the trainer counts none. */
  readonly stepsSinceLastSave?: number | undefined;
  /** What the job asks for, or for `auto` what `checkpointIntervalSeconds` said. */
  readonly everySeconds?: number | undefined;
  readonly everySteps?: number | undefined;
  /** Seconds until the next moment at which a save is possible: 0 where the trainer steps, an epoch where it does not. */
  readonly nextChanceSeconds?: number;
}

/**
 * Whether a save is due by time or steps. Where the next chance is e seconds away, saving now, s after the last one, is
 * better than then if s·(s + e) ≥ τ²: that is where Young's cost δ/s + s/2M is the lower of both (τ² = 2δM). By steps, where
 * nobody counts them, each chance is taken.
 */
export function saveIsDue(input: DueInput): boolean {
  const { everySeconds, everySteps, secondsSinceLastSave: seconds, stepsSinceLastSave: steps } = input;
  if (everySteps !== undefined) return steps === undefined || steps >= everySteps;
  if (everySeconds === undefined) return false;
  return Math.sqrt(seconds) * Math.sqrt(seconds + (input.nextChanceSeconds ?? 0)) >= everySeconds;
}

/**
 * Whether the end of an epoch needs a checkpoint. Not asked where a run or its last epoch ends: that is always saved.
 * `intervalSeconds` is that of `auto`.
 */
export function dueAtEpochEnd(
  input: Omit<DueInput, "everySeconds" | "everySteps"> & {
    readonly every: CheckpointEvery;
    readonly save: SaveCost | undefined;
    readonly intervalSeconds: number;
    /** How long an epoch takes, where that is known. */
    readonly epochSeconds?: number;
  },
): boolean {
  const { every } = input;
  if (epochEnds(every, input.save, input.epochSeconds) === "always") return true;
  if (every.policy === "steps") return saveIsDue({ ...input, everySteps: every.steps });
  return saveIsDue({
    ...input,
    everySeconds: every.policy === "time" ? every.seconds : input.intervalSeconds,
  });
}
