import type { JournalEntry } from "../core/journal-entry.ts";
import type { EpochReport } from "../core/report.ts";
import { planInForce, type RunState } from "../core/run-state.ts";
import type { TrainingMessage } from "../local/training.ts";
import { type Colour, paint } from "./colour.ts";
import type { Console } from "./commands.ts";
import { decisionWords, type EndedAttempt, endedLines } from "./failure-words.ts";
import { duration, metricWords } from "./format.ts";

/** States that nobody needs to see pass. */
const quiet = new Set(["Next"]);

/** The width of the column that names the state. */
const labelWidth = 10;

const decisionColours: Partial<Record<JournalEntry["decision"]["kind"], Colour>> = {
  recovered: "yellow",
  waiting: "yellow",
  "took-over": "yellow",
  resized: "cyan",
  "gave-up": "red",
  finished: "green",
};

export interface ProgressOptions {
  readonly verbose: boolean;
  readonly epochs: number;
}

/**
 * Says what happens as it happens: a line for each state, epoch and decision; on a terminal a live line below them,
 * which is drawn over and over.
 */
export class Progress {
  readonly #console: Console;
  readonly #options: ProgressOptions;
  #state = "";
  /** The state's name, until the first line below it has shown it. */
  #label = "";
  #epoch = 1;
  #committed = 0;
  /** The last epoch that was told of. */
  #reported = 0;
  /** When what is being done now began. */
  #since = performance.now();
  /** Attempts whose failure has been told. */
  readonly #told = new Set<number>();
  /** Of the attempt that trains; absent where it is the trainer's own affair. */
  #batchSize: number | undefined;
  /** What an epoch took last, in seconds. */
  #epochSeconds: number | undefined;
  /** The live line as it stands there now. */
  #drawn = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(console: Console, options: ProgressOptions) {
    this.#console = console;
    this.#options = options;
    // What a trainer prints would be torn by a live line.
    if (console.interactive && !options.verbose) this.#timer = setInterval(() => this.#draw(), 200).unref();
  }

  show(message: TrainingMessage): void {
    switch (message.code) {
      case "state.entered":
        this.#enter(message.state);
        return;
      case "job.status": {
        const { attempt, jobId, status } = message.update;
        if (status === "RUNNING") this.#say(`attempt ${attempt} runs as Batch job ${jobId.slice(0, 8)}`);
        return;
      }
      case "trainer.output":
        if (this.#options.verbose) this.#console.errBytes(message.chunk);
        return;
      case "journal.entry":
        this.#entry(message.entry);
    }
  }

  /** Takes up a run that is in `state` already; its newest decision is so many seconds old. */
  goOn(state: string, run: RunState, secondsAgo: number): void {
    this.#state = state;
    this.#committed = run.progress.epoch;
    this.#batchSize = batchSizeOf(run);
    const reported = run.live.flatMap(({ pending }) => pending.map(({ report }) => report.epoch));
    this.#reported = Math.max(run.progress.epoch, ...reported);
    this.#epoch = Math.min(this.#reported + 1, this.#options.epochs);
    this.#epochSeconds = run.recent.at(-1)?.report.seconds;
    this.#since = performance.now() - secondsAgo * 1000;
  }

  /** A line that is not about the run itself. */
  note(text: string): void {
    this.#clear();
    this.#console.err(text);
  }

  /** Takes the live line away. */
  end(): void {
    this.#flushLabel();
    clearInterval(this.#timer);
    this.#clear();
    this.#timer = undefined;
  }

  #enter(state: string): void {
    if (quiet.has(state)) return;
    this.#flushLabel();
    this.#state = state;
    this.#label = state;
    this.#since = performance.now();
  }

  #entry(entry: JournalEntry): void {
    const { event, decision, state } = entry;
    this.#committed = state.progress.epoch;
    const before = this.#batchSize;
    this.#batchSize = batchSizeOf(state) ?? before;
    if (event.type === "started") {
      this.#epoch = state.progress.epoch + 1;
      this.#reported = state.progress.epoch;
      this.#since = performance.now();
      return;
    }
    if (event.type === "report") {
      this.#report(event.report);
      if (before !== undefined && this.#batchSize !== before)
        this.#say(decision.reason, decisionColours.resized);
      else if (decision.reason.includes("not reported")) this.#say(decision.reason);
      return;
    }
    if (event.type === "commit") {
      // The last report of a segment travels with its commit.
      for (const { report } of state.recent) if (report.epoch > this.#reported) this.#report(report);
      this.#say(decision.reason, "dim");
      return;
    }
    if (event.type === "ended") {
      const { outcome, attempt } = event;
      if (outcome.result !== "done") this.#ended({ ...outcome, attempt });
      return;
    }
    const { failed, rest } = decisionWords(entry);
    for (const { attempt, class: result, message } of failed) {
      if (!this.#told.has(attempt)) this.#ended({ attempt, result, message, logTail: [] });
    }
    this.#say(rest, decisionColours[decision.kind]);
  }

  #report({ epoch, metrics, seconds }: EpochReport): void {
    const words = [`epoch ${epoch}/${this.#options.epochs}`, metricWords(metrics), duration(seconds)];
    this.#say(words.filter((word) => word !== "").join("  "));
    this.#reported = epoch;
    this.#epochSeconds = seconds;
    this.#epoch = Math.min(epoch + 1, this.#options.epochs);
    this.#since = performance.now();
  }

  #ended(attempt: EndedAttempt): void {
    this.#told.add(attempt.attempt);
    const [first = "", ...lines] = endedLines(attempt);
    this.#say(first, "red");
    for (const line of lines) this.#say(`  ${line}`);
  }

  #say(text: string, colour?: Colour): void {
    this.#clear();
    const column = this.#label.padEnd(labelWidth);
    const label = this.#label === "" ? column : paint("cyan", column);
    this.#label = "";
    this.#console.err(`${label}${colour === undefined ? text : paint(colour, text)}`.trimEnd());
    this.#draw();
  }

  /** A state in which nothing was said is shown by its name alone. */
  #flushLabel(): void {
    if (this.#label !== "") this.#say("");
  }

  #draw(): void {
    if (this.#timer === undefined) return;
    const { epochs } = this.#options;
    const training = this.#state === "Train";
    const elapsed = duration((performance.now() - this.#since) / 1000, "coarse");
    const left = (this.#epochSeconds ?? 0) * (epochs - this.#committed);
    const parts = [
      `● ${training ? `epoch ${this.#epoch}/${epochs}` : this.#state.toLowerCase()}`,
      elapsed,
      `${this.#committed} committed`,
      bar(this.#committed, epochs),
      training && left >= 1 ? `about ${duration(left, "coarse")} left` : "",
    ];
    this.#live(parts.filter((part) => part !== "").join("  "));
  }

  #clear(): void {
    if (this.#timer !== undefined) this.#live("");
  }

  #live(line: string): void {
    if (line === this.#drawn) return;
    this.#drawn = line;
    this.#console.live(line);
  }
}

/** What the newest attempt that lives was told last. */
function batchSizeOf({ live }: RunState): number | undefined {
  const newest = live.at(-1);
  return newest === undefined ? undefined : planInForce(newest).batchSize;
}

const barWidth = 20;

const bar = (done: number, all: number): string => {
  const filled = Math.round((Math.min(done, all) / all) * barWidth);
  return `${"━".repeat(filled)}${"╌".repeat(barWidth - filled)}`;
};
