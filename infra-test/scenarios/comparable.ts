import type { RunEvent } from "../../core/events.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import type { EpochReport } from "../../core/report.ts";
import type { RunState } from "../../core/run-state.ts";

/**
 * A journal as lines that are the same wherever the run was trained: without times, ids, random draws, hosts, durations,
 * markets and the drivers' names. What an attempt reports and what it commits are two streams that pass each other as
 * uploads take their time: they are put in the order of their epochs.
 */
export function comparable(journal: readonly JournalEntry[]): string[] {
  const drivers = new Map<string, string>();
  const ordered = inOrder(journal);
  for (const { state } of journal) {
    drivers.set(state.driver.execution, `no. ${state.generation}`);
    if (state.successor !== undefined) drivers.set(state.successor, `no. ${state.generation + 1}`);
  }
  return ordered.map((entry) => line(entry, drivers));
}

const isStream = ({ event }: JournalEntry): boolean =>
  event.type === "report" || event.type === "measured" || event.type === "commit";

/** Each stretch of reports, measurements and commits by epoch, an epoch's report before its commit. */
function inOrder(journal: readonly JournalEntry[]): JournalEntry[] {
  const ordered: JournalEntry[] = [];
  let stretch: JournalEntry[] = [];
  const flush = () => {
    ordered.push(...stretch.toSorted((a, b) => place(a.event) - place(b.event)));
    stretch = [];
  };
  for (const entry of journal) {
    if (!isStream(entry)) flush();
    (isStream(entry) ? stretch : ordered).push(entry);
  }
  flush();
  return ordered;
}

const place = (event: RunEvent): number => {
  if (event.type === "report") return 2 * event.report.epoch;
  // In the epoch after the one that may still be on its way.
  if (event.type === "measured") return 2 * event.epoch - 0.5;
  return event.type === "commit" ? 2 * event.epoch + 1 : 0;
};

function line({ event, decision, state }: JournalEntry, drivers: ReadonlyMap<string, string>): string {
  const what = `${event.type} → ${decision.kind}`;
  return `${what}: ${normalised(decision.reason, drivers)}${brought(event)} [${standing(event, state)}]`;
}

/** What the event brings, where the reason does not say it. */
function brought(event: RunEvent): string {
  if (event.type === "report") return ` ${metricsOf(event.report)}`;
  if (event.type !== "commit" || event.checkpoint === null) return "";
  const { files, refersTo, reports } = event.checkpoint;
  const referred = refersTo.length === 0 ? "" : `, of them in ${refersTo.join(" ")} too`;
  return ` {files ${files}${referred}, ${reports.map((report) => `epoch ${report.epoch} ${metricsOf(report)}`).join(", ")}}`;
}

/** To six digits: mathematics libraries differ in the last one. */
const metricsOf = ({ metrics }: EpochReport): string =>
  JSON.stringify(metrics, (_, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value));

/** Where the run stands after it; a report says nothing of what is committed by then. */
function standing(event: RunEvent, state: RunState): string {
  const { status, generation, live, failures, memory, progress, next } = state;
  const wall = memory?.at(-1)?.wall;
  if (event.type === "report" || event.type === "measured") return `generation ${generation}`;
  const { epoch, examples, partial } = progress;
  return [
    status,
    `generation ${generation}`,
    `epoch ${epoch}${partial === undefined ? "" : " and a part"}`,
    `${examples} examples`,
    `live ${live.map(({ number }) => number).join(" ") || "none"}`,
    `failures ${failures.total}`,
    ...(wall === undefined ? [] : [`micro-batch at most ${Math.floor(wall / 2)}`]),
    `next ${next.action}`,
  ].join(", ");
}

const number = "\\d+(?:\\.\\d+)?";
const duration = new RegExp(`\\b${number} (?:ms|s|min|h|d)(?: ${number} (?:ms|s|min|h))*\\b`, "g");
const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** A reason's words without what differs from one time, machine or market to another. */
function normalised(reason: string, drivers: ReadonlyMap<string, string>): string {
  let text = reason;
  for (const [name, words] of [...drivers].toSorted(([a], [b]) => b.length - a.length)) {
    text = text.replaceAll(name, words);
  }
  return text
    .replace(uuid, "ID")
    .replaceAll(/\bi-[0-9a-f]+\b/g, "INSTANCE")
    .replace(duration, "TIME")
    .replaceAll(/(nothing|TIME of training) lost/g, "what was not saved is lost")
    .replaceAll(/, on (spot|demand)\b/g, "")
    .replaceAll(/\bstep \d+/g, "step STEP")
    .replaceAll(/\b(\d+-\d+)-\d+\b/g, "$1-STEP")
    .replaceAll(/\.py:\d+/g, ".py:LINE")
    .replaceAll(/\$?\d+(\.\d+)? USD/g, "MONEY");
}
