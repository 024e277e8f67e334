import { exitCodes } from "../core/errors.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Ctrl-C is always safe: the first asks for an orderly end, the second ends everything at once. Returns what puts the
 * system's own handling back.
 */
export function onInterrupt(orderly: () => void, atOnce: () => void): () => void {
  let asked = false;
  const listener = () => {
    if (asked) {
      atOnce();
      process.exit(exitCodes.notFinished);
    }
    asked = true;
    orderly();
  };
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}
