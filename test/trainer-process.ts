import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Its lines on standard output. */
  readonly said: readonly string[];
  readonly stderr: string;
}

/** A trainer that runs. */
export interface TrainerProcess extends Disposable {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when it has said its first line. */
  readonly spoke: Promise<void>;
}

/** Starts `command` as an agent would. */
export function startTrainer(
  command: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): TrainerProcess {
  const [program = "", ...args] = command;
  const { PAWL_SOCKET: _, ...inherited } = process.env;
  const child = spawn(program, args, { ...options, env: { ...inherited, ...options.env } });
  const said: string[] = [];
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const lines = createInterface({ input: child.stdout });
  const spoke = new Promise<void>((resolve, reject) => {
    lines.once("line", () => resolve());
    lines.once("close", () => reject(new Error(`the trainer said nothing: ${stderr}`)));
  });
  spoke.catch(() => {});
  lines.on("line", (line) => said.push(line));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, said, stderr }));
  });
  return { child, ended, spoke, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}
