import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFolderStore } from "./folder.ts";
import { describeObjectStore } from "./testing/contract.ts";

describeObjectStore(
  "a folder",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "pawl-folder-"));
    return {
      store: await openFolderStore(folder),
      reopen: () => openFolderStore(folder),
      cleanup: () => rm(folder, { recursive: true, force: true }),
    };
  },
  { nestedKeys: "a file system has one thing at one path" },
);
