import * as z from "zod";
import { errorTable, exitCodes } from "../../core/errors.ts";
import type { BadInput, Mode, Observed, WrongTrainer } from "./case.ts";

const ErrorAnswer = z.looseObject({
  error: z.looseObject({ code: z.string(), message: z.string().min(1), next: z.string().min(1) }),
});

/** Words that only a programmer understands. */
const programmersWords: readonly [what: string, test: RegExp][] = [
  ["a stack trace", /^\s+at .*(\.[cm]?[jt]s|node:|<anonymous>)/m],
  [
    "a programmer's words",
    /\[object |\bundefined\b|\bNaN\b|ZodError|TypeError|"code": "invalid_|This is a bug|\\n\s+at /,
  ],
  ["control characters", /(?!\n|\t)\p{Cc}/u],
];

/** What is not as it should be, in words; nothing where all is. */
export function judge(input: BadInput, mode: Mode, seen: Observed): string[] {
  const faults: string[] = [];
  const expected = errorTable[input.code];
  if (seen.exit === null) faults.push("it did not end by itself");
  else if (seen.exit !== expected) faults.push(`exit code ${seen.exit} instead of ${expected}`);
  const { stdout, stderr } = seen;
  faults.push(...printedFaults(input, `${stdout}\n${stderr}`));
  const error = messageOf(stderr, input.begun !== undefined);
  if (error === undefined) faults.push("stderr has not exactly one message that begins with 'error: '");
  for (const words of input.says) {
    if (error?.includes(words) !== true) faults.push(`the message does not say ${JSON.stringify(words)}`);
  }
  if (mode === "json") faults.push(...jsonFaults(input, stdout, error));
  else if (stdout !== "") faults.push(`stdout is not empty: ${JSON.stringify(stdout.slice(0, 80))}`);
  if (mode === "words" && error?.includes("\n") === false) faults.push("there is no next step");
  for (const change of seen.changes) {
    // Whoever has begun has taken the lease, and given it back.
    if (input.begun !== undefined && change.includes("/.internal/versions/leases/")) continue;
    faults.push(`half done: ${change}`);
  }
  if (seen.processes.length > 0) faults.push(`processes are left: ${seen.processes.join(", ")}`);
  return faults;
}

function printedFaults({ secrets = [] }: BadInput, text: string): string[] {
  const printed = programmersWords.filter(([, test]) => test.test(text)).map(([what]) => `it prints ${what}`);
  const told = secrets.some((secret) => text.includes(secret)) ? ["it prints a secret"] : [];
  return [...printed, ...told];
}

/** The one error on stderr, with its next step; `begun` lets other words stand before it. */
function messageOf(stderr: string, begun: boolean): string | undefined {
  const parts = stderr.split(/^error: /m);
  const [before = "", message] = parts;
  if (parts.length !== 2 || message === undefined) return undefined;
  return before === "" || begun ? message.trimEnd() : undefined;
}

function jsonFaults(input: BadInput, stdout: string, told: string | undefined): string[] {
  const faults: string[] = [];
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return [`stdout is not one JSON object: ${JSON.stringify(stdout.slice(0, 80))}`];
  }
  const parsed = ErrorAnswer.safeParse(answer);
  if (!parsed.success) return ["the JSON has no error with code, message and next"];
  const { code, message, next } = parsed.data.error;
  if (code !== input.code) faults.push(`code ${code} instead of ${input.code}`);
  if (!/[.…]$/.test(next)) faults.push(`the next step is no sentence: ${JSON.stringify(next)}`);
  if (told !== `${message}\n${next}`) faults.push("stderr says something else than the JSON");
  return faults;
}

const FailedRun = z.looseObject({
  status: z.literal("failed"),
  failure: z.looseObject({ class: z.string(), why: z.string().min(1), next: z.string().min(1) }),
});

/** The same of a run that must fail: the trainer's own words are told, and nothing goes on behind them. */
export function judgeFailed(
  input: WrongTrainer,
  mode: Mode,
  { exit, stdout, stderr, processes }: Observed,
): string[] {
  const faults: string[] = [];
  if (exit === null) faults.push("it did not end by itself");
  else if (exit !== exitCodes.runFailed) faults.push(`exit code ${exit} instead of ${exitCodes.runFailed}`);
  for (const words of input.says) {
    if (!stderr.includes(words)) faults.push(`stderr does not say ${JSON.stringify(words)}`);
  }
  if (!stderr.includes(`failed: ${input.failed}: `)) faults.push(`it is not called ${input.failed}`);
  if (/This is a bug|\[object |unhandled/i.test(stderr)) faults.push("it prints a programmer's words");
  if (mode === "json" && !FailedRun.safeParse(parsedOrNothing(stdout)).success)
    faults.push("the JSON does not tell of the failure");
  if (processes.length > 0) faults.push(`processes are left: ${processes.join(", ")}`);
  return faults;
}

function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error that the trainer printed. */
export const failedHeadline = ({ stderr }: Observed): string =>
  (/│ *(\S*Error: .*)/.exec(stderr) ?? / failed: \S+ (.*)/.exec(stderr))?.[1] ?? "";

/** The first line of the message; where that only begins a list, with the list's first. */
export const headline = ({ stderr }: Observed): string =>
  (/^error: (.*:\n.*|.*)$/m.exec(stderr)?.[1] ?? stderr.split("\n")[0] ?? "").trim().replace(/\s+/g, " ");
