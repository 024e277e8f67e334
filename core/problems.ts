import type * as z from "zod";
import { nearest } from "./nearest.ts";

type Path = readonly PropertyKey[];

const fieldName = (path: Path): string =>
  path.reduce<string>(
    (name, part) =>
      typeof part === "number"
        ? `${name}[${part}]`
        : `${name === "" ? "" : `${name}.`}${plainName(String(part))}`,
    "",
  );

/** A name as it is, or quoted where it holds what a terminal or a reader would take for something else. */
const plainName = (name: string): string =>
  /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(name) ? name.slice(0, 80) : JSON.stringify(name.slice(0, 80));

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
  // As YAML has them.
  if (typeof value === "number" && !Number.isFinite(value)) return Number.isNaN(value) ? ".nan" : ".inf";
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

/** The field names that a JSON Schema allows at `path`; with a `value`, in the forms only that this can be of, by the words in it. */
const knownFields = (schema: unknown, path: Path, value?: unknown): string[] =>
  known(schema, path, (get) => {
    const properties = get("properties");
    const names = valueAt(get("propertyNames"), ["enum"]);
    if (Array.isArray(names)) return names.map(String);
    if (properties === null || typeof properties !== "object") return [];
    const required = get("required");
    const isOther = ([name, field]: [string, unknown]): boolean => {
      const [only, given] = [valueAt(field, ["const"]), valueAt(value, [name])];
      if (only === undefined || given === only) return false;
      return given !== undefined || (Array.isArray(required) && required.includes(name));
    };
    const isForm = value === undefined || !Object.entries(properties).some(isOther);
    return isForm ? Object.keys(properties) : [];
  });

/** The word by which the forms of a value are told apart that have this field, and in what. */
function formsWith(schema: unknown, path: Path, field: string): { name: string; words: string[] } {
  let name = "";
  const words = known(schema, path, (get) => {
    const properties = get("properties");
    if (valueAt(properties, [field]) === undefined) return [];
    return Object.entries(properties ?? {}).flatMap(([each, of]) => {
      const only = valueAt(of, ["const"]);
      if (typeof only === "string") name = each;
      return typeof only === "string" ? [only] : [];
    });
  });
  return { name, words };
}

/** The words of which a JSON Schema wants one at `path`. */
const knownWords = (schema: unknown, path: Path): string[] =>
  known(schema, path, (get) => (typeof get("const") === "string" ? [String(get("const"))] : []));

export interface Problem {
  /** The field in the notation of a message: `checkpoint.best.mode`, `command[1]`; empty for the whole. */
  readonly field: string;
  readonly message: string;
  /** What to do about it; a whole sentence. */
  readonly next: string;
  /** Where it is: for a missing field, where that would be. */
  readonly path: Path;
  /** Whether the field's name, its value, or its absence is wrong. */
  readonly about: "name" | "value" | "absence";
  /** The value that was given, where it is no mapping and no list; texts are cut. */
  readonly value?: string | number | boolean | null;
}

function problem(
  about: Problem["about"],
  path: Path,
  message: string,
  { value, next }: { value?: unknown; next?: string } = {},
): Problem {
  const field = fieldName(path);
  const name = field === "" ? "the job" : field;
  const does = {
    name: `Remove ${name}, or correct its name.`,
    value: `Correct ${name}.`,
    absence: `Add ${name}.`,
  };
  return { field, message, next: next ?? does[about], path, about, ...scalar(value) };
}

function scalar(value: unknown): Pick<Problem, "value"> {
  if (typeof value === "string") return { value: value.slice(0, longestValue) };
  if (typeof value === "number" && !Number.isFinite(value)) return { value: shown(value) };
  if (value === null || typeof value === "number" || typeof value === "boolean") return { value };
  return {};
}

/** Characters of a value that a problem repeats. */
const longestValue = 200;

/** What says of a whole value that it is none of its kind, and not only a wrong one. */
const offForm: ReadonlySet<unknown> = new Set(["invalid_type", "invalid_value", "invalid_format"]);

/** Of a union's failed alternatives the one that got furthest: what the person most likely meant. */
function closest(alternatives: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(...issues.map((issue) => issue.path.length));
  const fitting = alternatives.filter(
    (issues) => !issues.some(({ path, code }) => path.length === 0 && offForm.has(code)),
  );
  return [...(fitting.length > 0 ? fitting : [])].sort((a, b) => depth(b) - depth(a))[0] ?? [];
}

function problemsOf(
  issue: z.core.$ZodIssue,
  input: unknown,
  jsonSchema: () => unknown,
  base: Path,
): Problem[] {
  const path = [...base, ...issue.path];
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => unknownField(key, path, jsonSchema(), valueAt(input, path)));
  const value = valueAt(input, path);
  if (issue.code === "invalid_union") {
    const inner = closest(issue.errors);
    if (inner.length > 0) return inner.flatMap((each) => problemsOf(each, input, jsonSchema, path));
    // Of alternatives that are told apart by one word, none has this word.
    if (issue.errors.length === 0) return [wrongWord(path, value, knownWords(jsonSchema(), path))];
    const fields = knownFields(jsonSchema(), path);
    const { hint, next } = guess(value, wordsAmong(issue.errors));
    const message = `${allowedForms(issue.errors, fields)}${hint}; it is ${shown(value)}`;
    return [problem("value", path, message, { value, ...next })];
  }
  if (value === undefined && issue.code !== "custom") return [problem("absence", path, "is missing")];
  if (issue.code === "invalid_key") {
    const inner = issue.issues[0]?.message ?? issue.message;
    return [problem("name", path, `is not a name allowed here: ${inner}`)];
  }
  if (issue.code === "invalid_value") return [wrongWord(path, value, issue.values.map(String))];
  const message = worded(issue, value, path.length === 0 ? [] : knownFields(jsonSchema(), path));
  // A rule of several fields says what it needs; one of a single value says what that must be.
  const single = issue.code !== "custom" || (message.startsWith("must ") && value !== undefined);
  const about = value === undefined ? "absence" : "value";
  return [problem(about, path, single ? `${message}; it is ${shown(value)}` : message, { value })];
}

function unknownField(key: string, path: Path, schema: unknown, value: unknown): Problem {
  const known = knownFields(schema, path, value);
  const { name, words } = formsWith(schema, path, key);
  const place = [...path, key];
  if (words.length > 0 && !known.includes(key))
    return problem("name", place, `goes with ${fieldName([...path, name])} ${words.join(" or ")} only`, {
      next: `Remove ${fieldName(place)}, or write ${name}: ${words[0]}.`,
    });
  const meant = nearest(key, known);
  const hint = meant === undefined ? `known here: ${known.join(", ")}` : `did you mean ${meant}?`;
  const next =
    meant === undefined ? `Remove ${plainName(key)}.` : `Write ${meant} instead of ${plainName(key)}.`;
  return problem("name", [...path, key], `is not a known field; ${hint}`, { next });
}

/** A value that is none of the words allowed there. */
function wrongWord(path: Path, value: unknown, allowed: readonly string[]): Problem {
  const words = oneOf(value, allowed);
  if (value === undefined) return problem("absence", path, `is missing: it ${words}`);
  const { next } = guess(value, allowed);
  return problem("value", path, `${words}; it is ${shown(value)}`, { value, ...next });
}

/** Which of the words allowed was most likely meant, to be said and to be done; empty where none is near. */
function guess(value: unknown, allowed: readonly string[]): { hint: string; next: { next?: string } } {
  const meant = typeof value === "string" ? nearest(value, allowed) : undefined;
  if (meant === undefined) return { hint: "", next: {} };
  return { hint: ` (did you mean ${meant}?)`, next: { next: `Write ${meant} instead of ${value}.` } };
}

/** The single words that a union allows. */
const wordsAmong = (alternatives: readonly (readonly z.core.$ZodIssue[])[]): string[] =>
  alternatives.flatMap((issues) =>
    issues.flatMap(({ path, ...issue }) =>
      path.length === 0 && issue.code === "invalid_value" ? issue.values.map(String) : [],
    ),
  );

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
  return `must be one of ${allowed.join(", ")}${guess(value, allowed).hint}`;
}

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
