import { PawlError } from "../core/errors.ts";
import { journalKey, manifestKey } from "../core/keys.ts";
import { parseCheckpointName } from "../core/prune.ts";
import type { RunState } from "../core/run-state.ts";
import { damaged } from "./checkpoints-manifest.ts";
import { inParallel } from "./checkpoints-parallel.ts";
import { codeInForce } from "./code-in-use.ts";
import { openJournal } from "./journal.ts";
import type { ObjectStore } from "./object-store.ts";
import { type CopyContext, copyBytes, copyKnown, copyRecord } from "./run-copy-objects.ts";
import { findOutstanding, type Outstanding } from "./run-copy-outstanding.ts";
import { type CheckpointCopy, type LeftOut, planCheckpoints } from "./run-copy-plan.ts";
import { readEntryBytes, relateRuns, sameEntry } from "./run-relation.ts";

export interface CopyProgress {
  /** Objects done with, of all that the destination does not have. */
  readonly objects: number;
  readonly totalObjects: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface RunCopy {
  readonly run: string;
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CopyProgress) => void;
}

export interface CopyResult {
  readonly status: RunState["status"];
  /** The last committed epoch. */
  readonly epoch: number;
  /** How many checkpoints of the run are whole in the destination. */
  readonly checkpoints: number;
  /** What was copied now. */
  readonly objects: number;
  readonly sizeBytes: number;
  /** Whether the destination had all of it before. */
  readonly already: boolean;
  readonly leftOut: readonly LeftOut[];
}

const atATime = 8;

/**
 * Brings a run from one store to another: checkpoints, what its attempts left, its packed code, and the journal last and in order, so that
 * whatever a crash leaves can be gone on from by calling this again. Whether it may is decided before anything is
 * written. The caller holds the run's lease in both. A checkpoint that is damaged in the source stays behind; where it is
 * the newest, nothing of the journal goes over.
 *
 * Errors: RUN_NOT_FOUND; RUN_DIVERGED where the destination's history is another or longer one, or holds other bytes
 * under a key; CHECKPOINT_DAMAGED for the newest checkpoint; RUN_HELD where the run goes on meanwhile; the stores'.
 */
export async function copyRun(copy: RunCopy): Promise<CopyResult> {
  const { run, from, to, signal, onProgress } = copy;
  const [newest, there] = await Promise.all([openJournal(from).newest(run), openJournal(to).newest(run)]);
  if (newest === undefined) {
    throw new PawlError("RUN_NOT_FOUND", `there is no run ${run} in ${from.address}`, {
      next: "Name a run that is there.",
      details: { run, store: from.address },
    });
  }
  const last = newest.sequence;
  const common = await mayCopy(copy, last, there?.sequence ?? 0);
  const plan = await planCheckpoints(from, newest.state, signal);
  for (const checkpoint of plan.checkpoints) {
    if (checkpoint.run !== run) await mayTakeAlong(copy, checkpoint);
  }
  const code = await codeInForce(openJournal(from), newest.state);
  const work = await findOutstanding(copy, run, plan.checkpoints, { common, last, code });

  const counted = { objects: 0, bytes: 0, copied: 0 };
  const tell = () => {
    const { objects, bytes } = counted;
    onProgress({ objects, totalObjects: work.objects, bytes, totalBytes: work.sizeBytes });
  };
  const context: CopyContext = {
    from,
    to,
    signal,
    count: {
      add(bytes) {
        counted.bytes += bytes;
        tell();
      },
      done(copied) {
        counted.objects += 1;
        if (copied) counted.copied += 1;
        tell();
      },
    },
  };
  tell();
  const leftOut = [...plan.leftOut, ...(await copyCheckpoints(context, work))];
  await inParallel([...work.records.keys()], { concurrency: atATime, signal }, (key) =>
    copyRecord(context, key),
  );
  await copyEntries(context, run, work.entries);
  return {
    status: newest.state.status,
    epoch: newest.state.progress.epoch,
    checkpoints: plan.checkpoints.length + plan.leftOut.length - leftOut.length,
    objects: counted.copied,
    sizeBytes: counted.bytes,
    already: counted.copied === 0,
    leftOut,
  };
}

/** How many entries both have; throws RUN_DIVERGED where the destination's are not the first of the source's. */
async function mayCopy(copy: RunCopy, have: number, there: number): Promise<number> {
  const { run, from, to } = copy;
  const found = await relateRuns(copy, run, have, there);
  if (found.relation === "behind" || found.relation === "same") return found.common;
  const details = { run, from: from.address, to: to.address };
  if (found.relation === "ahead") {
    throw new PawlError("RUN_DIVERGED", `run ${run} is further in ${to.address} than in ${from.address}`, {
      next: `The destination is further: go on there, or copy the other way with pawl copy ${run} --from ${to.address} --to ${from.address}.`,
      details: { ...details, sequence: have + 1 },
    });
  }
  const { sequence } = found;
  throw new PawlError(
    "RUN_DIVERGED",
    `run ${run} went on in both stores: entry ${sequence} of its journal in ${from.address} is another in ${to.address}`,
    {
      next: `Choose one to go on with. pawl show ${run} --store STORE tells of each; to keep both, copy into a third store.`,
      details: { ...details, sequence },
    },
  );
}

/**
 * Another run's checkpoint goes only where its name is not, or not any more, to be taken: a run of that name could adopt
 * it as its own attempt's. Errors: RUN_DIVERGED.
 */
async function mayTakeAlong({ from, to, signal }: RunCopy, { run, name }: CheckpointCopy): Promise<void> {
  const there = await openJournal(to).newest(run);
  // One that is there already is compared later.
  if (there === undefined || (await to.has(manifestKey(run, name)))) return;
  const here = await openJournal(from).newest(run);
  const { relation } = await relateRuns({ from, to, signal }, run, here?.sequence ?? 0, there.sequence);
  const isSame = here !== undefined && relation !== "diverged";
  if (isSame && (parseCheckpointName(name)?.attempt ?? 0) < there.state.nextAttempt) return;
  const what = isSame ? `run ${run} is not as far` : `another run ${run} is`;
  throw new PawlError(
    "RUN_DIVERGED",
    `training begins from checkpoint ${name} of ${run}, and ${what} in ${to.address}`,
    {
      next: isSame
        ? `Copy that first: pawl copy ${run} --from ${from.address} --to ${to.address}.`
        : "Copy into another store, or train here until an epoch is committed and copy then.",
      details: { run, checkpoint: name, from: from.address, to: to.address },
    },
  );
}

/** Copies files, then the manifests of those that are whole; returns the others. */
async function copyCheckpoints(context: CopyContext, work: Outstanding): Promise<LeftOut[]> {
  const { signal } = context;
  const problems = new Map<string, string>();
  const required = work.checkpoints.filter((checkpoint) => checkpoint.required);
  await inParallel(work.files, { concurrency: atATime, signal }, async (file, stopping) => {
    const problem = await copyKnown({ ...context, signal: stopping }, file, work.there.has(file.key));
    if (problem === undefined) return;
    problems.set(file.key, problem);
    for (const { name, files } of required) {
      const at = files.find(({ key }) => key === file.key);
      if (at !== undefined) throw damaged(name, at.path, problem);
    }
  });
  const digests = new Map(work.files.map(({ key, sha256 }) => [key, sha256]));
  const leftOut: LeftOut[] = [];
  for (const { run, name, manifest, files } of work.checkpoints) {
    const bad = files.find(({ key, sha256 }) => problems.has(key) || digests.get(key) !== sha256);
    if (bad === undefined) {
      signal.throwIfAborted();
      await copyBytes(context, manifestKey(run, name), manifest);
    } else {
      const why = problems.get(bad.key) ?? "has another digest in an earlier checkpoint";
      leftOut.push({ checkpoint: name, why: `${bad.path} ${why}` });
    }
  }
  return leftOut;
}

/** The entries that are missing, in order: whatever is there at any moment is a prefix of the history. */
async function copyEntries(
  context: CopyContext,
  run: string,
  { first: begin, last }: Outstanding["entries"],
): Promise<void> {
  const { from, signal } = context;
  const now = await openJournal(from).newest(run, last);
  if (now?.sequence !== last) {
    throw new PawlError("RUN_HELD", `run ${run} went on in ${from.address} while it was copied`, {
      next: "Wait until nobody trains it, and run the same command again.",
      details: { run, store: from.address },
    });
  }
  for (let first = begin; first <= last; first += atATime) {
    const sequences = Array.from({ length: Math.min(atATime, last - first + 1) }, (_, i) => first + i);
    const entries = await Promise.all(sequences.map((sequence) => readEntryBytes(from, run, sequence)));
    for (const [index, bytes] of entries.entries()) {
      signal.throwIfAborted();
      await copyBytes(context, journalKey(run, first + index), bytes, sameEntry);
    }
  }
}
