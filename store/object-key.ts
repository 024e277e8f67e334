import { PawlError } from "../core/errors.ts";

const maxKeyBytes = 1024;

function keyProblem(key: string): string | undefined {
  if (key === "") return "is empty";
  if (!key.isWellFormed()) return "is not well-formed Unicode";
  if (key.includes("\0")) return "holds a NUL";
  if (Buffer.byteLength(key) > maxKeyBytes) return `is longer than ${maxKeyBytes} bytes`;
  if (key.startsWith(".")) return "begins with a dot, and such keys are the store's own";
  const bad = key.split("/").find((segment) => segment === "" || segment === "." || segment === "..");
  if (bad === "") return "has an empty segment";
  return bad === undefined ? undefined : `has a segment '${bad}'`;
}

/** Refuses what is no key (see `ObjectStore`) with STORE_KEY, before anything is touched. */
export function checkKey(key: string): void {
  const problem = keyProblem(key);
  if (problem === undefined) return;
  const shown = JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
  throw new PawlError("STORE_KEY", `the key ${shown} ${problem}`, {
    next: "Use segments joined by '/', none of them empty, '.' or '..', of at most 1,024 bytes in all.",
    details: { key },
  });
}

/** Whether `text` is a key, and not only what somebody else has put into the store. */
export const isKey = (text: string): boolean => keyProblem(text) === undefined;

/** Whether a key can begin with `prefix`; one that cannot has nothing below it. */
export const canBePrefix = (prefix: string): boolean =>
  prefix === "" || [prefix, `${prefix}x`].some((key) => keyProblem(key) === undefined);

/** Ascending order of UTF-8 bytes, as S3 lists. JavaScript's own order differs beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  const ascii = /^[\0-\x7f]*$/;
  if (ascii.test(a) && ascii.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
