import { createInterface } from "node:readline/promises";
import { PawlError } from "../core/errors.ts";
import type { Console } from "./commands.ts";

/**
 * Asks a person before something is started that costs money. Throws USAGE where nobody can be asked, and INTERRUPTED
 * where the answer is no: nothing was started then.
 */
export async function confirm(question: string, console: Console): Promise<void> {
  if (process.stdin.isTTY !== true || !console.interactive) {
    throw new PawlError(
      "USAGE",
      "nothing was started: there is no terminal to ask on, and --yes is not given",
      {
        next: "Give --yes to start without being asked.",
        details: { option: "--yes" },
      },
    );
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D are a no.
  const left = new AbortController();
  asking.once("close", () => left.abort());
  const answer = await asking.question(`${question} [y/N] `, { signal: left.signal }).catch(() => "");
  asking.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new PawlError("INTERRUPTED", "nothing was started, as you say", {
    next: "Run the same command again when it is to start.",
  });
}
