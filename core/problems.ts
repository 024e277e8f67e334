import type * as z from "zod";

/** Edits of one letter that turn `a` into `b` (Levenshtein, 1965). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known name that `name` was most likely meant to be, if any is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, Math.floor(best.candidate.length / 3))
    ? best.candidate
    : undefined;
}

type Path = readonly PropertyKey[];

const fieldName = (path: Path): string =>
  path.reduce<string>(
    (name, part) =>
      typeof part === "number"
        ? `${name}[${part}]`
        : `${name === "" ? "" : `${name}.`}${String(part).slice(0, 80)}`,
    "",
  );

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const part of path) {
    if (value === null || typeof value !== "object") return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}

const shown = (value: unknown): string => {
  if (value === null) return "empty";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text === undefined ? "nothing" : text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** What `take` finds in the parts of a JSON Schema that speak of `path`. */
function known(schema: unknown, path: Path, take: (get: (name: string) => unknown) => string[]): string[] {
  const found = new Set<string>();
  const visit = (node: unknown, rest: Path): void => {
    if (node === null || typeof node !== "object") return;
    const get = (name: string): unknown => Object.getOwnPropertyDescriptor(node, name)?.value;
    for (const variants of [get("anyOf"), get("oneOf"), get("allOf")]) {
      if (Array.isArray(variants)) for (const variant of variants) visit(variant, rest);
    }
    if (rest.length === 0) for (const name of take(get)) found.add(name);
    else if (typeof rest[0] === "number") visit(get("items"), rest.slice(1));
    else visit(valueAt(get("properties"), [rest[0] ?? ""]), rest.slice(1));
  };
  visit(schema, path);
  return [...found];
}

/** The field names that a JSON Schema allows at `path`. */
const knownFields = (schema: unknown, path: Path): string[] =>
  known(schema, path, (get) => {
    const properties = get("properties");
    return properties !== null && typeof properties === "object" ? Object.keys(properties) : [];
  });

/** The words of which a JSON Schema wants one at `path`. */
const knownWords = (schema: unknown, path: Path): string[] =>
  known(schema, path, (get) => (typeof get("const") === "string" ? [String(get("const"))] : []));

export interface Problem {
  readonly field: string;
  readonly message: string;
}

/** Of a union's failed alternatives the one that got furthest: what the person most likely meant. */
function closest(alternatives: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(...issues.map((issue) => issue.path.length));
  const offType = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(
      (issue) => issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value"),
    );
  const fitting = alternatives.filter((issues) => !offType(issues));
  return [...(fitting.length > 0 ? fitting : [])].sort((a, b) => depth(b) - depth(a))[0] ?? [];
}

function problemsOf(
  issue: z.core.$ZodIssue,
  input: unknown,
  jsonSchema: () => unknown,
  base: Path,
): Problem[] {
  const path = [...base, ...issue.path];
  const field = fieldName(path);
  if (issue.code === "unrecognized_keys") {
    const known = knownFields(jsonSchema(), path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const hint = meant === undefined ? `known here: ${known.join(", ")}` : `did you mean ${meant}?`;
      return { field: fieldName([...path, key]), message: `is not a known field; ${hint}` };
    });
  }
  const value = valueAt(input, path);
  if (issue.code === "invalid_union") {
    const inner = closest(issue.errors);
    if (inner.length > 0) return inner.flatMap((each) => problemsOf(each, input, jsonSchema, path));
    // Of alternatives that are told apart by one word, none has this word.
    if (issue.errors.length === 0)
      return [{ field, message: wordProblem(value, knownWords(jsonSchema(), path)) }];
    const fields = knownFields(jsonSchema(), path);
    return [{ field, message: `${allowedForms(issue.errors, fields)}; it is ${shown(value)}` }];
  }
  if (value === undefined && issue.code !== "custom") return [{ field, message: "is missing" }];
  if (issue.code === "invalid_key") {
    const inner = issue.issues[0]?.message ?? issue.message;
    return [{ field, message: `is not a name allowed here: ${inner}` }];
  }
  const message = worded(issue, value, path.length === 0 ? [] : knownFields(jsonSchema(), path));
  // A rule of several fields says what it needs; one of a single value says what that must be.
  const single = issue.code !== "custom" || (message.startsWith("must ") && value !== undefined);
  return [{ field, message: single ? `${message}; it is ${shown(value)}` : message }];
}

/** Zod's own words begin with a capital letter, ours do not. */
const worded = (issue: z.core.$ZodIssue, value: unknown, fields: readonly string[]): string =>
  /^[A-Z]/.test(issue.message) ? plainMessage(issue, value, fields) : issue.message;

const typeWords: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
};

/** What a mapping looks like: with the first of its fields, where they are known. */
const mappingWords = (fields: readonly string[]): string =>
  fields.length === 0
    ? "fields such as {name: value}"
    : `fields such as {${fields
        .slice(0, 2)
        .map((name) => `${name}: …`)
        .join(", ")}}`;

/** A command line that was written as one text, as the list that it has to be. */
function asList(text: string): string {
  if (/[|&;<>"'`$\\]/.test(text)) return `[sh, -c, ${JSON.stringify(text)}]`;
  return `[${text.trim().split(/\s+/).join(", ")}]`;
}

function oneOf(value: unknown, allowed: readonly string[]): string {
  if (allowed.length === 1) return `must be ${allowed[0]}`;
  const meant = typeof value === "string" ? nearest(value, allowed) : undefined;
  const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  return `must be one of ${allowed.join(", ")}${hint}`;
}

const wordProblem = (value: unknown, allowed: readonly string[]): string =>
  value === undefined
    ? `is missing: it ${oneOf(value, allowed)}`
    : `${oneOf(value, allowed)}; it is ${shown(value)}`;

/** What a value of the wrong type was most likely meant to be. */
function exampleOf(expected: string, value: unknown): string {
  if (expected === "array" && typeof value === "string") return ` such as ${asList(value)}`;
  const unquoted = expected === "string" && (typeof value === "number" || typeof value === "boolean");
  return unquoted ? ` such as "${value}"` : "";
}

function plainMessage(issue: z.core.$ZodIssue, value: unknown, fields: readonly string[]): string {
  if (issue.code === "invalid_type") {
    const { expected } = issue;
    if (expected === "object" || expected === "record") return `must be ${mappingWords(fields)}`;
    return `must be ${typeWords[expected] ?? `of type ${expected}`}${exampleOf(expected, value)}`;
  }
  if (issue.code === "too_small" && issue.minimum === 1 && unit(issue.origin) !== "")
    return "must not be empty";
  if (issue.code === "too_small")
    return `must be ${issue.inclusive ? "at least" : "more than"} ${issue.minimum}${unit(issue.origin)}`;
  if (issue.code === "too_big")
    return `must be ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}${unit(issue.origin)}`;
  if (issue.code === "invalid_value") {
    return oneOf(value, issue.values.map(String));
  }
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

const unit = (origin: string): string =>
  origin === "string" ? " characters long" : origin === "array" ? " items long" : "";

const allowedForms = (
  alternatives: readonly (readonly z.core.$ZodIssue[])[],
  fields: readonly string[],
): string => {
  const forms = alternatives.flatMap((issues) =>
    issues.slice(0, 1).map((issue) => worded(issue, undefined, fields)),
  );
  const [first = "", ...others] = new Set(forms);
  return [first, ...others.map((form) => form.replace(/^must be /, ""))].join(", or ");
};

/** What is wrong with `input`, each with its field, what is allowed and what was given. */
export function problems(error: z.ZodError, input: unknown, jsonSchema: () => unknown): Problem[] {
  return error.issues.flatMap((issue) => problemsOf(issue, input, jsonSchema, []));
}
