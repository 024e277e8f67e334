import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/** What every attempt's folder has from its beginning on: its agent's process. */
export const agentRecord = "agent.json";

/** What nobody has said to live for so long is a dead attempt's, in milliseconds. */
const deadAfter = 24 * 3_600_000;

const sayEvery = deadAfter / 24;

/** Says again and again that the attempt in `folder` lives: nobody else on the instance can see its process. */
export function sayAlive(folder: string): { end(): void } {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(join(folder, agentRecord), now, now).catch(() => {});
  }, sayEvery);
  timer.unref();
  return { end: () => clearInterval(timer) };
}

/**
 * Removes what attempts have left in `scratch` that died without doing so themselves: the instance's disk is every later
 * attempt's. Nothing that fails here is worth an attempt.
 */
export async function removeDeadFolders(scratch: string): Promise<void> {
  const names = await readdir(scratch).catch(() => []);
  for (const name of names) {
    try {
      const { mtimeMs } = await stat(join(scratch, name, agentRecord));
      if (Date.now() - mtimeMs > deadAfter) await removeFolder(join(scratch, name));
    } catch {
      // It is no attempt's, or is being removed by another one.
    }
  }
}

/** Trainers can leave folders that not even their owner may change; as root one may. */
export const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 3 });
