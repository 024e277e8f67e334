import { mkdir } from "node:fs/promises";
import type { Assignment } from "../core/answers.ts";
import { type Origin, originWords } from "../core/checkpoint-source.ts";
import { type ErrorCode, PawlError } from "../core/errors.ts";
import type { Manifest } from "../core/manifest.ts";
import { restoreCheckpoint } from "../store/checkpoints.ts";
import { type OriginBase, restoreOrigin } from "../store/checkpoints-origin.ts";
import { AttemptError } from "./attempt-error.ts";

/** What an attempt's checkpoint folder holds when it begins. */
export interface Restored {
  /** The run's own checkpoint, whose unchanged files the next one refers to. */
  readonly previous?: Manifest;
  /** The last epoch of this run in it; 0 for what another has made; absent where it is empty. */
  readonly restoredEpoch?: number;
}

/**
 * Fills `folder` with what the assignment goes on from, or begins from, or leaves it empty. Throws AttemptError:
 * checkpoint-corrupt for the run's own checkpoint, starting-checkpoint for what it begins from.
 */
export async function restore(
  base: OriginBase,
  { run, restore: name, origin }: Assignment,
  folder: string,
  leave: AbortSignal,
): Promise<Restored> {
  if (name === undefined) {
    if (origin === undefined) await mkdir(folder);
    else await restoreStart(origin, base, folder, leave);
    return origin === undefined ? {} : { restoredEpoch: 0 };
  }
  try {
    const previous = await restoreCheckpoint(base.store, run, name, folder, { signal: leave });
    return { previous, restoredEpoch: previous.epoch };
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
