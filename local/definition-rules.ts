import { PawlError } from "../core/errors.ts";

/**
 * The embedded interpreter counts with `setTimeout`, which fires at once beyond 2³¹-1 milliseconds: so many seconds
 * are the longest it can wait.
 */
export const longestTimerSeconds = 2_147_483;

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The refusal of a definition: which field of which state, and why. `state` is absent for the machine's own fields. */
export function unsupported(state: string | undefined, field: string, why: string): PawlError {
  const where = state === undefined ? "the state machine" : `state '${state}'`;
  return new PawlError("DEFINITION_UNSUPPORTED", `${where}, field '${field}': ${why}`, {
    next: "Write this part of cdk/constructs/workflow.ts with what the local interpreter runs as Step Functions does.",
    details: { state, field },
  });
}

const names = /^\$(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/** What of the context object there is locally. */
const contextPaths = new Set([
  "$$.Execution.Id",
  "$$.Execution.Name",
  "$$.Execution.Input",
  "$$.Execution.StartTime",
  "$$.StateMachine.Id",
]);

/**
 * Names joined by dots, into the state. The interpreter's paths are another dialect: a wildcard that finds
 * nothing fails where AWS gives an empty list, and `length` measures a text.
 */
export const isPath = (value: unknown): value is string =>
  typeof value === "string" && names.test(value) && !value.split(".").includes("length");

/** The same, or one of the context object's fields. */
const isTemplatePath = (value: unknown): boolean =>
  isPath(value) || (typeof value === "string" && contextPaths.has(value));

const format = /^States\.Format\('([A-Za-z0-9 {}_./:-]*)'((?:, ?[^,()' ]+)+)\)$/;

/**
 * `States.Format` of a text without escapes and of plain paths, one for each `{}`: there the interpreter gives what AWS
 * gives, and both fail at execution time for a path that leads to an object, a list or nowhere.
 */
const isFormat = (value: unknown): boolean => {
  const [, text = "", list = ""] = typeof value === "string" ? (format.exec(value) ?? []) : [];
  const paths = list.split(",").slice(1);
  const places = text.split("{}");
  return (
    paths.length > 0 &&
    paths.length === places.length - 1 &&
    !places.some((part) => /[{}]/.test(part)) &&
    paths.every((path) => isPath(path.trim()) && path.trim() !== "$")
  );
};

/** A payload template: plain JSON, with plain paths, or a text made of them, where a name ends in `.$`. */
export function checkTemplate(state: string, field: string, template: unknown): void {
  if (Array.isArray(template)) {
    template.forEach((item: unknown, index) => {
      checkTemplate(state, `${field}[${index}]`, item);
    });
    return;
  }
  if (!isFields(template)) return;
  for (const [key, value] of Object.entries(template)) {
    const inner = `${field}.${key}`;
    const mark = key.indexOf(".$");
    if (mark === -1) {
      checkTemplate(state, inner, value);
    } else if (mark !== key.length - 2) {
      throw unsupported(state, inner, "'.$' may only end a name");
    } else if (!isTemplatePath(value) && !isFormat(value)) {
      throw unsupported(
        state,
        inner,
        `${JSON.stringify(value)} is not a plain path, a known field of the context, or States.Format of plain paths`,
      );
    }
  }
}

const integerWithin = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;

export function checkSeconds(state: string | undefined, field: string, value: unknown, least: number): void {
  if (integerWithin(value, least, longestTimerSeconds)) return;
  throw unsupported(
    state,
    field,
    `must be a whole number of seconds from ${least} to ${longestTimerSeconds}`,
  );
}

/** Error names of a Retry or Catch: `States.ALL` stands alone and last, and what AWS never catches is not named. */
function checkErrors(state: string, field: string, errors: unknown, last: boolean): void {
  if (!Array.isArray(errors) || errors.length === 0) throw unsupported(state, field, "must name errors");
  for (const error of errors) {
    if (typeof error !== "string") throw unsupported(state, field, "must hold names");
    if (error === "States.ALL" && (errors.length > 1 || !last)) {
      throw unsupported(state, field, "States.ALL must stand alone, in the last entry");
    }
    if (error.startsWith("States.") && !catchable.has(error)) {
      throw unsupported(state, field, `${error} cannot be caught, or does not occur locally`);
    }
  }
}

const catchable = new Set(["States.ALL", "States.Timeout", "States.TaskFailed"]);

const retryFields = new Set([
  "Comment",
  "ErrorEquals",
  "IntervalSeconds",
  "MaxAttempts",
  "BackoffRate",
  "MaxDelaySeconds",
  "JitterStrategy",
]);

export function checkRetry(state: string, retry: unknown): void {
  if (!Array.isArray(retry)) throw unsupported(state, "Retry", "must be a list");
  retry.forEach((retrier: unknown, index) => {
    const field = `Retry[${index}]`;
    if (!isFields(retrier)) throw unsupported(state, field, "must hold fields");
    checkKnown(state, retrier, retryFields, `${field}.`);
    checkErrors(state, `${field}.ErrorEquals`, retrier.ErrorEquals, index === retry.length - 1);
    const {
      IntervalSeconds = 1,
      MaxAttempts = 3,
      BackoffRate = 2,
      MaxDelaySeconds,
      JitterStrategy = "NONE",
    } = retrier;
    checkSeconds(state, `${field}.IntervalSeconds`, IntervalSeconds, 1);
    if (!integerWithin(MaxAttempts, 0, 99_999_999)) {
      throw unsupported(state, `${field}.MaxAttempts`, "must be a whole number from 0 on");
    }
    if (typeof BackoffRate !== "number" || !(BackoffRate >= 1)) {
      throw unsupported(state, `${field}.BackoffRate`, "must be a number from 1 on");
    }
    if (JitterStrategy !== "NONE" && JitterStrategy !== "FULL") {
      throw unsupported(state, `${field}.JitterStrategy`, "must be NONE or FULL");
    }
    if (MaxDelaySeconds !== undefined) {
      checkSeconds(state, `${field}.MaxDelaySeconds`, MaxDelaySeconds, 1);
    } else {
      const longest = Number(IntervalSeconds) * BackoffRate ** Math.max(0, MaxAttempts - 1);
      if (longest > longestTimerSeconds) {
        throw unsupported(
          state,
          `${field}.BackoffRate`,
          `waits longer than ${longestTimerSeconds} s in the end`,
        );
      }
    }
  });
}

const catchFields = new Set(["Comment", "ErrorEquals", "Next", "ResultPath"]);

/** Gives the states that its catchers lead to. */
export function checkCatch(state: string, catchers: unknown): unknown[] {
  if (!Array.isArray(catchers)) throw unsupported(state, "Catch", "must be a list");
  return catchers.map((catcher: unknown, index) => {
    const field = `Catch[${index}]`;
    if (!isFields(catcher)) throw unsupported(state, field, "must hold fields");
    checkKnown(state, catcher, catchFields, `${field}.`);
    checkErrors(state, `${field}.ErrorEquals`, catcher.ErrorEquals, index === catchers.length - 1);
    checkResultPath(state, `${field}.ResultPath`, catcher.ResultPath);
    return catcher.Next;
  });
}

/** `$` alone would become a field of that name. */
export function checkResultPath(state: string, field: string, path: unknown): void {
  if (path === undefined || path === null || (isPath(path) && path !== "$")) return;
  throw unsupported(state, field, `${JSON.stringify(path)} is not a plain path into the state`);
}

export function checkKnown(
  state: string | undefined,
  fields: Fields,
  known: ReadonlySet<string>,
  prefix = "",
): void {
  for (const field of Object.keys(fields)) {
    if (!known.has(field)) {
      throw unsupported(
        state,
        `${prefix}${field}`,
        "the local interpreter ignores it, or reads it otherwise than AWS",
      );
    }
  }
}
