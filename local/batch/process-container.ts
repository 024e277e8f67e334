import { spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { processesWith } from "../../agent/attempt-processes.ts";
import { type Container, endOf, hasEnded, killGroup } from "./container.ts";

export interface ProcessContainer {
  readonly jobId: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Its working folder, which is there for it alone and goes with it. */
  readonly folder: string;
  readonly onOutput: (chunk: Buffer) => void;
}

/** What marks everything of a job: it is inherited, also by what leaves the group and the session. */
const jobVariable = "AWS_BATCH_JOB_ID";

/** How long killed processes may take to be gone. */
const patienceMilliseconds = 10_000;

/** A container that is a process of this machine, in a group of its own. */
export function startProcess({ jobId, command, environment, folder, onOutput }: ProcessContainer): Container {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...environment, [jobVariable]: jobId },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.on("data", onOutput);
  child.stderr.on("data", onOutput);
  const ended = endOf(child);
  const kill = () => {
    killGroup(child);
    for (const pid of processesOf(jobId)) killOne(pid);
  };
  const gone = ended.then(async () => {
    const until = Date.now() + patienceMilliseconds;
    while (processesOf(jobId).length > 0 && Date.now() < until) {
      kill();
      await sleep(5);
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(() => {});
  });
  return { ended, gone, hasEnded: () => hasEnded(child), stop: () => void child.kill("SIGTERM"), kill };
}

export const makeFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
};

function killOne(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** What runs for a job. Only Linux shows a process's environment: elsewhere the process group is all that is ended. */
export const processesOf = (jobId: string): number[] =>
  processesWith((environment) => environment.includes(`\0${jobVariable}=${jobId}\0`));
