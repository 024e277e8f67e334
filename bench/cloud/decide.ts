// The functions' own work for each kind of decision, warm: `node decide.ts <bundles> <bucket> <epochs> times|requests`. The real
// bundles over a real store, each epoch an attempt of its own, every other one with a report of its own before the commit. Says
// what it measured on stderr, since the bundles' log goes to stdout: milliseconds, or requests to the journal, by kind.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Outcome } from "../../core/outcome.ts";
import { saveCheckpoint } from "../../store/checkpoints.ts";
import { openStore } from "../../store/open-store.ts";
import { type Counts, countingProxy, since } from "./counting-proxy.ts";

type Handler = (payload: unknown) => Promise<unknown>;

const [folder = "", bucket = "", count = "0", what = "times"] = process.argv.slice(2);
// Counting takes time: one process does one of the two.
const proxy = what === "requests" ? await countingProxy(process.env.AWS_ENDPOINT_URL ?? "") : undefined;
if (proxy !== undefined) process.env.AWS_ENDPOINT_URL = proxy.address;
const epochs = Number(count);
const run = `decided-${what}`;

const load = async (name: string): Promise<Handler> => {
  const bundle: { handler: Handler } = await import(join(folder, name, "index.mjs"));
  return bundle.handler;
};
const open = await load("open");
const review = await load("review");
const store = await openStore(`s3://${bucket}`);
const saves = await mkdtemp(join(tmpdir(), "pawl-bench-"));
await writeFile(join(saves, "state.json"), "{}");

const measured: Record<string, (number | { putOrList: number; get: number })[]> = {};
let sequence = 0;

const ofJournal = (counts: Counts) => {
  const of = (type: string) => counts.get(`journal ${type}`) ?? 0;
  return { putOrList: of("PUT") + of("LIST"), get: of("GET") };
};

const timed = async (kind: string, decide: () => Promise<unknown>): Promise<void> => {
  const before = proxy?.counts();
  const started = performance.now();
  await decide();
  const took = performance.now() - started;
  const one = before === undefined || proxy === undefined ? took : ofJournal(since(before, proxy.counts()));
  measured[kind] = [...(measured[kind] ?? []), one];
  sequence += 1;
};

try {
  const job = { name: "decided", command: ["true"], epochs, segment: 1 };
  const driver = { id: "arn:aws:states:us-east-1:000000000000:execution:Pawl-Runs:d", execution: "d" };
  await open({ input: { job, run }, driver });
  sequence += 1;
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const own = { run, attempt: epoch, batchJobId: `job-${epoch}` };
    const ask = (event: object) => review({ sequence, event: { ...own, ...event } });
    const report = { epoch, metrics: { loss: 1 / epoch }, seconds: 0 };
    await timed("claimed", () => ask({ type: "started" }));
    if (epoch % 2 === 0) await timed("reported", () => ask({ type: "report", report }));
    const at = new Date().toISOString();
    const saved = {
      run,
      attempt: epoch,
      epoch,
      folder: saves,
      jobDigest: "0".repeat(64),
      at,
      reports: [report],
    };
    const checkpoint = (await saveCheckpoint(store, saved)).name;
    await timed("committed", () => ask({ type: "commit", epoch, checkpoint, removed: [] }));
    const outcome: Outcome = {
      ...{ version: 1, ...own, result: "done", message: "trained" },
      ...{ logTail: [], startedAt: at, endedAt: at },
    };
    await timed("ended", () => ask({ type: "ended", outcome, removed: [] }));
    const trained = { run, generation: 1, sequence, attempt: epoch, result: { jobId: own.batchJobId } };
    await timed("attempt-planned", () => review({ trained }));
  }
} finally {
  await rm(saves, { recursive: true, force: true });
}
process.stderr.write(`${JSON.stringify(measured)}\n`, () => process.exit(0));
