import { join } from "node:path";
import { describe, it } from "vitest";
import { expectKillsChangeNothing, kills, type RunStore } from "./killing.ts";
import { filesBelow, temporaryFolder } from "./pawl.ts";

const folderStore = (folder: string): RunStore => ({
  address: folder,
  scratch: join(folder, ".internal", "scratch"),
  leftovers: () => filesBelow(join(folder, ".internal", "tmp")),
});

describe("a run that is killed again and again", () => {
  it(`ends with the same checkpoint as one that is left alone, after ${kills} kills of runner, agent and trainer`, async () => {
    await using alone = await temporaryFolder();
    await using killed = await temporaryFolder();
    await using temporary = await temporaryFolder();
    await expectKillsChangeNothing(folderStore(alone.path), folderStore(killed.path), temporary.path);
  }, 300_000);
});
