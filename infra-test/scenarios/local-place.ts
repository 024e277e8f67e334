import { MetadataServer } from "../../agent/testing/metadata-server.ts";
import { defaultLimits } from "../../core/decision.ts";
import { PawlError } from "../../core/errors.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { leaseLiveness } from "../../lambdas/lease-liveness.ts";
import { stopRun } from "../../lambdas/stop.ts";
import { sweepRuns } from "../../lambdas/sweep.ts";
import type { LocalBatchControl } from "../../local/batch.ts";
import { takeLease } from "../../local/lease.ts";
import { type LocalResult, trainLocally } from "../../local/training.ts";
import { packCode, uploadCode } from "../../store/code.ts";
import { openJournal } from "../../store/journal.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { processesNaming } from "../../test/pawl.ts";
import type { Execution } from "./scenario.ts";
import { offers, prices, trainerFolder, turnsPerExecution } from "./setting.ts";
import type { Ended, Started } from "./world.ts";

/** What the run's stop is asked by. */
const by = "alice@laptop";

/**
 * A run trained in this process, as `pawl train` does it. At the place that stands for a stack it has that one's offers and
 * prices, and `metadata` tells its instances of themselves.
 */
export async function startLocally(
  store: ObjectStore,
  run: string,
  execution: Execution,
  metadata: MetadataServer,
): Promise<Started> {
  const input = await withCode(store, execution);
  const interrupt = new AbortController();
  let batch: LocalBatchControl | undefined;
  const training = trainLocally({
    store,
    run,
    input,
    acceptChanges: false,
    interrupt: interrupt.signal,
    limits: { ...defaultLimits, turnsPerExecution },
    ...(execution.where === "stack" ? { stack: { offers, prices, metadata: metadata.base } } : {}),
    onMessage: (message) => {
      // The next one is another instance.
      if (message.code === "job.status" && message.update.status === "FAILED")
        metadata.set("spot/instance-action", undefined);
    },
    onBatch: (control) => {
      batch = control;
      if (execution.throttled !== undefined) control.throttle(execution.throttled);
    },
  });
  return {
    ended: training.then((result) => concluded(store, result)),
    async make(fault, attempt) {
      if (fault === "stop the execution") interrupt.abort();
      else if (fault === "stop the run") await askToStop(store, run);
      else if (fault === "start it twice") await refusedTo(store, run);
      else if (fault === "announce a reclaim") metadata.notice(120);
      else if (fault !== "deploy again") harm(batch, fault, attempt?.number);
    },
  };
}

/** The input as it is pasted, and beside it where the code is: packed in a stack's store, as `pawl start` does it, or in its folder. */
export async function withCode(
  store: ObjectStore,
  { input, code, where }: Execution,
): Promise<Record<string, unknown>> {
  const given: Record<string, unknown> = JSON.parse(input);
  if (code === "not given") return given;
  if (where === "folder") return { ...given, source: { folder: trainerFolder } };
  const packed = await packCode(trainerFolder);
  await uploadCode(store, packed);
  return { ...given, source: { code: packed.key } };
}

function harm(
  batch: LocalBatchControl | undefined,
  fault: "kill the job" | "out of memory" | "reclaim the instance",
  attempt: number | undefined,
): void {
  if (batch === undefined || attempt === undefined) throw new Error(`there is no job to ${fault}`);
  if (fault === "kill the job") batch.killJob(attempt);
  else if (fault === "out of memory") batch.outOfMemory(attempt);
  else batch.reclaim("i-0123456789abcdef0");
}

const askToStop = (store: ObjectStore, run: string): Promise<unknown> =>
  stopRun({
    journal: openJournal(store),
    liveness: leaseLiveness(store),
    now: () => new Date(),
    limits: defaultLimits,
  })({ run, id: `stop-${Date.now()}`, by });

/** Throws where somebody else could begin to train the run. */
async function refusedTo(store: ObjectStore, run: string): Promise<void> {
  const error: unknown = await takeLease(store, run).catch((refusal: unknown) => refusal);
  if (!(error instanceof PawlError) || error.code !== "RUN_HELD") throw new Error(`${run} was not refused`);
}

async function concluded(store: ObjectStore, { result, state, error }: LocalResult): Promise<Ended> {
  if (result === "finished" || result === "stopped") return { status: "SUCCEEDED" };
  if (result === "failed" || result === "refused") return { status: "FAILED", ...error };
  if (state !== undefined) await sweep(store, state);
  return { status: "ABORTED" };
}

/** What EventBridge has Sweep do on a stack, when an execution has been stopped. */
async function sweep(store: ObjectStore, { run, driver }: JournalEntry["state"]): Promise<void> {
  const gone = { running: false };
  await sweepRuns({
    store,
    journal: openJournal(store),
    liveness: leaseLiveness(store),
    jobs: { look: async () => gone, end: async () => gone },
    now: () => new Date(),
    random: () => 0,
    limits: defaultLimits,
  })({
    "detail-type": "Step Functions Execution Status Change",
    detail: { executionArn: driver.id, status: "ABORTED", input: JSON.stringify({ run }) },
  });
}

/** What a spot instance of the stack's type is told about itself. */
export async function spotInstance(): Promise<MetadataServer> {
  const metadata = await MetadataServer.start();
  metadata.set("instance-type", "g5.xlarge");
  metadata.set("placement/availability-zone", "us-east-1a");
  metadata.set("placement/region", "us-east-1");
  metadata.set("instance-life-cycle", "spot");
  return metadata;
}

/** Processes of this machine that know of a store. */
export async function processesOf(store: ObjectStore): Promise<string[]> {
  return (await processesNaming(store.address)).map((pid) => `process ${pid} of ${store.address}`);
}
