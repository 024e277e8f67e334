import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { attemptProcesses, killAttemptProcesses } from "../agent/attempt-processes.ts";
import { socketPath } from "../agent/workspace.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isAlive, ProcessIdentity } from "../store/process-identity.ts";

/**
 * Where attempts on this machine work: beside a folder store, so that a checkpoint moves within one file system; else in
 * the system's temporary folder.
 */
export function scratchFolder(store: ObjectStore): string {
  if (isAbsolute(store.address)) return join(store.address, ".internal", "scratch");
  // A bucket of the same name at another endpoint is another bucket.
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL ?? "";
  const name = createHash("sha256").update(`${endpoint} ${store.address}`).digest("hex").slice(0, 16);
  return join(tmpdir(), `pawl-${userInfo().uid}`, name);
}

/** How long killed processes may take to be gone. */
const patienceMilliseconds = 10_000;

/** The records of an attempt: the agent first, which would start the other anew. */
const records = ["agent.json", "trainer.json"];

/** The recorded processes of the attempt in `folder` that still run; a number that came to another process is none. */
function recorded(folder: string): number[] {
  return records.flatMap((record) => {
    try {
      const found = ProcessIdentity.parse(JSON.parse(readFileSync(join(folder, record), "utf8")));
      return isAlive(found) === true ? [found.pid] : [];
    } catch {
      // It was not started, or its starter was killed before or while it noted this.
      return [];
    }
  });
}

/** Sends SIGKILL to every process of the attempt in `folder`, with its group. */
export function killAttempt(folder: string): void {
  for (const pid of recorded(folder)) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  killAttemptProcesses(folder);
}

/** Kills every process of the attempt in `folder`, waits until they are gone, and removes what they left. */
export async function removeAttempt(folder: string): Promise<void> {
  const until = Date.now() + patienceMilliseconds;
  while (recorded(folder).length > 0 || attemptProcesses(folder).length > 0) {
    killAttempt(folder);
    if (Date.now() > until) break;
    await sleep(5);
  }
  await rm(socketPath(folder), { force: true });
  await removeFolder(folder);
}

/** Ends whatever still runs of the attempts in `folder` (a run's scratch) and removes what they left. */
export async function sweepScratch(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) await removeAttempt(join(folder, name));
  await rmdir(folder).catch(() => {});
}

/** What a trainer made unwritable is removed all the same. What stays is tried again at the next start. */
async function removeFolder(folder: string): Promise<void> {
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    await remove();
  } catch {
    await makeWritable(folder).catch(() => {});
    await remove().catch(() => {});
  }
}

async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
  }
}
