import type { FailureClass } from "../failure.ts";
import type { Confidence, Sign } from "../sign.ts";
import { ruleFor } from "./log-rules.ts";
import { lastRaised, placeOf, type Raised, withoutIgnored, withoutRank } from "./place.ts";
import { maxLineCharacters, plain } from "./plain.ts";
import type { LogRule, Weight } from "./rules/rule.ts";

/** So many of the last lines are looked at. */
const maxLines = 400;

export interface LogDiagnosis {
  readonly class: FailureClass;
  readonly confidence: Confidence;
  readonly signs: readonly Sign[];
  /** The line that says it. */
  readonly message: string;
  readonly place?: string;
}

interface Match extends Omit<LogRule, "forms"> {
  readonly at: number;
  readonly text: string;
}

/** An error that names itself, without a stack: what is left of a traceback that was cut. */
const bareError =
  /(?:^|[\])>:|-] |\bERROR[ :|-]{1,3})(?:(?:Uncaught|Caused by:|Exception in thread "[^"]{1,80}") )?(?:[A-Za-z_]\w{0,60}[.:]{1,2}){0,8}[A-Z]\w{0,60}(?:Error|Exception|Interrupt|Exit)(?::{1,2} \S|$)/;

/** Said of what is tried again, or done without: it need not be what ended everything. */
const survived =
  /\b(?:retry(?:ing)?\b(?! limit)|will (?:re)?try|trying again|attempt \d+ ?(?:of|\/) ?\d+|skipp(?:ing|ed)|fall(?:ing|s)? back|fallback|ignor(?:e|ed|ing)|recovered|some optimi[sz]ations|Error caught was|(?:will|is|are|has been|being) (?:be )?disabled|(?:is|are) optional|using .{1,40} instead|continuing|restarted successfully)\b/i;

/** Only told of: NCCL says what it tried to load, a list of tests what each is called, and a counter that it is 0. */
const told =
  /\bNCCL INFO\b|^[\w .\-/]{1,60}[:=]\s*(?:0|no|none|n\/a|false|off|disabled)$|\b(?:PASSED|XFAIL|SKIPPED|ok)\b\s*(?:\[\s*\d+%\])?$|^(?:---? )?PASS(?:ED)?:? /i;

/** That training goes on with numbers that are numbers. */
const finite = /\bloss\w{0,20}['"]?\W{1,4}\d/i;

/** That something goes on: after it, a warning has been survived. */
const progress =
  /\b(?:epoch|step|iter(?:ation)?|batch|round|global_step)s?\b\W{0,4}\d+|\bloss\W{1,4}\d|\d%\|/i;

/** That all went well in the end. */
const success =
  /\b(?:training|fine-?tuning|run|job|pipeline|experiment|trial|process|workflow|script|everything|all \w+)\b.{0,30}\b(?:complete[d]?|finished|succeeded|successful(?:ly)?|done)\b(?!.{0,40}\b(?:un|not|error|fail|exit|cod))|^(?:\W|\d|INFO)*(?:done|success|finished|completed(?: successfully)?)[.! ]*$|\b(?:exit(?:ed)?|finished|completed|terminated)\b.{0,20}\b(?:code|status)[ :=]{1,3}0\b|Command exited with return code 0/i;

/** So many lines of progress after it, and it was not the end. */
const enoughProgress = 5;

/** A warning is not what ended the process, as a rule; NCCL warns of everything. */
const warning =
  /^(?!.{0,200}NCCL WARN)(?:.{0,120}\b(?:WARN|WARNING|\w*Warning|INFO|DEBUG)\b|.{0,40}\b[WI] (?:external|tensorflow|xla)\/)/;

/** So far before the last error, something else went on well in between. */
const staleLines = 100;

const weights: Readonly<Record<Weight, number>> = {
  root: -1,
  cause: 0,
  crash: 0.5,
  symptom: 1,
  echo: 1.5,
  hint: 3,
  guess: 4,
};
/** An error of the trainer's own that says no class: it counts for more than a hint. */
const plainError = 2;

/**
 * What the end of a log says of how its process failed: the cause rather than what followed from it. `undefined` where it
 * says nothing. The work is bounded, whatever the lines hold.
 */
export function diagnoseLog(all: readonly string[]): LogDiagnosis | undefined {
  const lines = withoutIgnored(all.slice(-maxLines).map(readable)).map(withValue);
  const raised = lastRaised(lines);
  const course = readCourse(lines);
  const matches = lines.flatMap((text, at) => match(text, at, raised, course));
  const strongest = Math.min(...matches.map(rank));
  const best = matches.findLast((found) => rank(found) === strongest);
  const place = raised === undefined ? undefined : placeOf(raised);
  const placed = place === undefined ? {} : { place };
  if (best !== undefined && (strongest < plainError || (raised === undefined && bare(lines) === undefined))) {
    const others = matches.filter((found) => found !== best && found.class === best.class);
    return {
      class: best.class,
      confidence: best.confidence ?? "medium",
      signs: signs([best.text, ...others.slice(-2).map(({ text }) => text)]),
      message: plain(best.text, 500),
      ...placed,
    };
  }
  const own = raised ?? bare(lines);
  if (own === undefined || own.at < course.ended) return undefined;
  return {
    class: "user-exception",
    confidence: raised === undefined ? "low" : "medium",
    signs: signs([own.text, ...(own.frame === undefined ? [] : [`at ${own.frame}`])]),
    message: plain(own.text, 500),
    ...placed,
  };
}

/** Indentation tells a traceback's frames from its error. */
function readable(line: string): string {
  const cut = line.slice(0, maxLineCharacters);
  const indent = /^\s{0,40}/.exec(cut)?.[0].replace(/\t/g, " ") ?? "";
  return `${indent}${plain(cut)}`;
}

/** Where a log goes on well. */
interface Course {
  /** The lines that tell of progress. */
  readonly progress: readonly number[];
  /** Of these, the last whose loss is a number; -1 where none is. */
  readonly finite: number;
  /** The last line that says that all went well; -1 where none does. */
  readonly ended: number;
}

const readCourse = (lines: readonly string[]): Course => {
  const going = lines.flatMap((line, at) =>
    progress.test(line) && !/\b(?:nan|inf|error|fail\w*|exception|signal|killed)\b/i.test(line) ? [at] : [],
  );
  const number = going.findLast((at) => finite.test(lines[at] ?? "")) ?? -1;
  return { progress: going, finite: number, ended: lines.findLastIndex((line) => success.test(line)) };
};

/** `Command exit status:` has its number on the next line. */
const withValue = (line: string, at: number, lines: readonly string[]): string =>
  /\bexit (?:status|code):$/i.test(line) ? `${line} ${(lines[at + 1] ?? "").trim()}` : line;

function match(text: string, at: number, raised: Raised | undefined, course: Course): Match[] {
  const line = withoutRank(text).trim();
  if (line === "" || at < course.ended || isCode(withoutRank(text)) || told.test(line)) return [];
  const rule = ruleFor(line);
  if (rule === undefined) return [];
  const stale = raised !== undefined && raised.at - at > staleLines;
  const doubtful = rule.weight !== "root" && (stale || survived.test(line) || warning.test(line));
  const wentOn = course.progress.filter((line) => line > at).length;
  const recovered =
    rule.class === "numeric"
      ? rule.weight === "hint" && course.finite > at
      : wentOn >= (doubtful ? 1 : enoughProgress);
  if (recovered || (rule.weight === "guess" && (doubtful || wentOn > 0))) return [];
  return [{ ...rule, ...(doubtful ? { weight: "hint", confidence: "low" } : {}), at, text: line }];
}

/** A traceback quotes the lines of a program, which can hold the names of errors that it never met. */
const isCode = (line: string): boolean =>
  /^\s+(?:raise|return|except|if|elif|assert|with|for|try|import|from|await|throw)\b/.test(line) ||
  /^\s{2,}\w[\w.]* = /.test(line);

const rank = ({ weight }: Match): number => weights[weight];

function bare(lines: readonly string[]): Raised | undefined {
  const at = lines.findLastIndex(
    (line) => bareError.test(withoutRank(line)) && !survived.test(line) && !warning.test(line),
  );
  const text = lines[at];
  return text === undefined ? undefined : { exception: "", text: withoutRank(text), at, frame: undefined };
}

const signs = (texts: readonly string[]): Sign[] =>
  texts.map((text) => ({ where: "log", text: plain(text, 500) }));
