import { readdirSync, readFileSync } from "node:fs";

/**
 * What an attempt's processes have in their environment: the agent its folder, everything that the trainer started the
 * checkpoint's. It is inherited, also by a process that has left its group and session.
 */
const marks = ["PAWL_ATTEMPT_FOLDER", "PAWL_CHECKPOINT_DIR"];

/**
 * The processes, other than this one, whose environment is as `has` wants it: all variables as `\0NAME=value\0`, in Latin 1.
 * Only Linux shows the environment of a process; elsewhere, and of one that has cleared it, nothing is found.
 */
export function processesWith(has: (environment: string) => boolean): number[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names
    .filter((name) => {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
      try {
        return has(`\0${readFileSync(`/proc/${name}/environ`, "latin1")}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The processes that run for an attempt in `folder` or below it, whether anybody has a note of them or not. */
export function attemptProcesses(folder: string): number[] {
  const path = Buffer.from(folder).toString("latin1");
  return processesWith((environment) =>
    marks.some((mark) => ["/", "\0"].some((end) => environment.includes(`\0${mark}=${path}${end}`))),
  );
}

/** Sends SIGKILL to what runs for an attempt in `folder` or below it; says how many that were. */
export function killAttemptProcesses(folder: string): number {
  const found = attemptProcesses(folder);
  for (const pid of found) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  return found.length;
}
