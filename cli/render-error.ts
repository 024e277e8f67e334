import { PawlError } from "../core/errors.ts";
import { paint } from "./colour.ts";
import type { Console } from "./commands.ts";

/** Tells a person what went wrong and what to do; with `json` the same on stdout as an object. */
export function renderError(error: unknown, console: Console, json: boolean): void {
  const label = paint("red", "error");
  if (error instanceof PawlError) {
    const { code, message, next, details } = error;
    if (json) console.out(JSON.stringify({ error: { code, message, next, details } }));
    console.err(`${label}: ${message}${next === undefined ? "" : `\n${next}`}`);
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (json) console.out(JSON.stringify({ error: { code: "INTERNAL", message } }));
  console.err(`${label}: ${error instanceof Error ? (error.stack ?? message) : message}`);
  console.err("This is a bug in Pawl; what was committed is kept. Please report it with the lines above.");
}
