import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLError,
} from "yaml";
import type { Problem } from "../core/problems.ts";

/** A place in a text, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a text before it is looked at as a job. */
export interface TextProblem {
  /** What the parser says, in one line. */
  readonly message: string;
  /** Absent where it is about the text as a whole. */
  readonly place?: Place;
}

export interface JobText {
  readonly input: unknown;
  /** Where the name, the value, or what would hold the missing field stands. */
  readonly placeOf: (problem: Pick<Problem, "path" | "about">) => Place;
  /** What the parser doubts, such as tags that it does not know. */
  readonly warnings: readonly TextProblem[];
}

/** How often aliases may repeat what they stand for: a small text must not become a huge job. */
const maxAliases = 100;

/** Reads YAML, of which JSON is a part; or says all that is wrong with it. */
export function parseJobText(text: string): JobText | { readonly problems: readonly TextProblem[] } {
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    const document = parseDocument(text, { lineCounter: lines, logLevel: "error", prettyErrors: false });
    const told = ({ code, message, pos: [start] }: YAMLError): TextProblem => ({
      message: codeWords[code]?.(text.slice(start)) ?? oneLine(message),
      place: at(start),
    });
    if (document.errors.length > 0) return { problems: document.errors.map(told) };
    return {
      input: document.toJS({ maxAliasCount: maxAliases }),
      placeOf: ({ path, about }) => at(offsetOf(document, path, about) ?? 0),
      warnings: document.warnings.map(told),
    };
  } catch (error) {
    // What only shows when all is put together: too many aliases, or too deep a nesting.
    const deep = error instanceof RangeError;
    const message = error instanceof Error ? oneLine(error.message) : String(error);
    return { problems: [{ message: deep ? "it is nested too deeply" : message }] };
  }
}

/** Where the parser's own words are for programmers; each is given the text from the place on. */
const codeWords: Readonly<Record<string, (rest: string) => string>> = {
  DUPLICATE_KEY: (rest) =>
    `${JSON.stringify(/^[^:\n]{0,80}/.exec(rest)?.[0].trim())} is given twice: a field's name must be unique`,
  RESOURCE_EXHAUSTION: () => "it is nested too deeply",
  MULTIPLE_DOCS: () => "it holds multiple documents, and a job file has one",
};

const oneLine = (message: string): string => message.trim().replaceAll(/\s+/g, " ");

/** Where what is meant begins in the text; of what is not there, the nearest that would hold it. */
function offsetOf(document: Document, path: Problem["path"], about: Problem["about"]): number | undefined {
  let node: unknown = document.contents;
  let start = startOf(node);
  for (const [depth, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) {
      node = node.items[Number(part)];
      start = startOf(node) ?? start;
    } else if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(part));
      if (pair === undefined) return start;
      const last = depth === path.length - 1;
      const name = startOf(pair.key) ?? start;
      node = pair.value;
      // A mapping begins where its first field does: of what is missing in it, its own name says more.
      start = last && about === "value" ? (startOf(node) ?? name) : name;
    } else return start;
  }
  return start;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);
