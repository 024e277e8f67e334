import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeTrainerProject } from "../../test/trainer-project.ts";
import type { RunResult } from "../result.ts";
import { bucketPlaces, folderPlaces, hasS3Server, type Places } from "./place.ts";
import type { Model, ProcessJob } from "./project.ts";
import { processRun, trainCalmly } from "./run.ts";

export interface ProcessRuns {
  readonly seed: number;
  readonly numbers: readonly number[];
  /** So many at a time. */
  readonly atATime: number;
  readonly onResult: (result: RunResult) => void;
  readonly say: (text: string) => void;
}

/** One of so many process runs has a bucket as its store. */
const bucketEvery = 5;

/** Process runs, some at a time; each ends with what an undisturbed run of its job ends with. */
export async function processRuns({ seed, numbers, atATime, onResult, say }: ProcessRuns): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-chaos-"));
  using project = makeTrainerProject();
  let buckets: Places | undefined;
  try {
    if (hasS3Server()) buckets = await bucketPlaces(folder);
    else
      say(
        "no S3 server is installed (npm run test:s3 installs one): all process runs have a folder as their store",
      );
    const places = (number: number) =>
      (number % bucketEvery === bucketEvery - 1 ? buckets : undefined) ?? folderPlaces;
    const known = new Map<string, Promise<Model>>();
    const calm = (job: ProcessJob): Promise<Model> => {
      // The result is the same however often it is saved, and with however little memory.
      const found =
        known.get(job.helper) ?? trainCalmly(project.folder, { ...job, every: "epoch", memory: 64 });
      known.set(job.helper, found);
      return found;
    };
    const queue = numbers.values();
    const worker = async () => {
      for (const number of queue)
        onResult(await processRun({ seed, number, places: places(number), project: project.folder, calm }));
    };
    await Promise.all(Array.from({ length: atATime }, worker));
  } finally {
    await buckets?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
