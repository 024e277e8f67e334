import { Header, Pax } from "tar";
import { type CodeEntry, refusedCode } from "./code-files.ts";
import { nodeFileSystem } from "./folder-file-system.ts";
import { readChunks } from "./folder-read.ts";

const blockBytes = 512;

/** Nothing of the machine is in it: no owner and no time, and of the mode only whether it can be run. */
function headerOf(entry: CodeEntry): Buffer {
  const fields = {
    path: entry.type === "folder" ? `${entry.path}/` : entry.path,
    ...(entry.type === "link" ? { linkpath: entry.target } : {}),
    size: entry.type === "file" ? entry.found.facts.sizeBytes : 0,
  };
  const isExecutable = entry.type === "folder" || (entry.type === "file" && entry.isExecutable);
  const type = { file: "File", link: "SymbolicLink", folder: "Directory" } as const;
  const header = new Header({
    ...fields,
    type: type[entry.type],
    mode: isExecutable ? 0o755 : 0o644,
    mtime: new Date(0),
  });
  const needsMore = header.encode();
  const block = header.block ?? Buffer.alloc(0);
  return needsMore ? Buffer.concat([new Pax(fields).encode(), block]) : block;
}

/**
 * A tar archive of `entries`: the same bytes for the same files, on any machine. Errors: CODE_INVALID where a file
 * changes while it is read.
 */
export async function* archiveOf(folder: string, entries: readonly CodeEntry[]): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield headerOf(entry);
    if (entry.type !== "file") continue;
    const changed = () =>
      refusedCode(
        folder,
        `${entry.path} cannot be read, or changed while it was read`,
        "Try again when nobody writes into the folder, or leave the file out with .pawlignore.",
        entry.path,
      );
    yield* readChunks(nodeFileSystem, entry.found, changed);
    const rest = entry.found.facts.sizeBytes % blockBytes;
    if (rest > 0) yield new Uint8Array(blockBytes - rest);
  }
  yield new Uint8Array(2 * blockBytes);
}
