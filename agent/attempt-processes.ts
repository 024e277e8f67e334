import { readdirSync, readFileSync } from "node:fs";

/**
 * What an attempt's processes have in their environment: the agent its folder, everything that the trainer started the
 * checkpoint's. It is inherited, also by a process that has left its group and session.
 */
const marks = ["PAWL_ATTEMPT_FOLDER", "PAWL_CHECKPOINT_DIR"];

function belongs(pid: string, folder: string): boolean {
  let environment: string;
  try {
    environment = `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}\0`;
  } catch {
    return false;
  }
  const path = Buffer.from(folder).toString("latin1");
  return marks.some((mark) => ["/", "\0"].some((end) => environment.includes(`\0${mark}=${path}${end}`)));
}

/**
 * The processes, other than this one, that run for an attempt in `folder` or below it, whether anybody has a note of them
 * or not. Only Linux shows the environment of a process; elsewhere, and of one that has cleared it, nothing is found.
 */
export function attemptProcesses(folder: string): number[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && belongs(name, folder))
    .map(Number);
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
