import { createHash } from "node:crypto";
import { constants, cp, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";

/** Longest path of a Unix socket that every system takes, in bytes. */
const maxSocketPath = 100;

/**
 * Where the trainer of the attempt in `folder` finds its agent. A function of the folder alone, so that whoever cleans
 * up after a killed agent finds it too.
 */
export function socketPath(folder: string): string {
  const inside = join(folder, "trainer.sock");
  if (Buffer.byteLength(inside) <= maxSocketPath) return inside;
  const name = `pawl-${createHash("sha256").update(folder).digest("hex").slice(0, 24)}.sock`;
  const outside = join(tmpdir(), name);
  return Buffer.byteLength(outside) <= maxSocketPath ? outside : join("/tmp", name);
}

/** The names in the job's folder that are Pawl's own, or that a trainer has no business in. */
const notLinked = new Set([".pawl", ".git"]);

/** An attempt's own folder: what a killed trainer leaves half written stays in it. */
export interface Workspace {
  readonly folder: string;
  /** The trainer's working directory: links to everything in the job's folder; new files stay here. */
  readonly work: string;
  /** The restored checkpoint; a plain command changes it in place. */
  readonly checkpoint: string;
  readonly metricsFile: string;
  readonly socket: string;
  /** A fresh, empty folder for a checkpoint. */
  freshSave(name: string): Promise<string>;
  /** A copy of `checkpoint` as it is now. */
  snapshot(name: string): Promise<string>;
}

/** Makes the folders; those of an earlier try at the same place are removed first. */
export async function prepareWorkspace(folder: string, source: string | undefined): Promise<Workspace> {
  const work = join(folder, "work");
  const checkpoint = join(folder, "checkpoint");
  const saves = join(folder, "saves");
  const metricsFile = join(folder, "metrics.json");
  for (const each of [work, checkpoint, saves, metricsFile]) await rm(each, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  await mkdir(saves);
  if (source !== undefined) await link(source, work);
  const save = (name: string) => join(saves, name);
  return {
    folder,
    work,
    checkpoint,
    metricsFile,
    socket: socketPath(folder),
    async freshSave(name) {
      await rm(save(name), { recursive: true, force: true });
      await mkdir(save(name));
      return save(name);
    },
    async snapshot(name) {
      await rm(save(name), { recursive: true, force: true });
      await copyCheckpoint(checkpoint, save(name));
      return save(name);
    },
  };
}

/** Copies without copying bytes where the file system can. Throws CHECKPOINT_PATH for what is neither file nor folder. */
async function copyCheckpoint(from: string, to: string): Promise<void> {
  try {
    await cp(from, to, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || !String(cause.code).startsWith("ERR_FS_CP_"))
      throw cause;
    throw new PawlError("CHECKPOINT_PATH", `the checkpoint in ${from} cannot be copied: ${cause.message}`, {
      next: "Let the trainer save regular files and folders only.",
      cause,
    });
  }
}

async function link(source: string, work: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(source);
  } catch (cause) {
    throw new PawlError("JOB_NOT_FOUND", `the job's folder ${source} cannot be read`, {
      next: "Put it back, or start from the job file where it is now.",
      cause,
    });
  }
  for (const name of names) {
    if (!notLinked.has(name)) await symlink(join(source, name), join(work, name));
  }
}
