import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { AttemptError } from "./attempt-error.ts";
import { countOomKills } from "./oom-kills.ts";

export interface TrainerExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether the kernel is known to have killed something for want of memory meanwhile. */
  readonly oomKilled?: boolean;
}

export interface TrainerProcess {
  readonly pid: number;
  /** Settles when the process has ended and its output is read. */
  readonly exit: Promise<TrainerExit>;
  /** Ends it and everything that it started: SIGTERM, and after `graceMilliseconds` SIGKILL. */
  stop(graceMilliseconds: number): Promise<TrainerExit>;
  /** Ends it with SIGABRT, to which Python prints its stacks; what does not end of it gets SIGKILL after so long. */
  abort(milliseconds: number): Promise<TrainerExit>;
}

export interface TrainerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Takes a piece of output; no more is read until the promise, where there is one, has settled. */
  readonly onOutput: (chunk: Uint8Array) => Promise<unknown> | undefined;
  /** Called at once when there is a process, before anything is waited for. */
  readonly onProcess?: (pid: number) => void;
}

/** How long output is still read for after the process has ended: something that it started may hold the pipe open. */
const drainMilliseconds = 2000;

/** How long what the process started may still print its stacks when the process itself has ended. */
const lingerMilliseconds = 1000;

/** More than the pipes hold: what comes after that was not written by the process that has ended. */
const drainBytes = 4 * 1024 * 1024;

/**
 * Starts the command, without a shell, in a process group of its own, so that whatever it starts ends with it. Throws
 * AttemptError `image-or-command-error` where it cannot be started.
 */
export async function startTrainer(command: TrainerCommand): Promise<TrainerProcess> {
  const oomKills = countOomKills();
  const child = launch(command);
  const { pid } = child;
  try {
    if (pid !== undefined) command.onProcess?.(pid);
  } catch (error) {
    killGroup(pid, "SIGKILL");
    throw error;
  }
  const output = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const limit = { bytes: Number.POSITIVE_INFINITY };
  for (const stream of output) readOutput(stream, limit, command.onOutput);
  let running = true;
  let lingering = false;
  const exit = new Promise<TrainerExit>((resolve) => {
    child.once("exit", (exitCode, signal) => {
      running = false;
      if (lingering) setTimeout(() => killGroup(pid, "SIGKILL"), lingerMilliseconds);
      else killGroup(pid, "SIGKILL");
      const oomKilled = (countOomKills() ?? 0) > (oomKills ?? Number.POSITIVE_INFINITY);
      const done = () => resolve({ exitCode, signal, ...(oomKilled ? { oomKilled } : {}) });
      const cut = () => {
        for (const stream of output) stream.destroy();
      };
      const timer = setTimeout(() => {
        cut();
        done();
      }, drainMilliseconds);
      limit.bytes = drainBytes;
      for (const stream of output) stream.resume();
      child.once("close", () => {
        clearTimeout(timer);
        done();
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.on("error", (error) => reject(cannotStart(command.program, error)));
  });
  if (pid === undefined) throw cannotStart(command.program, new Error("no process id"));
  const end = async (signal: NodeJS.Signals, graceMilliseconds: number): Promise<TrainerExit> => {
    // Its number may be another's once it has ended.
    if (!running) return await exit;
    killGroup(pid, signal);
    const timer = setTimeout(() => running && killGroup(pid, "SIGKILL"), graceMilliseconds);
    const ended = await exit;
    clearTimeout(timer);
    return ended;
  };
  return {
    pid,
    exit,
    stop: (graceMilliseconds) => end("SIGTERM", graceMilliseconds),
    abort(milliseconds) {
      lingering = true;
      return end("SIGABRT", milliseconds);
    },
  };
}

function launch({ program, args, folder, environment }: TrainerCommand): ChildProcess {
  try {
    return spawn(program, args, {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
  } catch (error) {
    // Some refusals of the system (E2BIG) come at once.
    throw cannotStart(program, error instanceof Error ? error : new Error(String(error)));
  }
}

/** Gives on what comes, as fast as it is taken: what nobody takes stays in the pipe, and its writer waits. */
function readOutput(stream: Readable, limit: { bytes: number }, onOutput: TrainerCommand["onOutput"]): void {
  stream.on("error", () => {});
  stream.on("data", (chunk: Uint8Array) => {
    limit.bytes -= chunk.byteLength;
    if (limit.bytes < 0) {
      stream.destroy();
      return;
    }
    const taken = onOutput(chunk);
    // Of a process that has ended little is left, and it is not worth waiting for.
    if (taken === undefined || Number.isFinite(limit.bytes)) return;
    stream.pause();
    const goOn = () => stream.resume();
    taken.then(goOn, goOn);
  });
}

/** Signals a whole process group; that it is gone already is fine. */
function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing of the group is left.
  }
}

function cannotStart(program: string, error: Error): AttemptError {
  const code = "code" in error ? String(error.code) : "";
  const why =
    code === "ENOENT"
      ? "there is no such program in PATH or at that path in the job's folder"
      : code === "EACCES"
        ? "it is not executable"
        : error.message;
  return new AttemptError("image-or-command-error", `the command '${program}' cannot be started: ${why}`);
}
