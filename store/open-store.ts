import { fileURLToPath } from "node:url";
import { PawlError } from "../core/errors.ts";
import { openFolderStore } from "./folder.ts";
import type { ObjectStore } from "./object-store.ts";

const refuse = (address: string, problem: string, next: string, cause?: unknown): PawlError =>
  new PawlError("STORE_ADDRESS", `the store address '${address}' ${problem}`, {
    next,
    details: { address },
    cause,
  });

function fileFolder(address: string): string {
  try {
    // `file:runs` would quietly become `/runs`.
    if (!/^file:\//i.test(address)) throw new TypeError("a file: address names a whole path");
    return fileURLToPath(address);
  } catch (cause) {
    throw refuse(address, "is no folder's", "Write file:///path/to/folder, or the path alone.", cause);
  }
}

/** The folder that `address` names. Errors: STORE_ADDRESS. */
function folderOf(address: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase();
  if (address === "" || address.includes("\0")) throw refuse(address, "names nothing", "Name a folder.");
  if (scheme === "file") return fileFolder(address);
  if (scheme === "s3") {
    const next = "Name a folder. S3 stores are not part of this version of pawl.";
    throw refuse(address, "is one of S3, and S3 stores are not part of this version", next);
  }
  if (scheme !== undefined) {
    throw refuse(
      address,
      `has the scheme '${scheme}:', which no store has`,
      "Name a folder; begin it with ./ if its name holds a colon.",
    );
  }
  return address;
}

/** Opens the store at `address`: a folder's path, or its file: URL. Errors: STORE_ADDRESS; STORE_UNWRITABLE. */
export async function openStore(address: string): Promise<ObjectStore> {
  return await openFolderStore(folderOf(address));
}
