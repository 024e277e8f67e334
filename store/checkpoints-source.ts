import { createHash } from "node:crypto";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { CheckpointPath } from "../core/manifest.ts";
import { systemCode } from "./folder-errors.ts";
import { type FolderEntry, nodeFileSystem } from "./folder-file-system.ts";
import { chunkBytes, type FoundFile, readChunks, readWhole } from "./folder-read.ts";
import { compareKeys } from "./object-key.ts";

/** A file of the folder that is to become a checkpoint. */
export interface SourceFile extends FoundFile {
  /** Relative to the folder, with `/`. */
  readonly name: string;
}

/** What a folder may hold. */
export interface FolderRules {
  /** What is wrong with a file's path, if anything. */
  readonly problem: (name: string) => string | undefined;
  /** The error for what is wrong at `path`. */
  readonly refuse: (path: string, problem: string, cause?: unknown) => PawlError;
}

const badPath = (folder: string, path: string, problem: string, cause?: unknown): PawlError =>
  new PawlError("CHECKPOINT_PATH", `the checkpoint in ${folder} cannot be saved: ${path} ${problem}`, {
    next: "Let the trainer save regular files with plain names only, and change none of them afterwards.",
    details: { folder, path },
    cause,
  });

/** What is wrong with a path of a checkpoint. */
export function nameProblem(name: string): string | undefined {
  // What Node shows of a name that is not UTF-8; a store's keys are.
  if (name.includes("\uFFFD")) return "has a name that is not UTF-8";
  return CheckpointPath.safeParse(name).error?.issues[0]?.message;
}

async function sourceFile(
  folder: string,
  name: string,
  entry: FolderEntry,
  { problem, refuse }: FolderRules,
): Promise<SourceFile> {
  if (!entry.isFile)
    throw refuse(name, "is neither a regular file nor a folder (a symbolic link, or a socket)");
  const wrong = problem(name);
  if (wrong !== undefined) throw refuse(name, wrong);
  const path = join(folder, name);
  return { name, path, facts: await nodeFileSystem.factsAt(path) };
}

async function walk(folder: string, below: string, found: SourceFile[], rules: FolderRules): Promise<void> {
  for (const entry of await nodeFileSystem.entries(join(folder, below))) {
    const name = `${below}${entry.name}`;
    if (entry.isFolder) await walk(folder, `${name}/`, found, rules);
    else found.push(await sourceFile(folder, name, entry, rules));
  }
}

/** All files below a folder, in the order of their paths. Errors: those of the rules. */
export async function filesBelow(folder: string, rules: FolderRules): Promise<SourceFile[]> {
  const found: SourceFile[] = [];
  try {
    await walk(folder, "", found, rules);
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw rules.refuse("a folder in it", `cannot be read (${systemCode(error) ?? "unknown"})`, error);
  }
  return found.sort((a, b) => compareKeys(a.name, b.name));
}

/** The files that are to become a checkpoint. Errors: CHECKPOINT_PATH, also where there is none. */
export async function sourceFiles(folder: string): Promise<SourceFile[]> {
  const refuse: FolderRules["refuse"] = (...what) => badPath(folder, ...what);
  const found = await filesBelow(folder, { problem: nameProblem, refuse });
  if (found.length === 0) {
    throw new PawlError("CHECKPOINT_PATH", `the trainer wrote no file into ${folder}`, {
      next: "Let the trainer save something that it can go on from, or say `checkpoint: none` in the job.",
      details: { folder },
    });
  }
  return found;
}

const unreadable = (file: SourceFile) => (error: unknown) =>
  badPath(
    file.path.slice(0, -file.name.length - 1),
    file.name,
    "cannot be read as it was, or changed",
    error,
  );

export const isSmall = (file: SourceFile): boolean => file.facts.sizeBytes <= chunkBytes;

/** All of a small file. */
export async function sourceBytes(file: SourceFile): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readWhole(nodeFileSystem, file);
  } catch (error) {
    throw unreadable(file)(error);
  }
  if (bytes === undefined) throw unreadable(file)(undefined);
  return bytes;
}

/** A large file, piece by piece. */
export const sourceChunks = (file: SourceFile): AsyncIterable<Uint8Array> =>
  readChunks(nodeFileSystem, file, unreadable(file));

/** The SHA-256 of all chunks, in hexadecimal. */
export async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash("sha256");
  for await (const chunk of chunks) digest.update(chunk);
  return digest.digest("hex");
}
