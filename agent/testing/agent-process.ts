import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { outcomeKey } from "../../core/keys.ts";
import { Outcome } from "../../core/outcome.ts";
import { AttemptRequest } from "../../core/requests.ts";
import { processesNaming } from "../../test/pawl.ts";
import { asAttemptError } from "../attempt-error.ts";
import { PipeRequest } from "../reviewer.ts";
import { attempt, batchJobId, run, type Scene } from "./scene.ts";

const path = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface AgentProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>;
  /** The most memory that it held, in bytes, when it told of its end. */
  readonly peakBytes: () => number;
}

/** Starts the agent as a driver does, with the scene in the place of Review. */
export function startAgent(scene: Scene, variables: NodeJS.ProcessEnv = {}): AgentProcess {
  const { environment } = scene;
  let [stderr, peak] = ["", 0];
  const child = fork(path, [], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    execArgv: [],
    env: {
      ...process.env,
      PAWL_RUN: environment.run,
      PAWL_ATTEMPT: String(environment.attempt),
      PAWL_SEQUENCE: String(environment.sequence),
      PAWL_STORE: environment.store,
      PAWL_ATTEMPT_FOLDER: environment.folder,
      AWS_BATCH_JOB_ID: environment.batchJobId,
      ...variables,
    },
  });
  child.stdout?.on("data", (chunk) => scene.said(String(chunk)));
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  child.on("message", async (message) => {
    const { id, request } = PipeRequest.parse(message);
    const parsed = AttemptRequest.parse(request);
    if (parsed.event.type === "ended") peak = highWaterMark(child.pid);
    const reply = await scene.review(parsed).then(
      (value) => ({ id, reply: value }),
      (error) => ({ id, error: { message: asAttemptError(error).message, full: false } }),
    );
    if (child.connected) child.send(reply, () => {});
  });
  const closed = [child.stdout, child.stderr].map((stream) => stream && once(stream, "close"));
  // Node says no `close` of a child that was disconnected from.
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const ended = Promise.all([exit, ...closed]).then(([how]) => ({ ...how, stderr }));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    for (const pid of await processesNaming(scene.folder)) process.kill(pid, "SIGKILL");
  });
  return { child, ended, peakBytes: () => peak };
}

const highWaterMark = (pid: number | undefined): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

/** The attempt's own account, as it is in the store. */
export async function outcomeOf(scene: Scene): Promise<Outcome> {
  const object = await scene.store.read(outcomeKey(run, attempt, batchJobId));
  return Outcome.parse(JSON.parse(Buffer.from(object?.bytes ?? []).toString()));
}
