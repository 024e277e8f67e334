import { type ExitCode, exitCodes, PawlError } from "../core/errors.ts";
import type { TrainingJob, TrainingJobInput } from "../core/job.ts";
import { jobDigest } from "../core/job-digest.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import type { JobSource } from "../core/source.ts";
import type { LocalBatchControl } from "../local/batch.ts";
import { trainLocally } from "../local/training.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Console, OptionValues } from "./commands.ts";
import { onInterrupt } from "./interrupt.ts";
import { nextCommand } from "./next-command.ts";
import { Progress } from "./progress.ts";
import { heldNext, refusal } from "./refusal.ts";
import { renderSummary, summarizeRun } from "./summary.ts";

export interface Following {
  readonly store: ObjectStore;
  readonly run: string;
  readonly job: TrainingJob;
  readonly given: { job: TrainingJobInput; source: JobSource; acceptChanges: boolean } | undefined;
  readonly options: OptionValues;
  readonly console: Console;
  /** Sees each journal entry, with the machine's Batch at hand. */
  readonly onEntry?: (entry: JournalEntry, batch: LocalBatchControl) => void;
}

/** Trains a run on this machine, shows what happens, and ends with its summary. */
export async function follow(following: Following): Promise<ExitCode> {
  const { store, run, job, given, options, console, onEntry } = following;
  const progress = new Progress(console, { verbose: options.verbose === true, epochs: job.epochs });
  const interrupt = new AbortController();
  let batch: LocalBatchControl | undefined;
  let decisions = 0;
  const restore = onInterrupt(
    () => {
      progress.note("stopping: saving what is trained (again to stop at once) …");
      interrupt.abort();
    },
    () => {
      batch?.killAll();
      progress.end();
      console.err(
        `stopped at once; '${nextCommand("resume", run, store)}' goes on from the last committed epoch`,
      );
    },
  );
  console.err(`run ${run}, job ${job.name} (${jobDigest(job).slice(0, 8)}), store ${store.address}`);
  try {
    const { result, state, error } = await trainLocally({
      store,
      run,
      acceptChanges: false,
      startAgain: options.startAgain === true,
      ...given,
      interrupt: interrupt.signal,
      isExecutionAlive: async (...of) => await (await import("./execution.ts")).isExecutionAlive(...of),
      onMessage: (message) => {
        progress.show(message);
        if (message.code === "stop.asked") {
          progress.note(`${message.stop.by} asks that it stop: saving what is trained …`);
        }
        if (message.code !== "journal.entry") return;
        decisions += 1;
        if (batch !== undefined) onEntry?.(message.entry, batch);
      },
      onBatch: (control) => {
        batch = control;
      },
    });
    progress.end();
    if (result === "interrupted" && state === undefined) {
      throw new PawlError("INTERRUPTED", `stopped before run ${run} began`, {
        next: "Run the same command again.",
      });
    }
    if (result === "refused" || state === undefined) throw refusal(error, following);
    // Ctrl-C can come when all is over.
    const over =
      state.status === "finished" || result === "stopped" || (state.status === "failed" && decisions > 0);
    const status = over ? state.status : "interrupted";
    const summary = summarizeRun(state, job, store.address, status);
    console.out(options.json === true ? JSON.stringify(summary) : renderSummary(summary, store));
    if (status === "interrupted") {
      console.err(`Run the same command again, or '${nextCommand("resume", run, store)}', to go on.`);
      return exitCodes.notFinished;
    }
    if (status === "stopped") return exitCodes.stopped;
    if (summary.failure !== undefined) console.err(summary.failure.next);
    if (status === "finished" && decisions === 0) {
      const again = given === undefined ? "'pawl train' with --new" : "the same command with --new";
      console.err(`It was finished already: nothing was trained. To begin another run: ${again}.`);
    }
    return status === "finished" ? exitCodes.done : exitCodes.runFailed;
  } catch (error) {
    if (!(error instanceof PawlError) || error.code !== "RUN_HELD") throw error;
    throw new PawlError("RUN_HELD", error.message, {
      next: heldNext(following),
      details: error.details,
      cause: error,
    });
  } finally {
    progress.end();
    restore();
  }
}
