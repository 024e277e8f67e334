import { jsonOfPython } from "./python-literal.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The field `name` in camelCase, or the same in PascalCase: the API and a state machine's cause write them differently. */
export function field(value: unknown, name: string): unknown {
  if (!isFields(value)) return undefined;
  for (const form of [name, `${name.charAt(0).toUpperCase()}${name.slice(1)}`]) {
    if (Object.hasOwn(value, form) && value[form] !== null) return value[form];
  }
  return undefined;
}

export function textField(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === "string" && found.trim() !== "" ? found.trim() : undefined;
}

export function listField(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name);
  return Array.isArray(found) ? found : [];
}

export interface Parsed {
  readonly value: unknown;
  /** `false` where something of it is missing: it was cut, or somebody left parts out. */
  readonly whole: boolean;
}

/** What `text` holds, as far as it is JSON or the like of it in Python; `undefined` where it begins like no object, list or quoted text. */
export function parseJson(text: string): Parsed | undefined {
  const trimmed = jsonOfPython(text.trim());
  if (!/^[{["]/.test(trimmed)) return undefined;
  try {
    return { value: JSON.parse(trimmed), whole: true };
  } catch {
    return salvage(trimmed);
  }
}

function salvage(text: string): Parsed | undefined {
  // JSON that was quoted, and lost its quotes.
  if (/^\{\s*\\"/.test(text)) {
    try {
      return parseJson(String(JSON.parse(`"${text}"`)));
    } catch {
      return undefined;
    }
  }
  // A list's bracket alone begins many a line of a log; and only a quoted name with a value is a part of an object.
  if (text.startsWith("[") && !/^\[\s*\{\s*"/.test(text)) return undefined;
  if (text.startsWith('"') && !/^"\w{1,60}"\s*:/.test(text)) return undefined;
  const value = new Salvage(text.startsWith('"') ? `{${text}` : text).read();
  return isFields(value) && Object.keys(value).length === 0 ? undefined : { value, whole: false };
}

const maxDepth = 64;

/**
 * Reads what is well-formed in JSON that was cut or had parts left out (`...`), each field where it stands. A text that was
 * cut is dropped, so that no half of it is taken for the whole; only a cause, which holds JSON itself, is read further.
 */
class Salvage {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): unknown {
    return this.#value(0, "");
  }

  #value(depth: number, name: string): unknown {
    this.#skip(/[\s:]/);
    const next = this.#text[this.#at];
    if (next === "{" || next === "[") {
      if (depth >= maxDepth) {
        this.#at = this.#text.length;
        return undefined;
      }
      this.#at += 1;
      return next === "{" ? this.#object(depth + 1) : this.#list(depth + 1);
    }
    if (next === '"') return this.#string(/^cause$/i.test(name));
    const from = this.#at;
    this.#skip(/[^,}\]"]/);
    const word = this.#text.slice(from, Math.min(this.#at, from + 40)).trim();
    if (this.#at >= this.#text.length) return undefined;
    if (word === "true" || word === "false") return word === "true";
    return /^-?\d{1,17}(\.\d{1,17})?$/.test(word) ? Number(word) : undefined;
  }

  #object(depth: number): Fields {
    const members = new Map<string, unknown>();
    for (;;) {
      this.#skip(/[^"}]/);
      if (this.#text[this.#at] !== '"') break;
      const name = this.#string(false);
      this.#skip(/\s/);
      if (name === undefined || this.#text[this.#at] !== ":") continue;
      this.#at += 1;
      const value = this.#value(depth, name);
      if (value !== undefined) members.set(name, value);
    }
    this.#at += 1;
    return Object.fromEntries(members);
  }

  #list(depth: number): unknown[] {
    const values: unknown[] = [];
    for (;;) {
      this.#skip(/[^{["\]]/);
      if (this.#at >= this.#text.length || this.#text[this.#at] === "]") break;
      values.push(this.#value(depth, ""));
    }
    this.#at += 1;
    return values;
  }

  #string(evenCut: boolean): string | undefined {
    const from = this.#at;
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
    }
    const cut = this.#at >= this.#text.length;
    this.#at += 1;
    if (cut && !evenCut) return undefined;
    const inside = this.#text.slice(from + 1, cut ? this.#text.length : this.#at - 1).replace(/\n/g, "\\n");
    try {
      return String(JSON.parse(`"${cut ? inside.replace(/\\[^\\]{0,5}$/, "") : inside}"`));
    } catch {
      return undefined;
    }
  }

  #skip(characters: RegExp): void {
    while (this.#at < this.#text.length && characters.test(this.#text.charAt(this.#at))) this.#at += 1;
  }
}
