import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import type { ReviewAnswer, ReviewReply } from "../../core/answers.ts";
import type { SentEvent } from "../../core/events.ts";
import type { Instance } from "../../core/instance.ts";
import type { TrainingJobInput } from "../../core/job.ts";
import type { Manifest } from "../../core/manifest.ts";
import type { EpochPlan } from "../../core/report.ts";
import type { AttemptRequest } from "../../core/requests.ts";
import type { Saving } from "../../core/saving.ts";
import { type PartialEpoch, readManifest, saveCheckpoint } from "../../store/checkpoints.ts";
import { openFolderStore } from "../../store/folder.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { type AttemptEnd, runAttempt } from "../attempt.ts";
import { AttemptLog } from "../attempt-log.ts";
import { Departure } from "../departure.ts";
import type { Reviewer } from "../reviewer.ts";

export const run = "digits-1";
export const attempt = 2;
export const batchJobId = "job-a";
const jobDigest = "d".repeat(64);
const pythonHelper = fileURLToPath(new URL("../../python", import.meta.url));

type Measuring = Extract<SentEvent, { type: "measured" }>;
type Answering = (event: SentEvent) => Promise<ReviewAnswer | undefined> | ReviewAnswer | undefined;

interface SceneOptions {
  readonly command: readonly string[];
  /** Other fields of the job. */
  readonly job?: Partial<TrainingJobInput>;
  /** Epochs of the segment; the first is the one after `restore`. */
  readonly epochs?: number;
  /** The job's folder, by relative path. */
  readonly files?: Readonly<Record<string, string>>;
  /** A checkpoint of epoch 1 to begin from. */
  readonly restore?: Readonly<Record<string, string>>;
  /** Where the checkpoint to begin from is of the middle of epoch 2. */
  readonly partial?: PartialEpoch;
  /** What plans have beside the usual. */
  readonly plan?: Partial<EpochPlan>;
  /** What the plan of an epoch becomes where something was measured of it. */
  readonly resize?: (event: Measuring) => Partial<EpochPlan> | undefined;
  /** What it runs on. */
  readonly instance?: Instance;
  /** When to save; at the end of each epoch where nothing is said. */
  readonly saving?: Saving;
  /** For how long the job's budget pays for the instance. */
  readonly budgetSeconds?: number;
  /** Answers in place of the script, where it gives an answer. */
  readonly answer?: Answering;
}

/** An attempt with all that is around it: a store, a job's folder, and a Review that follows a script. */
export class Scene implements Reviewer {
  /** What the attempt did, in order: `report 1`, `commit 1` … */
  readonly happened: string[] = [];
  readonly sent: SentEvent[] = [];
  readonly departure = new Departure();
  readonly root: string;
  readonly folder: string;
  readonly source: string;
  store: ObjectStore;
  output = "";
  trainers: number[] = [];
  readonly #options: SceneOptions;
  readonly #watchers: { text: string; seen: () => void }[] = [];

  constructor(root: string, store: ObjectStore, options: SceneOptions) {
    this.root = root;
    this.folder = join(root, "attempt");
    this.source = join(root, "source");
    this.store = store;
    this.#options = options;
  }

  get job(): TrainingJobInput {
    const { command, job } = this.#options;
    return { name: "digits", epochs: 9, seed: 7, ...job, command: [...command] };
  }

  get environment() {
    return {
      run,
      attempt,
      sequence: 1,
      store: this.store.address,
      folder: this.folder,
      batchJobId,
      metadata: undefined,
      scratch: undefined,
      review: undefined,
    };
  }

  /** Trains as the agent does. */
  async run(): Promise<AttemptEnd> {
    return await runAttempt({
      environment: this.environment,
      instance: this.#options.instance,
      store: this.store,
      reviewer: this,
      log: new AttemptLog(this.store, run, attempt, batchJobId),
      output: (chunk) => {
        this.said(Buffer.from(chunk).toString());
        return undefined;
      },
      departure: this.departure,
      onTrainer: (pid) => this.trainers.push(pid),
      pythonHelper,
    });
  }

  async review({ event }: AttemptRequest): Promise<ReviewReply> {
    this.sent.push(event);
    this.happened.push(wordsOf(event));
    const answer = (await this.#options.answer?.(event)) ?? this.#usual(event);
    if (answer.action !== "begin") return { answer };
    return { answer, job: this.job, source: { folder: this.source } };
  }

  /** Takes note of output. */
  said(text: string): void {
    this.output += text;
    for (const { text: expected, seen } of this.#watchers) if (this.output.includes(expected)) seen();
  }

  /** Settles when the trainer has said so. */
  async saying(text: string): Promise<void> {
    if (this.output.includes(text)) return;
    await new Promise<void>((seen) => this.#watchers.push({ text, seen }));
  }

  manifest(name: string): Promise<Manifest | undefined> {
    return readManifest(this.store, run, name);
  }

  /** A file of a checkpoint. */
  async saved(name: string, path: string): Promise<string> {
    const file = (await this.manifest(name))?.files.find((candidate) => candidate.path === path);
    const object = file === undefined ? undefined : await this.store.read(file.key);
    if (object === undefined) throw new Error(`there is no ${path} in checkpoint ${name}`);
    return Buffer.from(object.bytes).toString();
  }

  /** The attempt's log, as it is in the store. */
  async log(): Promise<string> {
    let text = "";
    for await (const { key } of this.store.list(`attempts/${run}/${attempt}/${batchJobId}/log/`))
      text += Buffer.from((await this.store.read(key))?.bytes ?? []).toString();
    return text;
  }

  #plan(epoch: number): EpochPlan {
    const { job = {}, plan } = this.#options;
    const batch = job.batchSize === undefined ? {} : { batchSize: 32, microBatchSize: 16, accumulation: 2 };
    const checkpoint = job.checkpoint !== "none";
    return { epoch, seed: 7, ...batch, learningRateScale: 0.5, checkpoint, ...plan };
  }

  #usual(event: SentEvent): ReviewAnswer {
    const sequence = this.sent.length;
    const { restore, epochs = 2 } = this.#options;
    const first = restore === undefined ? 1 : 2;
    if (event.type === "started") {
      const one = { index: 0, count: 1 };
      const plan = this.#plan(first);
      const { partial, budgetSeconds } = this.#options;
      const restored = restore === undefined ? {} : { restore: partial ? `2-1-${partial.step}` : "1-1" };
      const assignment = {
        run,
        attempt,
        generation: 1,
        worker: one,
        shard: one,
        ...restored,
        plan,
        saving: this.#options.saving ?? ({ epochEnds: "always" } as const),
        ...(budgetSeconds === undefined ? {} : { budgetSeconds }),
        jobDigest,
      };
      return { action: "begin", sequence, assignment };
    }
    if (event.type === "report") {
      const { epoch } = event.report;
      return epoch >= first + epochs - 1
        ? { action: "finish", sequence, reason: "the segment ends" }
        : { action: "train", sequence, plan: this.#plan(epoch + 1) };
    }
    if (event.type === "measured") {
      const { resize } = this.#options;
      return { action: "train", sequence, plan: { ...this.#plan(event.epoch), ...resize?.(event) } };
    }
    if (event.type === "commit") return { action: "committed", sequence, remove: [] };
    return { action: "noted", sequence };
  }
}

function wordsOf(event: SentEvent): string {
  if (event.type === "report") return `report ${event.report.epoch}`;
  if (event.type === "commit")
    return `commit ${event.epoch}${event.step === undefined ? "" : ` step ${event.step}`}`;
  if (event.type === "measured") return `measured ${event.epoch} step ${event.step}`;
  if (event.type === "ended") return `ended ${event.outcome.result}`;
  return event.type;
}

/** Makes scenes whose folders are gone after each test of the file that calls this. */
export function scenes(): (options: SceneOptions) => Promise<Scene> {
  const roots: string[] = [];
  afterEach(async () => {
    for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  return async (options) => {
    const root = await mkdtemp(join(tmpdir(), "pawl-agent-"));
    roots.push(root);
    const store = await openFolderStore(join(root, "store"));
    const scene = new Scene(root, store, options);
    for (const folder of [scene.folder, scene.source]) await mkdir(folder);
    for (const [path, text] of Object.entries(options.files ?? {}))
      await writeFile(join(scene.source, path), text);
    if (options.restore !== undefined) await saveRestored(scene, root, options.restore, options.partial);
    return scene;
  };
}

async function saveRestored(
  scene: Scene,
  root: string,
  files: Readonly<Record<string, string>>,
  partial: PartialEpoch | undefined,
) {
  const folder = join(root, "restored");
  await mkdir(folder);
  for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
  const reports = [{ epoch: 1, metrics: {}, seconds: 1 }];
  const at = "2026-11-21T10:00:00.000Z";
  const what = { run, attempt: 1, folder, jobDigest, at, reports };
  await saveCheckpoint(
    scene.store,
    partial === undefined ? { ...what, epoch: 1 } : { ...what, epoch: 2, partial },
  );
}

/** Whether a process lives; a zombie does not. */
export async function lives(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/^\S+ \(.*\) Z/.test(stat);
}
