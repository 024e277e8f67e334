import { PawlError } from "../core/errors.ts";
import { paint } from "./colour.ts";
import type { Console } from "./commands.ts";

const bug = "This is a bug in Pawl; what was committed is kept. Please report it with the lines above.";

/** Tells a person what went wrong and what to do; with `json` the same on stdout as an object. */
export function renderError(error: unknown, console: Console, json: boolean): void {
  const label = paint("red", "error");
  if (error instanceof PawlError) {
    const { code, message, next, details } = error;
    if (json) console.out(JSON.stringify({ error: { code, message, next, details } }));
    console.err(`${label}: ${printable(message)}${next === undefined ? "" : `\n${printable(next)}`}`);
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (json) console.out(JSON.stringify({ error: { code: "INTERNAL", message, next: bug } }));
  console.err(`${label}: ${printable(error instanceof Error ? (error.stack ?? message) : message)}`);
  console.err(bug);
}

/** A message repeats what was given, and a file's name or a field can hold what a terminal would take as a command. */
const printable = (text: string): string =>
  text.replaceAll(
    /(?!\n|\t)\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
