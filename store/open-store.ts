import { fileURLToPath } from "node:url";
import { PawlError } from "../core/errors.ts";
import { openFolderStore, openFolderStoreToRead } from "./folder.ts";
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
  if (scheme !== undefined) {
    throw refuse(
      address,
      `has the scheme '${scheme}:', which no store has`,
      "Name a folder, or s3://bucket/prefix; begin a folder with ./ if its name holds a colon.",
    );
  }
  return address;
}

/** What is going to be done with a store: one opened to be read is not written to, nor made. */
export type StoreAccess = "write" | "read";

/**
 * Opens the store at `address`: a folder's path, its file: URL, or an s3: address. Errors: STORE_ADDRESS; those of
 * `openFolderStore` and `openS3Store`.
 */
export async function openStore(address: string, access: StoreAccess = "write"): Promise<ObjectStore> {
  if (/^s3:/i.test(address)) {
    // Loaded only here: a folder store never waits for the AWS SDK.
    const { openS3Store } = await import("./s3.ts");
    return await openS3Store(address, access);
  }
  const folder = folderOf(address);
  return access === "read" ? await openFolderStoreToRead(folder) : await openFolderStore(folder);
}
