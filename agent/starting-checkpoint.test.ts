import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Assignment } from "../core/answers.ts";
import type { Origin } from "../core/checkpoint-source.ts";
import { PawlError } from "../core/errors.ts";
import { saveCheckpoint } from "../store/checkpoints.ts";
import { findManifest } from "../store/checkpoints-manifest.ts";
import { lookAt } from "../store/checkpoints-place.ts";
import { openFolderStore } from "../store/folder.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { AttemptError, asAttemptError } from "./attempt-error.ts";
import { restore } from "./starting-checkpoint.ts";

const freshFolder = temporaryFolders({ fast: true });
let root: string;
let store: ObjectStore;
const stays = new AbortController().signal;

beforeEach(async () => {
  root = await freshFolder();
  store = await openFolderStore(join(root, "store"));
  await mkdir(join(root, "job", "pretrained"), { recursive: true });
  await writeFile(join(root, "job", "pretrained", "model.txt"), "weights");
});

const assigned = (more: Partial<Assignment>): Assignment => ({
  run: "tune-1",
  attempt: 1,
  generation: 1,
  worker: { index: 0, count: 1 },
  shard: { index: 0, count: 1 },
  plan: { epoch: 1, seed: 0, learningRateScale: 1, checkpoint: true },
  saving: { epochEnds: "always" },
  jobDigest: "d".repeat(64),
  ...more,
});

async function pretrained(): Promise<Origin> {
  const { files, sizeBytes, digest } = await lookAt(join(root, "job", "pretrained"));
  return { place: "./pretrained", files: files.length, sizeBytes, digest };
}

/** A checkpoint of a run, as one begins from it. */
async function saved(run: string): Promise<Origin> {
  const { name } = await saveCheckpoint(store, {
    run,
    attempt: 1,
    epoch: 4,
    folder: join(root, "job", "pretrained"),
    jobDigest: "d".repeat(64),
    at: "2026-11-21T10:00:00.000Z",
    reports: [{ epoch: 4, metrics: {}, seconds: 1 }],
  });
  const digest = (await findManifest(store, run, name))?.digest ?? "";
  return { run, checkpoint: name, digest };
}

const restored = async (assignment: Assignment, from: ObjectStore = store, leave = stays) => {
  const folder = join(root, "checkpoint");
  const base = { store: from, folder: join(root, "job") };
  return { folder, ...(await restore(base, assignment, folder, leave)) };
};

/** What the attempt's outcome would say. */
const result = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => asAttemptError(error).result,
  );

describe("what an attempt's checkpoint folder holds when it begins", () => {
  it("is nothing where nothing is named", async () => {
    const { folder, ...rest } = await restored(assigned({}));
    expect(rest).toEqual({});
    expect(await readdir(folder)).toEqual([]);
  });

  it("is the run's own checkpoint, with its epoch, whatever the run began from", async () => {
    await saved("tune-1");
    const { folder, ...rest } = await restored(assigned({ restore: "4-1" }));
    expect(rest).toMatchObject({ epoch: 4, previous: { name: "4-1" } });
    expect(await readFile(join(folder, "model.txt"), "utf8")).toBe("weights");
  });

  it("is what the run begins from, at epoch 0; the next checkpoint refers to none of its files", async () => {
    for (const origin of [await pretrained(), await saved("base-1")]) {
      root = await freshFolder();
      await mkdir(join(root, "job", "pretrained"), { recursive: true });
      await writeFile(join(root, "job", "pretrained", "model.txt"), "weights");
      const { folder, ...rest } = await restored(assigned({ origin }));
      expect(rest).toEqual({ epoch: 0 });
      expect(await readFile(join(folder, "model.txt"), "utf8")).toBe("weights");
    }
  });
});

describe("what cannot be restored", () => {
  it("ends the attempt by its class: the start's own, or that of the run's own checkpoint", async () => {
    const absent: Origin = { run: "base-1", checkpoint: "9-1", digest: "e".repeat(64) };
    expect(await result(restored(assigned({ origin: absent })))).toBe("starting-checkpoint");
    const changed: Origin = { ...(await pretrained()), digest: "e".repeat(64) };
    expect(await result(restored(assigned({ origin: changed })))).toBe("starting-checkpoint");
    expect(await result(restored(assigned({ restore: "9-1" })))).toBe("checkpoint-corrupt");
  });

  it("is tried again where only the way to it failed", async () => {
    const origin = await saved("base-1");
    const failing = storeVariant(store, {
      open: async () => {
        throw new PawlError("STORE_UNREACHABLE", "the network is down");
      },
    });
    expect(await result(restored(assigned({ origin }), failing))).toBe("store-failed");
  });

  it("says that the attempt was asked to leave, where it was", async () => {
    const leave = AbortSignal.abort(new AttemptError("interrupted", "asked to leave"));
    expect(await result(restored(assigned({ origin: await pretrained() }), store, leave))).toBe(
      "interrupted",
    );
  });
});
