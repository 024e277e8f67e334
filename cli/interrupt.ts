import { exitCodes } from "../core/errors.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Milliseconds in which signals are one wish to end: `npx` and `timeout` pass a signal on that has reached the whole
 * group of processes already, so that one Ctrl-C arrives twice.
 */
const onePress = 500;

/**
 * Ctrl-C is always safe: the first asks for an orderly end, the second ends everything at once. Returns what puts the
 * system's own handling back.
 */
export function onInterrupt(orderly: () => void, atOnce: () => void): () => void {
  let asked: number | undefined;
  const listener = () => {
    if (asked === undefined) {
      asked = performance.now();
      orderly();
    } else if (performance.now() - asked > onePress) {
      atOnce();
      process.exit(exitCodes.notFinished);
    }
  };
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}
