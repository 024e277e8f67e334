import type { ChildProcess } from "node:child_process";
import { within } from "../../agent/within.ts";

/** How a container's first process has ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why there was never a process, where there was none. */
  readonly startError?: string;
}

/** A job's container: a process, and everything that it started. */
export interface Container {
  /** Settles when its first process has ended and what it printed is read. */
  readonly ended: Promise<Exit>;
  /** Settles when nothing of it is left. */
  readonly gone: Promise<void>;
  hasEnded(): boolean;
  /** SIGTERM to its first process. */
  stop(): void;
  /** SIGKILL to everything of it. */
  kill(): void;
}

/** How long the last output of a process that has ended is waited for. */
const lastOutputMilliseconds = 2000;

/** Settles when the process has ended and what it printed is read, or was never there. */
export function endOf(child: ChildProcess): Promise<Exit> {
  const { promise, resolve } = Promise.withResolvers<Exit>();
  const closed = new Promise((read) => child.once("close", read));
  child.once("exit", (code, signal) => {
    void within(lastOutputMilliseconds, closed).then(() => resolve({ code, signal }));
  });
  // Also of a signal or an answer that did not reach it; only one that has no number was never started.
  child.on("error", (error) => {
    if (child.pid === undefined)
      resolve({ code: null, signal: null, startError: `CannotStartContainerError: ${error.message}` });
  });
  return promise;
}

export const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

/** SIGKILL to a process and its group. Its number may be another's once it has ended. */
export function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && !hasEnded(child)) process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing of the group is left.
  }
}
