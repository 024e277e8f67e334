import * as z from "zod";
import { Duration } from "../duration.ts";

const limitForm = { error: "must be at least 1s and at most 7d" };
const Limit = Duration.refine((seconds) => seconds >= 1 && seconds <= 7 * 86_400, limitForm);

/** When an attempt that gives no sign of life is ended. */
export const StallPolicy = z
  .strictObject({
    limit: z
      .union([z.literal("auto"), z.literal("none"), Limit])
      .prefault("auto")
      .describe(
        "Longest silence of a trainer that has begun; auto: learned from its own gaps; none: it is never ended for one.",
      ),
    start: z
      .union([z.literal("none"), Limit])
      .prefault("6h")
      .describe(
        "Longest silence before the first step, or before the first report of a trainer without steps.",
      ),
  })
  .transform(({ limit, start }) => ({ limitSeconds: limit, startSeconds: start }));
export type StallPolicy = z.output<typeof StallPolicy>;

/** The watcher observes at least this often (`watch`), so that it can tell a silent trainer from its own sleep. */
export const watchEverySeconds = 10;
/** Of the time between two observations, no more than this counts: in the rest the watcher slept too (a laptop's lid). */
export const watcherSleptSeconds = 60;

/**
 * What is observed. `step`, `report` (an epoch's) and `request` (it asks for something, or hands over a checkpoint) are progress;
 * `output` is life without progress. Between `pause` and `resume` the trainer waits for the agent, and no sign is expected.
 * `watch`: the watcher looked and saw nothing.
 */
export type LifeSign = "step" | "report" | "request" | "output" | "pause" | "resume" | "watch";

/** What is known of a trainer's signs of life. Times are on its own clock, which stands still while no sign is expected. */
export interface Pulse {
  /** When something was last observed, in seconds of the watcher's clock. */
  readonly seenAt: number;
  /** Seconds since the attempt began in which a sign was expected. */
  readonly clock: number;
  readonly signAt: number;
  readonly progressAt: number;
  /** When training of this epoch began. */
  readonly epochAt: number;
  /** Epochs reported in this attempt. */
  readonly epochs: number;
  /** Whether it has ever counted a step. */
  readonly stepping: boolean;
  /** The longest time between two signs of progress, from the first step on. */
  readonly longestGapSeconds: number;
  /** The longest time between two signs of any kind. */
  readonly longestSilenceSeconds: number;
  readonly longestEpochSeconds: number;
  /** For how long this epoch was trained by earlier attempts. */
  readonly earlierSeconds: number;
  /** Pauses that are not over. */
  readonly pauses: number;
  readonly stalls: number;
}

export interface PulseStart {
  /** For how long the first epoch was trained by earlier attempts, in seconds. */
  readonly earlierSeconds?: number;
  /** How many attempts in a row were ended for a stall before this one, without progress between them. */
  readonly stalls?: number;
}

/** A trainer that is started at `atSeconds`. */
export const beginPulse = (
  atSeconds: number,
  { earlierSeconds = 0, stalls = 0 }: PulseStart = {},
): Pulse => ({
  seenAt: atSeconds,
  clock: 0,
  signAt: 0,
  progressAt: 0,
  epochAt: 0,
  epochs: 0,
  stepping: false,
  longestGapSeconds: 0,
  longestSilenceSeconds: 0,
  longestEpochSeconds: 0,
  earlierSeconds,
  pauses: 0,
  stalls,
});

/** The pulse after `sign`, at `atSeconds` of the watcher's clock. */
export function observe(before: Pulse, sign: LifeSign, atSeconds: number): Pulse {
  const passed = Math.min(watcherSleptSeconds, Math.max(0, atSeconds - before.seenAt));
  const clock = before.clock + (before.pauses === 0 ? passed : 0);
  const pulse = { ...before, seenAt: atSeconds, clock };
  switch (sign) {
    case "watch":
      return pulse;
    case "pause":
      return { ...pulse, pauses: pulse.pauses + 1 };
    case "resume":
      return { ...pulse, pauses: Math.max(0, pulse.pauses - 1) };
    case "output":
      return alive(pulse);
    case "request":
      return progressed(pulse);
    case "step":
      // What comes before the first step (downloads, compilation) is no part of the epoch, and says nothing of gaps.
      return { ...progressed(pulse), stepping: true, epochAt: pulse.stepping ? pulse.epochAt : clock };
    case "report":
      return {
        ...progressed(pulse),
        epochs: pulse.epochs + 1,
        epochAt: clock,
        longestEpochSeconds: Math.max(
          pulse.longestEpochSeconds,
          clock - pulse.epochAt + pulse.earlierSeconds,
        ),
        earlierSeconds: 0,
      };
  }
}

const alive = (pulse: Pulse): Pulse => ({
  ...pulse,
  signAt: pulse.clock,
  longestSilenceSeconds: Math.max(pulse.longestSilenceSeconds, pulse.clock - pulse.signAt),
});

const progressed = (pulse: Pulse): Pulse => ({
  ...alive(pulse),
  progressAt: pulse.clock,
  longestGapSeconds: pulse.stepping
    ? Math.max(pulse.longestGapSeconds, pulse.clock - pulse.progressAt)
    : pulse.longestGapSeconds,
});

/** The parameters of `auto`. */
export const stallParameters = {
  /** No silence is too long that is shorter. */
  floorSeconds: 300,
  /** So many times as long as the longest gap before. */
  gapFactor: 10,
  /** With steps: so much of the longest epoch, for a validation that comes in some epochs only. */
  steppingEpochShare: 1 / 4,
  /** Without steps, at least so many epochs, since some print in one epoch and not in the next. */
  silentEpochShare: 2,
  /** No validation has been seen before the first report: a whole hour, or as long as the epoch was trained. */
  firstEpochSeconds: 3600,
  /** A trainer that prints and does not progress is given so many times as long. */
  printingFactor: 4,
  /** After a stall, the next attempt has so many times as long: what was only slow gets through. */
  stallFactor: 4,
  mostStalls: 3,
} as const;

/**
 * The silence that is too long, in seconds; `undefined` where none is. `auto` for a trainer that steps: the largest of 5 min, 10 times the
 * longest gap between signs of progress (in any phase: steps, validation, saving, the next epoch's start), and a quarter of the longest
 * epoch; before its first report also of 1 h and the time that the epoch has been trained. For one that does not step: the
 * largest of 5 min, 10 times its longest silence, and two of its longest epochs. Both times 4 for each stall just before.
 */
export function silenceLimitSeconds(policy: StallPolicy, pulse: Pulse): number | undefined {
  if (!pulse.stepping && pulse.epochs === 0)
    return policy.startSeconds === "none" ? undefined : policy.startSeconds;
  if (policy.limitSeconds !== "auto") return policy.limitSeconds === "none" ? undefined : policy.limitSeconds;
  const by = stallParameters;
  const learned = pulse.stepping
    ? Math.max(by.gapFactor * pulse.longestGapSeconds, by.steppingEpochShare * pulse.longestEpochSeconds)
    : Math.max(by.gapFactor * pulse.longestSilenceSeconds, by.silentEpochShare * pulse.longestEpochSeconds);
  const first =
    pulse.epochs === 0
      ? Math.max(by.firstEpochSeconds, pulse.progressAt - pulse.epochAt + pulse.earlierSeconds)
      : 0;
  const patience = by.stallFactor ** Math.min(by.mostStalls, pulse.stalls);
  return patience * Math.max(by.floorSeconds, learned, first);
}

export interface Stall {
  readonly silentSeconds: number;
  readonly limitSeconds: number;
  /** Whether it printed in that time. */
  readonly printing: boolean;
}

/**
 * The silence that is too long, if the trainer is in one. A trainer that gives no sign any more is found when its silence
 * reaches `silenceLimitSeconds`, which its silence does not move. One that hangs and prints on is found by `auto` after four times as
 * long without progress, from its first step or report on; by a limit of the job's own at that limit if it steps.
 */
export function stalled(policy: StallPolicy, pulse: Pulse): Stall | undefined {
  const limitSeconds = silenceLimitSeconds(policy, pulse);
  if (limitSeconds === undefined) return undefined;
  const quiet = pulse.clock - pulse.signAt;
  if (quiet >= limitSeconds) return { silentSeconds: quiet, limitSeconds, printing: false };
  const idle = pulse.clock - pulse.progressAt;
  const idleLimit = idleLimitSeconds(policy, pulse, limitSeconds);
  if (idle < idleLimit) return undefined;
  return { silentSeconds: idle, limitSeconds: idleLimit, printing: true };
}

function idleLimitSeconds(policy: StallPolicy, pulse: Pulse, limitSeconds: number): number {
  const begun = pulse.stepping || pulse.epochs > 0;
  if (begun && policy.limitSeconds === "auto") return stallParameters.printingFactor * limitSeconds;
  return pulse.stepping ? limitSeconds : Number.POSITIVE_INFINITY;
}
