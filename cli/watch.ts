import * as z from "zod";
import { type ExitCode, exitCodes } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import { jobDigest } from "../core/job-digest.ts";
import { DecisionKind, type JournalEntry } from "../core/journal-entry.ts";
import { Metrics } from "../core/report.ts";
import { isUnderWay } from "../core/standing.ts";
import { readHead } from "../lambdas/journalled.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { CommandRun, Console } from "./commands.ts";
import { oneLine } from "./failure-words.ts";
import { age, count } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { JournalTail } from "./journal-tail.ts";
import { nextCommand } from "./next-command.ts";
import { Progress } from "./progress.ts";
import { openStoreToRead, runNotFound } from "./runs.ts";
import { whoDrives } from "./standing.ts";
import { renderSummary, type Summary, summarizeRun } from "./summary.ts";

/** What a line of `watch --json` is; the last line is the summary, as `train --json` prints it. */
export const WatchedDecision = z.strictObject({
  sequence: z.int(),
  at: z.string(),
  kind: DecisionKind,
  reason: z.string(),
  attempt: z.int().optional(),
  /** Of a report, or the last one of a commit; of what was measured. */
  epoch: z.int().optional(),
  metrics: Metrics.optional(),
});
export type WatchedDecision = z.infer<typeof WatchedDecision>;

/** `pawl watch <name>`. */
export const watch: CommandRun = async ({ args, options, console }) => {
  const run = args[0] ?? "";
  const store = await openStoreToRead(options, run);
  const first = await readNewest(store, run);
  const tail = new JournalTail(store, first.newest);
  const json = options.json === true;
  const leave = new AbortController();
  const view = json ? new JsonView(console, () => leave.abort()) : new LiveView(console, first.job.epochs);
  const restore = onInterrupt(
    () => leave.abort(),
    () => view.end(),
  );
  let status: Summary["status"] | undefined;
  try {
    if (!json) {
      console.err(
        `run ${run}, job ${first.job.name} (${jobDigest(first.job).slice(0, 8)}), store ${store.address}`,
      );
      if (isUnderWay(first.newest.state)) console.err(await whereItStands(store, first.newest, first.job));
    }
    view.begin(first.newest);
    while (!leave.signal.aborted) {
      for (const entry of await tail.more()) view.show(entry);
      status = await tail.settled();
      if (status !== undefined) break;
      await tail.wait(leave.signal);
    }
  } finally {
    view.end();
    restore();
  }
  if (status === undefined) {
    console.err(`no longer watching; training of run ${run} goes on`);
    return exitCodes.done;
  }
  // The job can have changed since, by a decision.
  const { newest, job } = await readNewest(store, run);
  const summary = summarizeRun(newest.state, job, store.address, status);
  console.out(json ? JSON.stringify(summary) : renderSummary(summary, store));
  if (status === "interrupted")
    console.err(`Nobody trains it now; '${nextCommand("resume", run, store)}' goes on.`);
  else if (summary.failure !== undefined) console.err(summary.failure.next);
  return watchExits[status];
};

const watchExits: Record<Summary["status"], ExitCode> = {
  finished: exitCodes.done,
  failed: exitCodes.runFailed,
  stopped: exitCodes.stopped,
  interrupted: exitCodes.notFinished,
  training: exitCodes.notFinished,
  waiting: exitCodes.notFinished,
};

/** Throws RUN_NOT_FOUND. */
async function readNewest(store: ObjectStore, run: string) {
  const journal = openJournal(store);
  const newest = await journal.newest(run);
  const head = newest && (await readHead({ journal }, run, newest.sequence));
  if (newest === undefined || head === undefined) throw await runNotFound(journal, run, store.address);
  return { newest, job: TrainingJob.parse(head.job) };
}

async function whereItStands(store: ObjectStore, { state, at, decision }: JournalEntry, job: TrainingJob) {
  const { alive, who } = await whoDrives(store, state);
  const by = alive ? `, by ${who}` : "";
  const committed = `${state.progress.epoch} of ${count(job.epochs, "epoch")} committed`;
  const ago = `${age((Date.now() - Date.parse(at)) / 1000)} ago`;
  return `${state.status}${by}: ${committed}; ${ago}: ${oneLine(decision.reason)}`;
}

/** The function that decides on an event of the state machine; of an attempt's events, none is entered. */
const functions: Partial<Record<JournalEntry["event"]["type"], string>> = {
  open: "Open",
  trained: "Review",
  failed: "Recover",
};

const following: Record<JournalEntry["state"]["next"]["action"], string> = {
  train: "Train",
  wait: "Wait",
  continue: "Continue",
  done: "Done",
  failed: "Failed",
};

/** What `pawl train` shows, made from the journal alone. */
class LiveView {
  readonly #progress: Progress;

  constructor(console: Console, epochs: number) {
    this.#progress = new Progress(console, { verbose: false, epochs });
  }

  begin(newest: JournalEntry): void {
    const { state, at } = newest;
    if (!isUnderWay(state)) return;
    this.#progress.goOn(following[state.next.action], state, (Date.now() - Date.parse(at)) / 1000);
  }

  show(entry: JournalEntry): void {
    const { event, state } = entry;
    const decider = functions[event.type];
    if (decider !== undefined) this.#progress.show({ code: "state.entered", state: decider });
    if (event.type === "started") {
      const update = { attempt: event.attempt, jobId: event.batchJobId, status: "RUNNING" as const };
      this.#progress.show({ code: "job.status", update });
    }
    this.#progress.show({ code: "journal.entry", entry });
    if (decider === undefined) return;
    this.#progress.show({ code: "state.entered", state: following[state.next.action] });
  }

  end(): void {
    this.#progress.end();
  }
}

/** The last epoch of a segment is reported by its commit alone. */
function metricsOf({ recent }: JournalEntry["state"], epoch: number): Pick<WatchedDecision, "metrics"> {
  const report = recent.find((committed) => committed.report.epoch === epoch)?.report;
  return report === undefined ? {} : { metrics: report.metrics };
}

class JsonView {
  readonly #console: Console;
  readonly #onUnread: () => void;

  /** `onUnread` is called when nobody reads stdout any more. */
  constructor(console: Console, onUnread: () => void) {
    this.#console = console;
    this.#onUnread = onUnread;
  }

  begin(newest: JournalEntry): void {
    this.show(newest);
  }

  show({ sequence, at, decision, event, state }: JournalEntry): void {
    const watched: WatchedDecision = {
      sequence,
      at,
      ...decision,
      ...("attempt" in event ? { attempt: event.attempt } : {}),
      ...(event.type === "measured" ? { epoch: event.epoch } : {}),
      ...(event.type === "report" ? { epoch: event.report.epoch, metrics: event.report.metrics } : {}),
      ...(event.type === "commit" ? { epoch: event.epoch, ...metricsOf(state, event.epoch) } : {}),
    };
    void this.#console.outBytes(Buffer.from(`${JSON.stringify(watched)}\n`)).then((read) => {
      if (!read) this.#onUnread();
    });
  }

  end(): void {}
}
