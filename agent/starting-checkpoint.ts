import { mkdir } from "node:fs/promises";
import type { Assignment } from "../core/answers.ts";
import { type Origin, originWords } from "../core/checkpoint-source.ts";
import { type ErrorCode, PawlError } from "../core/errors.ts";
import type { Manifest } from "../core/manifest.ts";
import type { Measured } from "../core/measured.ts";
import type { DataPosition } from "../core/position.ts";
import type { EpochPlan } from "../core/report.ts";
import { restoreCheckpoint } from "../store/checkpoints.ts";
import { type OriginBase, restoreOrigin } from "../store/checkpoints-origin.ts";
import { AttemptError } from "./attempt-error.ts";

/** How far an epoch is trained already, and how it goes on. */
export interface Resume {
  readonly step: number;
  readonly position: DataPosition;
  readonly seconds: number;
  /** Of this epoch, up to there. */
  readonly measured?: Measured | undefined;
}

/** What an attempt's checkpoint folder holds when it begins. */
export interface Restored {
  /** The run's own checkpoint, whose unchanged files the next one refers to. */
  readonly previous?: Manifest;
  /** The epochs of this run that are whole in it; 0 for what another has made; absent where it is empty. */
  readonly epoch?: number;
  /** What is in it of the epoch after those. */
  readonly resume?: Resume;
}

/** Whole epochs and the part of one that a checkpoint of this run holds; the part is of the epoch that is to be trained. */
function contents(previous: Manifest, plan: EpochPlan): Restored {
  const { epoch, step, position, seconds, measured } = previous;
  if (step === undefined || position === undefined || seconds === undefined) return { previous, epoch };
  if (epoch !== plan.epoch) {
    const what = `checkpoint ${previous.name} is of the middle of epoch ${epoch}`;
    throw new AttemptError("unknown", `${what}, and epoch ${plan.epoch} is to be trained`);
  }
  return { previous, epoch: epoch - 1, resume: { step, position, seconds, measured } };
}

/**
 * Fills `folder` with what the assignment goes on from, or begins from, or leaves it empty. Throws AttemptError:
 * checkpoint-corrupt for the run's own checkpoint, starting-checkpoint for what it begins from.
 */
export async function restore(
  base: OriginBase,
  { run, restore: name, origin, plan }: Assignment,
  folder: string,
  leave: AbortSignal,
): Promise<Restored> {
  if (name === undefined) {
    if (origin === undefined) await mkdir(folder);
    else await restoreStart(origin, base, folder, leave);
    return origin === undefined ? {} : { epoch: 0 };
  }
  try {
    return contents(await restoreCheckpoint(base.store, run, name, folder, { signal: leave }), plan);
  } catch (error) {
    leave.throwIfAborted();
    if (error instanceof PawlError && error.code === "CHECKPOINT_DAMAGED")
      throw new AttemptError("checkpoint-corrupt", error.message, { damaged: name });
    throw error;
  }
}

/** The source is gone, or is another than it was: no attempt would find it better. */
const final: readonly ErrorCode[] = [
  "CHECKPOINT_NOT_FOUND",
  "CHECKPOINT_DAMAGED",
  "CHECKPOINT_PATH",
  "STORE_NOT_FOUND",
  "STORE_ADDRESS",
];

async function restoreStart(
  origin: Origin,
  base: OriginBase,
  folder: string,
  leave: AbortSignal,
): Promise<void> {
  try {
    await restoreOrigin(origin, base, folder, { signal: leave });
  } catch (error) {
    leave.throwIfAborted();
    if (!(error instanceof PawlError) || !final.includes(error.code)) throw error;
    const what = `training was to begin from ${originWords(origin)} (checkpoint.from)`;
    throw new AttemptError("starting-checkpoint", `${what}: ${error.message}`);
  }
}
