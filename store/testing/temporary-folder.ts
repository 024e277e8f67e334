import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

const inMemory = "/dev/shm";

/**
 * Makes folders that are gone after each test of the file that calls this; `fast` ones are in memory where the system
 * has a place for that, for tests to which the disk does not matter.
 */
export function temporaryFolders({ fast = false } = {}): () => Promise<string> {
  const parent = fast && existsSync(inMemory) ? inMemory : tmpdir();
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });
  return async () => {
    const folder = await mkdtemp(join(parent, "pawl-store-"));
    folders.push(folder);
    return folder;
  };
}
