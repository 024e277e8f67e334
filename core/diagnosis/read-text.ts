import { Outcome } from "../outcome.ts";
import { readBatchJob } from "./batch-job.ts";
import { type Fields, field, isFields, listField, type Parsed, parseJson, textField } from "./json.ts";
import { linesOf, plain } from "./plain.ts";
import { executionAborted, lambdaError } from "./state-machine.ts";
import type { Signals } from "./types.ts";

/** JSON can be quoted in JSON so often. */
const maxUnwrapped = 4;

/**
 * What anybody gives to be diagnosed, as signals: a Step Functions cause, what a Catch gives, an event of an execution's
 * history, a Batch job, an attempt's outcome, or a log. Whatever it is, no exception comes of it.
 */
export function readText(text: string): Signals {
  const content = text.replace(/^\uFEFF/, "");
  if (isJsonLines(content)) return readLines(linesOf(content));
  const parsed = parseJson(content);
  if (parsed === undefined) return readEmbedded(content) ?? { log: linesOf(content) };
  // A trainer that prints its figures as Python does prints a log.
  return (
    readValue(parsed, 0) ?? { log: /^\s*\{\s*'/.test(content) ? linesOf(content) : wordsIn(parsed.value) }
  );
}

/** JSON of a failure after a few words, as tools print it. */
function readEmbedded(text: string): Signals | undefined {
  const at = text.slice(0, 2000).search(/\{\s*\\?["']/);
  const named = /["'](?:[Ss]tatusReason|[Cc]ause|[Jj]obId|[Ss]toppedReason)\\?["']\s*:/;
  if (at < 0 || !text.trimEnd().endsWith("}") || !named.test(text.slice(at))) return undefined;
  const parsed = parseJson(text.slice(at));
  return parsed === undefined ? undefined : readValue({ ...parsed, whole: false }, 0);
}

/** Objects, one a line: jobs, or a log. */
export function isJsonLines(text: string): boolean {
  const end = text.indexOf("\n");
  if (end < 0 || !text.startsWith("{")) return false;
  return isFields(wholeJson(text.slice(0, end))) && wholeJson(text) === undefined;
}

function wholeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The last that is more than a line of a log; else what they say, and no other text in them. */
function readLines(lines: readonly string[]): Signals {
  const values = lines.slice(-400).map((line) => ({ line, value: wholeJson(line) }));
  for (const { value } of values.toReversed()) {
    const signals = isFields(value) ? readValue({ value, whole: true }, 0) : undefined;
    if (signals?.job !== undefined || signals?.outcome !== undefined) return signals;
  }
  return { log: values.flatMap(({ line, value }) => (isFields(value) ? wordsIn(value) : [line])) };
}

function readValue({ value, whole }: Parsed, depth: number): Signals | undefined {
  if (depth > maxUnwrapped) return undefined;
  if (typeof value === "string") {
    const inner = parseJson(value);
    return inner === undefined ? { log: linesOf(value) } : readValue(inner, depth + 1);
  }
  const outcome = Outcome.safeParse(value);
  if (outcome.success) return { outcome: outcome.data };
  return (
    fromAborted(value) ??
    fromError(value, whole) ??
    fromJob({ value, whole }) ??
    fromDetails(value, whole, depth)
  );
}

/** Whoever stops an execution gives an error and a cause in words of their own, or none. */
const fromAborted = (value: unknown): Signals | undefined =>
  textField(value, "status")?.toUpperCase() === "ABORTED"
    ? { caught: { error: executionAborted, cause: textField(value, "cause") } }
    : undefined;

const fromJob = ({ value, whole }: Parsed): Signals | undefined => {
  const job = readBatchJob(value, whole);
  return job === undefined ? undefined : { job };
};

/** `{"Error", "Cause"}` in either casing; the cause may be JSON that was parsed already. */
function fromError(value: unknown, whole: boolean): Signals | undefined {
  const error = field(value, "error");
  const cause = field(value, "cause");
  const lambda = lambdaError(value);
  if (lambda !== undefined) return { caught: { error: "Lambda.Error", cause: lambda } };
  if ((typeof error !== "string" || error === "") && cause === undefined) return undefined;
  const inside = typeof cause === "string" || cause === undefined ? cause : JSON.stringify(cause);
  const name = typeof error === "string" ? error : "";
  // A cause alone is a job's where it is one.
  const job = name === "" && inside !== undefined ? readWhole(inside, whole) : undefined;
  return job ?? { caught: { error: name, cause: inside } };
}

function readWhole(text: string, whole: boolean): Signals | undefined {
  const parsed = parseJson(text);
  return parsed === undefined ? undefined : fromJob({ value: parsed.value, whole: whole && parsed.whole });
}

/** An event of an execution's history, or an execution, has its error one level deeper. */
function fromDetails(value: unknown, whole: boolean, depth: number): Signals | undefined {
  if (!isFields(value)) return undefined;
  const status = textField(value, "status")?.toUpperCase();
  if (field(value, "executionArn") !== undefined || field(value, "stateMachineArn") !== undefined) {
    if (status === "TIMED_OUT") return { caught: { error: "States.Timeout" } };
    if (status === "SUCCEEDED" || status === "RUNNING")
      return fromJob({ value: { status, jobId: "" }, whole });
  }
  const last = [...listField(value, "events")].reverse().find((event) => detailsOf(event) !== undefined);
  const newest = listField(value, "events").at(-1);
  if ([value, newest].some((event) => textField(event, "type") === executionAborted)) {
    return {
      caught: { error: executionAborted, cause: textField(detailsOf(value) ?? detailsOf(newest), "cause") },
    };
  }
  const details = detailsOf(value) ?? detailsOf(last);
  return details === undefined ? undefined : readValue({ value: details, whole }, depth + 1);
}

function detailsOf(event: unknown): Fields | undefined {
  if (!isFields(event)) return undefined;
  const names = Object.keys(event).filter((name) => /details?$|^output$|^result$/i.test(name));
  for (const name of names.slice(0, 10)) {
    const details = event[name];
    if (isFields(details) && Object.keys(details).length > 0) return details;
  }
  return undefined;
}

const spoken = [
  "code",
  "errorDetail",
  "message",
  "msg",
  "log",
  "event",
  "text",
  "reason",
  "detail",
  "error",
  "exception",
];

/** Of an object that is none of these, the fields that people are meant to read. */
function wordsIn(value: unknown, depth = 0): string[] {
  const found = spoken.flatMap((name) => {
    const text = textField(value, name);
    const inside = field(value, name);
    if (text === undefined) return isFields(inside) && depth < 2 ? wordsIn(inside, depth + 1) : [];
    return linesOf(text);
  });
  return found.map((line) => plain(line));
}
