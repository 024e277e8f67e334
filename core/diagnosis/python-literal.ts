const words: Readonly<Record<string, string>> = { True: "true", False: "false", None: "null" };

/** Escapes of Python's that JSON has not, and quotes that Python need not escape. */
const inside = (text: string): string =>
  text
    .replace(/\\x([0-9a-fA-F]{2})/g, "\\u00$1")
    .replace(/\\'/g, "'")
    .replace(/\\([^"\\/bfnrtu])/g, "$1")
    .replace(/(?<!\\)((?:\\\\)*)"/g, '$1\\"');

const outside = (text: string): string =>
  text.replace(/\b(?:True|False|None)\b/g, (word) => words[word] ?? word);

/** Where the text that begins with the quote at `open` ends; -1 where it does not. */
function closing(text: string, open: number): number {
  const quote = text[open];
  for (let at = open + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
}

/**
 * What a Python program prints of a dictionary or a list, as JSON: `{'Error': 'x', 'Cause': None}`. Whatever of it JSON
 * cannot say stays as it is. Text that begins like neither is given back.
 */
export function jsonOfPython(text: string): string {
  if (!/^\s{0,100}(?:\{|\[\s{0,100}\{)\s{0,100}'/.test(text)) return text;
  const parts: string[] = [];
  const quote = /['"]/g;
  let from = 0;
  for (let found = quote.exec(text); found !== null; found = quote.exec(text)) {
    const end = closing(text, found.index);
    if (end === -1) break;
    parts.push(outside(text.slice(from, found.index)), `"${inside(text.slice(found.index + 1, end))}"`);
    from = end + 1;
    quote.lastIndex = from;
  }
  return [...parts, outside(text.slice(from))].join("");
}
