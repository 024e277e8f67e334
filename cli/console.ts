import { stripVTControlCharacters } from "node:util";
import { exitCodes } from "../core/errors.ts";
import type { Console } from "./commands.ts";

/** `line` cut to a terminal's width, so that it never wraps: a wrapped line cannot be drawn over. */
const fitted = (line: string, columns: number): string =>
  [...stripVTControlCharacters(line)].slice(0, Math.max(0, columns - 1)).join("");

/**
 * This process's stdout and stderr. Whoever reads them may leave (`pawl show x | head`, a terminal that is closed): what
 * is left to say is then dropped. A result that cannot be written for another reason is an error.
 */
export function processConsole(): Console {
  const { stdout, stderr } = process;
  stderr.on("error", () => {});
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "EIO") return;
    stderr.write(`error: stdout cannot be written: ${error.message}\n`);
    process.once("exit", () => {
      process.exitCode = exitCodes.toolError;
    });
  });
  return {
    out: (text) => void stdout.write(`${text}\n`),
    outBytes: (bytes) =>
      new Promise((resolve) =>
        stdout.write(bytes, (error) => resolve(error === null || error === undefined)),
      ),
    err: (text) => void stderr.write(`${text}\n`),
    errBytes: (bytes) => void stderr.write(bytes),
    live: (line) => void stderr.write(`\r\x1b[2K${fitted(line, stderr.columns ?? 80)}`),
    interactive: stderr.isTTY === true && process.env.TERM !== "dumb",
  };
}
