import { hash } from "node:crypto";
import { PawlError } from "../core/errors.ts";
import { untilAborted } from "./checkpoints-parallel.ts";
import { digestOf } from "./checkpoints-source.ts";
import type { Body, ObjectStore } from "./object-store.ts";

/** Up to this size an object travels in one piece. */
const smallBytes = 1024 * 1024;

/** What passes while a run is copied. */
interface CopyCount {
  /** Bytes that went over, each as it went. */
  add(bytes: number): void;
  /** An object is there now; `copied` where it was not before. */
  done(copied: boolean): void;
}

export interface CopyContext {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly signal: AbortSignal;
  readonly count: CopyCount;
}

export const otherObject = (to: ObjectStore, key: string): PawlError =>
  new PawlError("RUN_DIVERGED", `${to.address} holds another ${key} already`, {
    next: "It is of another run of this name: copy into another store, or remove that one with pawl prune first.",
    details: { key, store: to.address },
  });

async function collected(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* counted(body: AsyncIterable<Uint8Array>, { count, signal }: CopyContext) {
  for await (const chunk of untilAborted(body, signal)) {
    yield chunk;
    count.add(chunk.byteLength);
  }
}

/** A file of a checkpoint, as its manifest has it. */
export interface KnownObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * Copies an object whose size and digest are known; one that is there already is read and compared. Returns what is
 * wrong with the source's, in words; `undefined` where the destination has it now. Errors: RUN_DIVERGED where the
 * destination has another one.
 */
export async function copyKnown(
  context: CopyContext,
  { key, sizeBytes, sha256 }: KnownObject,
  there: boolean,
): Promise<string | undefined> {
  const { from, to, signal, count } = context;
  if (there) return await checkThere(context, key, sha256);
  const object = await from.open(key);
  if (object === undefined) return `is missing (${key})`;
  if (object.sizeBytes !== sizeBytes) {
    await object.body[Symbol.asyncIterator]().return?.();
    return `has ${object.sizeBytes} bytes, not ${sizeBytes}`;
  }
  const stream = counted(object.body, context);
  const body: Body = sizeBytes <= smallBytes ? await collected(stream) : stream;
  signal.throwIfAborted();
  try {
    const written = await to.create(key, body, { sha256 });
    if (written === undefined) return await checkThere(context, key, sha256);
  } catch (error) {
    if (error instanceof PawlError && error.code === "STORE_DIGEST")
      return "has another digest than was saved";
    throw error;
  }
  count.done(true);
  return undefined;
}

async function checkThere(
  { to, signal, count }: CopyContext,
  key: string,
  sha256: string,
): Promise<undefined> {
  const object = await to.open(key);
  const digest = object === undefined ? undefined : await digestOf(untilAborted(object.body, signal));
  if (digest !== sha256) throw otherObject(to, key);
  count.done(false);
  return undefined;
}

/** Copies bytes that were read already. Errors: RUN_DIVERGED where the destination has others that are not `same`. */
export async function copyBytes(
  { to, count }: CopyContext,
  key: string,
  bytes: Uint8Array,
  same: (one: Uint8Array, other: Uint8Array) => boolean = (one, other) => Buffer.compare(one, other) === 0,
): Promise<void> {
  const written = await to.create(key, bytes, { sha256: hash("sha256", bytes, "hex") });
  if (written !== undefined) {
    count.add(bytes.byteLength);
    count.done(true);
    return;
  }
  const found = await to.read(key);
  if (found === undefined || !same(bytes, found.bytes)) throw otherObject(to, key);
  count.done(false);
}

/** Copies an object of which nothing is known, unless it is there. */
export async function copyRecord(context: CopyContext, key: string): Promise<void> {
  const { from, to, count, signal } = context;
  const object = await from.open(key);
  // Somebody removed it meanwhile; it was a record of what is over.
  if (object === undefined) return;
  const stream = counted(object.body, context);
  const body: Body = object.sizeBytes <= smallBytes ? await collected(stream) : stream;
  signal.throwIfAborted();
  const written = await to.create(key, body);
  count.done(written !== undefined);
}
