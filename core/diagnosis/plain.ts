/** So much of a line is looked at: what tells a cause stands at its beginning. */
export const maxLineCharacters = 2000;

const escapeCharacter = String.fromCharCode(27);
const bell = String.fromCharCode(7);

/** What moves a terminal's cursor, colours it, or sets its title. */
const sequences = new RegExp(
  `${escapeCharacter}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${bell}${escapeCharacter}]*(?:${bell}|${escapeCharacter}\\\\)?|[@-Z\\\\-_])`,
  "g",
);

/** Characters that a terminal takes as commands, and those that turn the order of others round. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** `text` as a person would read it: on one line, no longer than `limit`, and harmless in a terminal. */
export function plain(text: string, limit = maxLineCharacters): string {
  const cut = text
    .slice(0, limit * 2)
    .replace(sequences, "")
    .replace(/[\t\r\n]+/g, " ")
    .replace(unseen, "");
  // A pair of surrogates must not be cut in half.
  return cut
    .slice(0, limit)
    .replace(/[\uD800-\uDBFF]$/, "")
    .trim();
}

/** `text` as lines, of which a progress bar's are many. */
export const linesOf = (text: string): string[] => text.split(/\r\n|\n|\r/);
