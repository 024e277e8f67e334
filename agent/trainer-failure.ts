import { constants } from "node:os";
import { classOfCode, isCrash } from "../core/diagnosis/exit-code.ts";
import { diagnoseLog, type LogDiagnosis } from "../core/diagnosis/log.ts";
import { plain } from "../core/diagnosis/plain.ts";
import { retryable } from "../core/diagnosis/retryable.ts";
import { trainerClass } from "../core/diagnosis/trainer-class.ts";
import { type FailureClass, failureRule } from "../core/failure.ts";
import type { Confidence, Sign } from "../core/sign.ts";
import { AttemptError } from "./attempt-error.ts";
import type { TrainerExit } from "./trainer-process.ts";

interface Finding {
  readonly class: FailureClass;
  readonly confidence: Confidence;
  readonly signs: readonly Sign[];
}

/** The kernel says that it killed something of ours for want of memory. What says nothing of that is then its consequence. */
const oomKill: Finding = {
  class: "container-oom",
  confidence: "high",
  signs: [{ where: "memory.events", text: "the kernel killed a process for want of memory (oom_kill)" }],
};

/** What broke before memory did, or has nothing to do with it. */
const otherCauses = new Set<FailureClass>(["gpu-oom", "hardware-gpu", "disk-full", "dependency-missing"]);

/** What an exit that is not 0 means, with the last lines of the trainer's output, the newest last. */
export function trainerFailure(exit: TrainerExit, lines: readonly string[]): AttemptError {
  const code = codeOf(exit);
  const log = diagnoseLog(lines);
  const named = fromLog(log, lines);
  const finding =
    exit.oomKilled === true && (named === undefined || !otherCauses.has(named.class))
      ? oomKill
      : (named ?? fromExit(exit, code));
  const ended =
    exit.signal === null ? `exited with code ${exit.exitCode}` : `was killed by ${exit.signal}${hint(exit)}`;
  const again = retryable(finding.class, finding.signs[0]?.text ?? "");
  return new AttemptError(finding.class, `the trainer ${ended}; ${said(lines, named && log)}`, {
    trainer: { exitCode: exit.exitCode, signal: exit.signal },
    confidence: finding.confidence,
    signs: [...finding.signs, { where: "trainer", text: ended }].slice(0, 5),
    ...(again === undefined ? {} : { retryable: again }),
    ...(log?.place === undefined ? {} : { place: log.place }),
  });
}

/** As a shell gives it, which says by 128 and more by which signal its command was killed. */
const codeOf = ({ exitCode, signal }: TrainerExit): number =>
  exitCode ?? (signal === null ? 1 : 128 + constants.signals[signal]);

/** Whoever sends SIGKILL leaves no word. */
const hint = ({ signal, oomKilled }: TrainerExit): string =>
  signal === "SIGKILL" && oomKilled !== true ? " (the kernel does that when memory runs out)" : "";

/** Whether `message` is among the last of `lines`; a launcher's report may follow. */
const isNear = (message: string, lines: readonly string[]): boolean =>
  lines.slice(-60).some((line) => plain(line).includes(message));

function fromLog(log: LogDiagnosis | undefined, lines: readonly string[]): Finding | undefined {
  if (log === undefined || log.confidence === "low") return undefined;
  const name = trainerClass(log.class);
  // Nobody gives up for what was said long before the end: the trainer has lived with it.
  const isLast = failureRule(name).after === "give-up" || retryable(name, log.message) === false;
  if (isLast && !isNear(log.message, lines)) return undefined;
  return name === "unknown" ? undefined : { class: name, confidence: log.confidence, signs: log.signs };
}

/** Where the log says nothing. SIGKILL alone says nothing either: not even that it was memory. */
function fromExit({ signal }: TrainerExit, code: number): Finding {
  if (isCrash(code)) return { class: "segfault/native-crash", confidence: "high", signs: [] };
  if (signal !== null || code === 137) return { class: "unknown", confidence: "low", signs: [] };
  const { class: name } = classOfCode(code);
  const own = name === "image-or-command-error" ? name : "user-exception";
  return { class: own, confidence: "low", signs: [] };
}

/** The line that says the cause, where it is not the last. */
function said(lines: readonly string[], named: LogDiagnosis | undefined): string {
  const last = lines
    .findLast((line) => line.trim() !== "")
    ?.trim()
    .slice(0, 500);
  if (last === undefined) return "it printed nothing";
  const cause = named === undefined || last.includes(named.message) ? "" : `the cause: ${named.message}; `;
  return `${cause}its last line: ${last}`;
}
