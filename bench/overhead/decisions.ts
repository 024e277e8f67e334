import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultLimits } from "../../core/decision.ts";
import type { TrainingJobInput } from "../../core/job.ts";
import type { Outcome } from "../../core/outcome.ts";
import { openRun } from "../../lambdas/open.ts";
import type { Ports } from "../../lambdas/ports.ts";
import { reviewAttempt, reviewRun } from "../../lambdas/review.ts";
import { saveCheckpoint } from "../../store/checkpoints.ts";
import { openJournal } from "../../store/journal.ts";
import { openStore } from "../../store/open-store.ts";
import type { Measured } from "./measured.ts";

const epochs = 200;
const run = "decided-1";
const job: TrainingJobInput = { name: "decided", command: ["true"], epochs, segment: 1 };

/**
 * What a function takes for one decision, its entry durable in the journal: Open, then for each of 200 epochs, each
 * an attempt of its own, the claim, the report, the commit, the outcome, and Review of the whole.
 */
export async function decisions(folder: string): Promise<Measured> {
  const store = await openStore(join(folder, "decisions"));
  const ports: Ports = {
    store,
    journal: openJournal(store),
    liveness: { check: async (_run, driver) => ({ alive: false, who: driver.execution }) },
    jobs: { look: async () => ({ running: false }), end: async () => ({ running: false }) },
    now: () => new Date(),
    random: Math.random,
    limits: defaultLimits,
  };
  const names = ["Open", "the claim", "the report", "the commit", "the outcome", "Review of the segment"];
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  let sequence = 0;
  const timed = async <Result>(name: string, decide: () => Promise<Result>): Promise<Result> => {
    const started = performance.now();
    const result = await decide();
    times.get(name)?.push(performance.now() - started);
    sequence += 1;
    return result;
  };
  const opening = { input: { job, run }, driver: { id: "bench", execution: "bench" } };
  await timed("Open", () => openRun(ports)(opening));
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const own = { run, attempt: epoch, batchJobId: `job-${epoch}` };
    const ask = (event: object) => reviewAttempt(ports)({ sequence, event: { ...own, ...event } });
    const report = { epoch, metrics: { loss: 1 / epoch }, seconds: 0 };
    await timed("the claim", () => ask({ type: "started" }));
    await timed("the report", () => ask({ type: "report", report }));
    const checkpoint = await save(ports, folder, epoch, report);
    await timed("the commit", () => ask({ type: "commit", epoch, checkpoint, removed: [] }));
    const at = new Date().toISOString();
    const outcome: Outcome = {
      ...{ version: 1, ...own, result: "done", message: "trained" },
      ...{ logTail: [], startedAt: at, endedAt: at },
    };
    await timed("the outcome", () => ask({ type: "ended", outcome, removed: [] }));
    const trained = { run, generation: 1, sequence, attempt: epoch, result: { jobId: own.batchJobId } };
    await timed("Review of the segment", () => reviewRun(ports)({ trained }));
  }
  return {
    samples: [...times.values()].flat(),
    parts: names.map((name) => ({ name, samples: times.get(name) ?? [] })),
  };
}

async function save(
  { store }: Ports,
  folder: string,
  epoch: number,
  report: { epoch: number; metrics: Record<string, number>; seconds: number },
): Promise<string> {
  const saves = join(folder, "saves", String(epoch));
  await mkdir(saves, { recursive: true });
  await writeFile(join(saves, "state.json"), String(epoch));
  const at = new Date().toISOString();
  const jobDigest = "0".repeat(64);
  const saved = { run, attempt: epoch, epoch, folder: saves, jobDigest, at, reports: [report] };
  return (await saveCheckpoint(store, saved)).name;
}
