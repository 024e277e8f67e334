import {
  type CheckpointSource,
  checkpointAt,
  formatCheckpointSource,
  type Origin,
} from "../core/checkpoint-source.ts";
import { chooseCheckpoint } from "../core/choose-checkpoint.ts";
import { type ErrorCode, PawlError } from "../core/errors.ts";
import type { OpenEvent } from "../core/events.ts";
import { TrainingJob } from "../core/job.ts";
import { jobChanges } from "../core/job-digest.ts";
import { journalKey, manifestKey } from "../core/keys.ts";
import { folderOf } from "../core/source.ts";
import { findManifest } from "../store/checkpoints-manifest.ts";
import { absolutePlace, type OriginSearch, originStore } from "../store/checkpoints-origin.ts";
import { lookAt } from "../store/checkpoints-place.ts";
import { type Journal, openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type JournalHead, readHead } from "./journalled.ts";

/** What is wrong with the source itself, and not with the way to it: trying again would not help. */
const sourceErrors: readonly ErrorCode[] = [
  "CHECKPOINT_NOT_FOUND",
  "CHECKPOINT_DAMAGED",
  "CHECKPOINT_PATH",
  "STORE_NOT_FOUND",
  "STORE_ADDRESS",
];

/** Whether `error` says that there is nothing to begin from: the run is refused, and nothing is started. */
export const isOriginError = (error: unknown): error is PawlError =>
  error instanceof PawlError && error.code.startsWith("CHECKPOINT_");

/** So many runs are named where one is not found. */
const maxNamed = 10;

/**
 * What a run begins from under the job that a request brings. What it was found to be once is kept, whatever happens to
 * the other run, until the job names something else; once an epoch is committed nothing is looked at. A store that is
 * not there yet is `undefined`. Errors: those of `findOrigin`.
 */
export async function originFor(
  store: ObjectStore | undefined,
  head: JournalHead | undefined,
  { job, source, acceptChanges }: Pick<OpenEvent, "job" | "source" | "acceptChanges">,
): Promise<Origin | undefined> {
  if (job === undefined || (head !== undefined && head.state.progress.epoch > 0)) return undefined;
  const given = TrainingJob.parse(job);
  if (given.checkpoint.policy === "none" || given.checkpoint.from === undefined) return undefined;
  if (head !== undefined) {
    const changes = jobChanges(TrainingJob.parse(head.job), given);
    // It will be refused for the changes.
    if (changes.length > 0 && !acceptChanges) return undefined;
    const sameSource = !changes.some(({ field }) => field.startsWith("checkpoint.from."));
    if (sameSource && head.state.origin !== undefined) return head.state.origin;
  }
  return await findOrigin(given.checkpoint.from, { store, folder: folderOf(source ?? head?.source) });
}

/**
 * Finds what `checkpoint.from` names, and holds it fast: a checkpoint by its name and its manifest's digest, files by a
 * digest of their paths and sizes. Errors: CHECKPOINT_NOT_FOUND, CHECKPOINT_DAMAGED and CHECKPOINT_PATH, which name the
 * field, its value and what there is; the store's, where trying again may help.
 */
async function findOrigin(from: CheckpointSource, base: OriginSearch): Promise<Origin> {
  try {
    if ("run" in from) return await ofRun(from, base);
    return await atPlace("folder" in from ? from.folder : from.address, base);
  } catch (error) {
    if (!(error instanceof PawlError) || !sourceErrors.includes(error.code)) throw error;
    const isOfStore = !error.code.startsWith("CHECKPOINT_");
    const named = isOfStore ? "CHECKPOINT_NOT_FOUND" : error.code;
    const next = isOfStore ? "Correct checkpoint.from in the job file." : error.next;
    throw new PawlError(named, `checkpoint.from ${formatCheckpointSource(from)}: ${error.message}`, {
      ...(next === undefined ? {} : { next }),
      details: { ...error.details, field: "checkpoint.from", value: formatCheckpointSource(from) },
      cause: error,
    });
  }
}

async function ofRun(
  { run, epoch, store: address }: Extract<CheckpointSource, { run: string }>,
  base: OriginSearch,
): Promise<Origin> {
  const store = await originStore(address, base);
  const journal = openJournal(store);
  const head = await readHead({ journal }, run, 0);
  if (head === undefined) {
    throw new PawlError(
      "CHECKPOINT_NOT_FOUND",
      `there is no run ${run} in ${store.address}: ${await runsOf(journal)}`,
      { next: "Name a run that is there; for a folder, write ./ before its name.", details: { run } },
    );
  }
  const { name } = chooseCheckpoint(head.state, TrainingJob.parse(head.job), epoch);
  return await inStore({ store: address, run, checkpoint: name }, base);
}

async function runsOf(journal: Journal): Promise<string> {
  const names: string[] = [];
  for await (const name of journal.runs()) {
    if (names.push(name) > maxNamed) break;
  }
  if (names.length === 0) return "it has no runs";
  return `it has ${names.slice(0, maxNamed).join(", ")}${names.length > maxNamed ? " …" : ""}`;
}

async function inStore(
  at: { store: string | undefined; run: string; checkpoint: string },
  base: OriginSearch,
): Promise<Origin> {
  const store = await originStore(at.store, base);
  const found = await findManifest(store, at.run, at.checkpoint);
  if (found === undefined) {
    throw new PawlError(
      "CHECKPOINT_NOT_FOUND",
      `checkpoint ${at.checkpoint} of run ${at.run} in ${store.address} has no manifest: it is not complete, or was removed`,
      { next: "Name another checkpoint.", details: { ...at } },
    );
  }
  const { run, checkpoint } = at;
  return { ...(at.store === undefined ? {} : { store: at.store }), run, checkpoint, digest: found.digest };
}

async function atPlace(given: string, base: OriginSearch): Promise<Origin> {
  const place = absolutePlace(given, base.folder);
  // As it was given where that says it all: a relative one then follows the job's folder when that is moved.
  const stored = checkpointAt(given) ?? checkpointAt(place);
  if (stored !== undefined && (await isOfStore(stored, base))) return await inStore(stored, base);
  const { files, sizeBytes, digest } = await lookAt(place);
  return { place: given, files: files.length, sizeBytes, digest };
}

/** Whether the checkpoint is there, or its run: then one without a manifest is not complete, rather than plain files. */
async function isOfStore(
  at: { store: string; run: string; checkpoint: string },
  base: OriginSearch,
): Promise<boolean> {
  try {
    const store = await originStore(at.store, base);
    return (await store.has(manifestKey(at.run, at.checkpoint))) || (await store.has(journalKey(at.run, 1)));
  } catch (error) {
    if (error instanceof PawlError && error.code === "STORE_NOT_FOUND") return false;
    throw error;
  }
}
