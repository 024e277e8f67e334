import { stripVTControlCharacters } from "node:util";
import type { Evidence } from "../core/events.ts";
import { type FailureClass, failureRule } from "../core/failure.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import type { RunState } from "../core/run-state.ts";

/** How many of a trainer's last lines are shown. */
const shownLines = 10;

/** Ends that are nobody's fault: the attempt was asked to go. */
const leaving = new Set(["interrupted", "left", "duplicate"]);

export interface EndedAttempt {
  readonly attempt: number;
  /** The failure's class, or why the attempt left. */
  readonly result: string;
  readonly message: string;
  readonly logTail: readonly string[];
}

/** A line as a terminal would show it in the end: without colours, and without what a progress bar drew over. */
const plain = (line: string): string =>
  stripVTControlCharacters(line)
    .replace(/\r+$/, "")
    .split("\r")
    .at(-1)
    ?.replaceAll("\t", "  ")
    .replace(/[^\P{Cc}\n]/gu, "")
    .trimEnd() ?? "";

/** `text` on one line, without the stack trace of an error that nobody foresaw: that is in the journal. */
export const oneLine = (text: string): string =>
  plain(text.replace(/\n\s+at .*/g, "").replace(/\s*\n\s*/g, " "));

/** The last lines that a trainer printed, without the empty ones at the end. */
export function lastLines(logTail: readonly string[]): string[] {
  const lines = logTail.map(plain);
  while (lines.at(-1) === "") lines.pop();
  return lines.slice(-shownLines);
}

/** What became of an attempt that did not end well: one line on it, then its trainer's last lines. */
export function endedLines({ attempt, result, message, logTail }: EndedAttempt): string[] {
  if (leaving.has(result)) return [`attempt ${attempt} left: ${oneLine(message)}`];
  const lines = lastLines(logTail);
  const what = `attempt ${attempt} failed: ${result}: ${oneLine(message)}`;
  // The message quotes the last line, which stands below it here.
  const quoted = `; its last line: ${lines.at(-1)?.trim()}`;
  const told = what.endsWith(quoted) ? what.slice(0, -quoted.length) : what;
  return [told, ...lines.map((line) => `│ ${line}`)];
}

const settledWords = ({ attempt, class: name, message }: Omit<FailureWords, "why" | "next">): string =>
  `attempt ${attempt}: ${name}: ${message}`;

/** `reason` without one of its parts, which `; ` stands between. */
const without = (reason: string, part: string): string =>
  reason.includes(`; ${part}`)
    ? reason.replace(`; ${part}`, () => "")
    : reason.replace(part, () => "").replace(/^[;.]? /, "");

function evidenceOf({ event }: JournalEntry): readonly Evidence[] {
  if (event.type === "open") return event.evidence;
  return event.type === "failed" || event.type === "trained" ? [event.evidence] : [];
}

/** Why what followed a failure was decided, without the words that tell of the failure. */
export const whyWords = (
  failure: Pick<FailureWords, "attempt" | "class" | "message">,
  reason: string,
): string => oneLine(without(reason, settledWords(failure)));

/** A decision on attempts that failed: these, and what was decided, without the words that tell of them again. */
export function decisionWords(entry: JournalEntry): { failed: Evidence[]; rest: string } {
  const { reason, kind } = entry.decision;
  const failed = evidenceOf(entry).filter(
    (evidence) => !leaving.has(evidence.class) && reason.includes(settledWords(evidence)),
  );
  if (kind === "gave-up") return { failed, rest: `gave up: ${failureWords(entry.state)?.why ?? reason}` };
  const rest = failed.reduce((text, each) => without(text, settledWords(each)), reason);
  return { failed, rest: oneLine(rest) };
}

export interface FailureWords {
  readonly attempt: number;
  readonly class: FailureClass;
  readonly message: string;
  /** Why no other attempt follows. */
  readonly why: string;
  /** What the person can do. */
  readonly next: string;
}

/** Why a run failed; `undefined` for one that has not. */
export function failureWords({ status, failures, ending = "" }: RunState): FailureWords | undefined {
  const last = failures.recent.at(-1);
  if (status !== "failed" || last === undefined) return undefined;
  const { next } = failureRule(last.class);
  const { attempt, message } = last;
  const told = oneLine(without(without(ending, settledWords(last)), next));
  // How long it lived stands in its own line.
  const why = told.replace(/^after [^;]* lost; /, "").replace(/[;.\s]+$/, "");
  return { attempt, class: last.class, message: oneLine(message), why, next };
}
