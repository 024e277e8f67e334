// Does a long run cost more at its end than at its start, and how soon does it go on after a kill?
//
// Method: a trainer that does nothing, each epoch reported, saved (one small file) and committed durably (fsync). The
// cost of an epoch is the time between two commits in the journal. Near the end the runner is killed with SIGKILL, and the
// same command is started again: "resume" is from the start of that process to the claim of the new attempt, which has
// then restored nothing yet, and to its first report. Beside it, in the same run and on the same disk, the bare cost of what
// an epoch writes: five files of such sizes, each written, fsynced and linked to its name.
import { spawn } from "node:child_process";
import { link, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { table } from "../cli/format.ts";
import { readJobFile } from "../cli/job-file.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { openJournal } from "../store/journal.ts";
import { openStore } from "../store/open-store.ts";
import { median, quantile } from "./statistics.ts";

const { values: options } = parseArgs({
  options: { epochs: { type: "string", default: "10000" }, json: { type: "boolean", default: false } },
});
const epochs = Number(options.epochs);
const window = Math.max(20, Math.floor(epochs / 10));
const root = fileURLToPath(new URL("..", import.meta.url));
const run = "length-1";

function train(store: string) {
  const args = [
    join(root, "cli", "main.ts"),
    "train",
    join(root, "bench", "length", "pawl.yaml"),
    "--store",
    store,
  ];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Starts the run and kills its runner when `epoch` is reported. */
async function trainUntil(store: string, epoch: number): Promise<void> {
  const child = train(store);
  const seen = `epoch ${epoch}/`;
  await new Promise<void>((resolve) => {
    let shown = 0;
    child.stderr.on("data", (chunk: Buffer) => {
      const text = chunk.toString();
      if (text.includes(seen)) child.kill("SIGKILL");
      const at = Number(/epoch (\d+)\//.exec(text)?.[1] ?? 0);
      if (process.stderr.isTTY && at > shown + 100) {
        shown = at;
        process.stderr.write(`\repoch ${at} of ${epochs}`);
      }
    });
    child.once("close", () => resolve());
  });
}

/** Milliseconds between the commits of epochs `from` to `to`. */
function intervals(commits: ReadonlyMap<number, number>, from: number, to: number): number[] {
  const found: number[] = [];
  for (let epoch = from; epoch < to; epoch += 1) {
    const [at, next] = [commits.get(epoch), commits.get(epoch + 1)];
    if (at !== undefined && next !== undefined) found.push(next - at);
  }
  return found;
}

/** Milliseconds for the bare writes of one epoch. */
async function bareWrites(folder: string): Promise<number[]> {
  const sizes = [13, 600, 3500, 3500, 3500];
  const times: number[] = [];
  for (let epoch = 0; epoch < 200; epoch += 1) {
    const started = performance.now();
    for (const [index, size] of sizes.entries()) {
      const path = join(folder, `${epoch}-${index}`);
      const file = await open(`${path}.tmp`, "wx");
      await file.writeFile(Buffer.alloc(size, 120));
      await file.sync();
      await file.close();
      await link(`${path}.tmp`, path);
      await rm(`${path}.tmp`);
      const directory = await open(folder);
      await directory.sync();
      await directory.close();
    }
    times.push(performance.now() - started);
  }
  return times;
}

const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
try {
  const { job } = await readJobFile(join(root, "bench", "length", "pawl.yaml"));
  if (epochs > job.epochs) throw new RangeError(`--epochs: at most ${job.epochs}`);
  const storeFolder = join(folder, "store");
  const killAt = epochs - 10;
  await trainUntil(storeFolder, killAt);

  const resumedAt = Date.now();
  const second = train(storeFolder);
  second.stderr.resume();
  const secondEnded = new Promise((resolve) => second.once("close", resolve));
  const journal = openJournal(await openStore(storeFolder));
  const commits = new Map<number, number>();
  const entries: JournalEntry[] = [];
  const after = (kind: string) =>
    entries.find((entry) => Date.parse(entry.at) >= resumedAt && entry.decision.kind === kind);
  for (let sequence = 1; after("reported") === undefined; ) {
    const entry = await journal.entry(run, sequence);
    if (entry === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    if (entry.decision.kind === "committed") commits.set(entry.state.progress.epoch, Date.parse(entry.at));
    if (Date.parse(entry.at) >= resumedAt) entries.push(entry);
    sequence += 1;
  }
  second.kill("SIGKILL");
  await secondEnded;
  await new Promise((resolve) => setTimeout(resolve, 500));

  const start = intervals(commits, 20, 20 + window);
  const end = intervals(commits, killAt - window, killAt - 1);
  const bare = await bareWrites(folder);
  const figures = {
    epochs,
    startEpochMs: { median: median(start), p99: quantile(start, 0.99) },
    endEpochMs: { median: median(end), p99: quantile(end, 0.99) },
    endToStart: median(end) / median(start),
    bareWritesMs: { median: median(bare), p99: quantile(bare, 0.99) },
    resumeToClaimMs: Date.parse(after("claimed")?.at ?? "") - resumedAt,
    resumeToReportMs: Date.parse(after("reported")?.at ?? "") - resumedAt,
  };
  if (options.json) console.log(JSON.stringify(figures));
  else {
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    const row = (name: string, times: { median: number; p99: number }) => [
      name,
      ms(times.median),
      ms(times.p99),
    ];
    console.log(
      table([
        ["", "median", "p99"],
        row(`an epoch, epochs 20 to ${20 + window}`, figures.startEpochMs),
        row(`an epoch, epochs ${killAt - window} to ${killAt}`, figures.endEpochMs),
        row("the bare writes of an epoch", figures.bareWritesMs),
      ]),
    );
    console.log(`\nend to start: ${figures.endToStart.toFixed(2)}`);
    console.log(`killed at epoch ${killAt}; the same command again:`);
    console.log(`  to the claim of its attempt  ${ms(figures.resumeToClaimMs)}`);
    console.log(`  to its first reported epoch  ${ms(figures.resumeToReportMs)}`);
  }
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
