import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A server of the tests, on a port of its own on the loopback interface. */
export interface Server {
  readonly address: string;
  stop(): Promise<void>;
}

export interface Launch {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly folder: string;
  readonly port: number;
  /** Asked until it answers with a status below 500. */
  readonly health: string;
}

/** How long a server may take until it answers. */
const patienceMilliseconds = 90_000;

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address();
    probe.close(() => {
      if (typeof address === "object" && address !== null) resolve(address.port);
      else reject(new Error("no port was given"));
    });
  });
  return promise;
}

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    (response) => response.status < 500,
    () => false,
  );

const running = new Set<ChildProcess>();

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

process.once("exit", () => {
  for (const child of running) killGroup(child, "SIGKILL");
});

/** Starts a server in a process group of its own and waits until it answers. Throws with its last words where it does not. */
export async function startServer(launch: Launch): Promise<Server> {
  const { name, program, args, env, folder, port, health } = launch;
  const child = spawn(program, args, {
    cwd: folder,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let said = "";
  // For whoever looks for what went wrong while it runs; it goes with the folder.
  const log = createWriteStream(join(folder, "output.log"));
  log.on("error", () => {});
  const listen = (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
    log.write(chunk);
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.once("close", () => {
    running.delete(child);
    log.end();
  });
  const address = `http://127.0.0.1:${port}`;
  const until = Date.now() + patienceMilliseconds;
  while (!(await answers(`${address}${health}`))) {
    if (failure !== undefined || child.exitCode !== null || Date.now() > until) {
      killGroup(child, "SIGKILL");
      throw new Error(
        `${name} does not answer at ${address}${failure ? `: ${failure.message}` : ""}\n${said}`,
      );
    }
    await sleep(100);
  }
  return {
    address,
    async stop() {
      killGroup(child, "SIGTERM");
      const killed = setTimeout(() => killGroup(child, "SIGKILL"), 5000);
      await ended;
      clearTimeout(killed);
      killGroup(child, "SIGKILL");
    },
  };
}
