import * as z from "zod";
import { BatchChange } from "../core/batch-progress.ts";
import { exitCodes } from "../core/errors.ts";
import { FailureClass, recoveryActions } from "../core/failure.ts";
import type { AttemptHistory, FailureHistory } from "../core/history.ts";
import { Metrics } from "../core/report.ts";
import { Confidence, Sign } from "../core/sign.ts";
import { isUnderWay } from "../core/standing.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { actionWords } from "./action-words.ts";
import { changeHeads, changeRow } from "./batch-words.ts";
import type { CommandRun } from "./commands.ts";
import { lastLines, oneLine, whyWords } from "./failure-words.ts";
import { duration, metricWords, moment, table } from "./format.ts";
import { nextCommand } from "./next-command.ts";
import { type RunStory, readRun, readStory } from "./read-run.ts";
import { openStoreToRead } from "./runs.ts";
import { endedAs, standing, whoDrives } from "./standing.ts";
import { renderSummary, Summary, summarizeRun } from "./summary.ts";

/** How many epochs and decisions are shown without `--all`. */
const newest = 30;

const ShownEpoch = z.strictObject({
  epoch: z.int(),
  metrics: Metrics,
  examples: z.int().optional(),
  seconds: z.number(),
  /** The last one of the epoch. */
  batchSize: z.int().optional(),
  attempt: z.int(),
  /** `null` for trainers that keep nothing. */
  checkpoint: z.string().nullable(),
  committedAt: z.string(),
});

const ShownAttempt = z.strictObject({
  attempt: z.int(),
  batchJobId: z.string().optional(),
  submittedAt: z.string(),
  /** Absent until what it left is settled. */
  endedAt: z.string().optional(),
  /** `done`, `left`, `duplicate`, or a failure's class. */
  result: z.string().optional(),
  message: z.string().optional(),
  /** What it has committed. */
  epochs: z.array(z.int()),
  /** The last lines that its trainer printed, where it failed. */
  logTail: z.array(z.string()),
});

const ShownFailure = z.strictObject({
  attempt: z.int(),
  epoch: z.int().optional(),
  at: z.string(),
  class: FailureClass,
  confidence: Confidence.optional(),
  message: z.string(),
  evidence: z.array(Sign),
  lostSeconds: z.number(),
  /** What followed; absent where whoever started the run again settled it. */
  action: z.enum(recoveryActions).optional(),
  reason: z.string(),
  /** The decision's number in the journal. */
  sequence: z.int(),
});

/** What `show --json` prints. */
export const ShownRun = z.strictObject({
  ...Summary.shape,
  startedAt: z.string(),
  /** Counts those who have driven the run. */
  generation: z.int(),
  /** The execution that drove it last; whether it still does, and then who that is. */
  driver: z.strictObject({
    execution: z.string(),
    alive: z.boolean(),
    who: z.string().optional(),
    /** How its execution on AWS ended, where nobody drives the run and it is not at rest. */
    ended: z.string().optional(),
  }),
  /** Oldest first; the epochs are the committed ones. */
  history: z.strictObject({
    epochs: z.array(ShownEpoch),
    attempts: z.array(ShownAttempt),
    failures: z.array(ShownFailure),
    /** Changes of the batch size that followed what was measured, by their number. */
    batchSizes: z.array(BatchChange),
    decisions: z.array(
      z.strictObject({ sequence: z.int(), at: z.string(), kind: z.string(), reason: z.string() }),
    ),
  }),
});
export type ShownRun = z.infer<typeof ShownRun>;

/** `pawl show <name>`. */
export const show: CommandRun = async ({ args, options, console }) => {
  const name = args[0] ?? "";
  const store = await openStoreToRead(options, name);
  const journal = openJournal(store);
  const story = await readStory(journal, name, store);
  const { job } = await readRun(journal, name, store);
  const { alive, who } = await whoDrives(store, story.state);
  const { execution } = story.state.driver;
  const ended = alive ? undefined : await endedAs(story.state);
  const driver = { execution, alive, ...(alive ? { who } : {}), ...(ended === undefined ? {} : { ended }) };
  const summary = summarizeRun(story.state, job, store.address, standing(story.state, alive));
  if (options.json === true) {
    console.out(JSON.stringify(shownRun(story, summary, driver)));
    return exitCodes.done;
  }
  const shown = options.all === true ? Number.POSITIVE_INFINITY : newest;
  const words = standingWords(summary, driver, store);
  console.out(
    [renderSummary(summary, store, words), ...failure(story, summary), ...sections(story, shown, alive)].join(
      "\n\n",
    ),
  );
  return exitCodes.done;
};

function standingWords(
  { run, status, stop }: Summary,
  { who = "another", ended }: ShownRun["driver"],
  store: ObjectStore,
): string | undefined {
  const why = ended === undefined ? "" : `, since its execution ended (${ended})`;
  if (status === "interrupted")
    return `nobody trains it now${why}; '${nextCommand("resume", run, store)}' goes on`;
  if (!isUnderWay({ status })) return undefined;
  return stop === undefined ? `by ${who}` : `by ${who}; it stops, as ${stop.by} asked at ${moment(stop.at)}`;
}

function shownRun(story: RunStory, summary: Summary, driver: ShownRun["driver"]): ShownRun {
  const { state, decisions, outcomes } = story;
  const failures = story.failures.map((failure) => ({ ...failure, evidence: [...failure.evidence] }));
  const epochs = story.epochs.map(({ report, batchSize, attempt, checkpoint, committedAt }) => {
    // What was measured is much, and of use only as `pawl replay` tells it.
    const { measured: _measured, ...told } = report;
    return { ...told, batchSize, attempt, checkpoint, committedAt };
  });
  const attempts = story.attempts.map((attempt) => ({
    ...attempt,
    result: resultOf(attempt, story),
    logTail: outcomes.get(attempt.attempt)?.logTail ?? [],
  }));
  const { startedAt, generation } = state;
  const batchSizes = [...story.changes];
  const history = { epochs, attempts, failures, batchSizes, decisions };
  return { ...summary, startedAt, generation, driver, history };
}

/** By what was decided on it, or else by its own account: an interrupted one is settled only when the run goes on. */
const resultOf = ({ attempt, result }: AttemptHistory, { outcomes }: RunStory): string | undefined =>
  result ?? outcomes.get(attempt)?.result;

/** What the trainer of the attempt that a run failed with printed last, and what can be done. */
function failure({ outcomes }: RunStory, { failure }: Summary): string[] {
  if (failure === undefined) return [];
  const lines = lastLines(outcomes.get(failure.attempt)?.logTail ?? []);
  const printed = lines.map((line) => `  │ ${line}`);
  const head = lines.length === 0 ? [] : [`Attempt ${failure.attempt} printed last`, ...printed];
  return [[...head, failure.next].join("\n")];
}

/** Of an attempt that has said nothing of its end, only whether the run is driven (`alive`) tells if it still lives. */
function sections(story: RunStory, shown: number, alive: boolean): string[] {
  const { epochs, attempts, decisions } = story;
  const epochRows = epochs
    .slice(-shown)
    .map(({ report, attempt, checkpoint, batchSize }) => [
      `  ${report.epoch}`,
      metricWords(report.metrics),
      duration(report.seconds),
      batchSize === undefined ? "" : `batch size ${batchSize}`,
      `attempt ${attempt}`,
      checkpoint === null ? "" : `checkpoint ${checkpoint}`,
    ]);
  const attemptRows = attempts
    .slice(-shown)
    .map((attempt) => [
      `  ${attempt.attempt}`,
      moment(attempt.submittedAt),
      resultOf(attempt, story) ?? (alive ? "live" : "gone"),
      span(attempt.epochs),
      oneLine(attempt.message ?? ""),
    ]);
  const decisionRows = decisions
    .slice(-shown)
    .map(({ sequence, at, kind, reason }) => [`  ${sequence}`, moment(at), kind, oneLine(reason)]);
  return [
    section("Epochs", epochRows, epochs.length),
    section("Attempts", attemptRows, attempts.length),
    ...failureSections(story, shown),
    ...changeSections(story, shown),
    section("Decisions", decisionRows, decisions.length),
  ];
}

/** What became of each attempt that failed, why, and what was done about it; nothing where none has. */
function failureSections({ failures, decisions }: RunStory, shown: number): string[] {
  const rows = failures.slice(-shown).flatMap((failure) => {
    const { attempt, epoch, class: name, confidence, evidence, message, lostSeconds } = failure;
    const where = epoch === undefined ? "" : `, in epoch ${epoch}`;
    const sure = confidence === undefined ? "" : ` (confidence ${confidence})`;
    const signs = evidence.length === 0 ? [message] : evidence.map((sign) => `${sign.where}: ${sign.text}`);
    return [
      [`  ${attempt}`, "class", `${name}${sure}${where}`],
      ...signs.map((sign, index) => ["", index === 0 ? "evidence" : "", oneLine(sign)]),
      ["", "lost", duration(lostSeconds)],
      ["", "decision", followedBy(failure, decisions)],
      ["", "reason", whyWords(failure, failure.reason)],
    ];
  });
  return rows.length === 0
    ? []
    : [section("Failures", rows, failures.length, Math.min(shown, failures.length))];
}

/** Each change of the batch size that followed what was measured, and what came of it; nothing where none has. */
function changeSections({ changes }: RunStory, shown: number): string[] {
  if (changes.length === 0) return [];
  const rows = changes.slice(-shown).map(changeRow);
  return [section("Batch size", [[...changeHeads], ...rows], changes.length, rows.length)];
}

/** What followed a failure: where the run was to stop then, that comes before what its class asks for. */
function followedBy({ action, sequence }: FailureHistory, decisions: RunStory["decisions"]): string {
  const decided = decisions.find((decision) => decision.sequence === sequence);
  if (decided?.kind === "stopped") return "the run stops";
  return action === undefined ? "started again" : actionWords[action];
}

const section = (title: string, rows: string[][], total: number, shown = rows.length): string => {
  const hidden = total > shown ? ` (the newest ${shown} of ${total}; --all shows them all)` : "";
  return `${title}${hidden}\n${rows.length === 0 ? "  none" : table(rows)}`;
};

const span = (epochs: readonly number[]): string => {
  const [first, last] = [epochs[0], epochs.at(-1)];
  if (first === undefined) return "no epoch";
  return first === last ? `epoch ${first}` : `epochs ${first}–${last}`;
};
