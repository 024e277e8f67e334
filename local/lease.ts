import { randomUUID } from "node:crypto";
import { PawlError } from "../core/errors.ts";
import { leaseKey } from "../core/keys.ts";
import { holderWords, isHeld, type Lease, readLease } from "../lambdas/lease-liveness.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { thisProcess } from "../store/process-identity.ts";

export interface LeaseTiming {
  readonly renewMilliseconds: number;
  /** How long a holder on another host, whose process cannot be looked at, is believed. */
  readonly lifeMilliseconds: number;
}

const defaultTiming: LeaseTiming = { renewMilliseconds: 5_000, lifeMilliseconds: 30_000 };

export interface HeldLease {
  /** Names this holder in the ids of its executions. */
  readonly holder: string;
  /** Aborts when another driver has the run. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** Makes this process the only local driver of `run`. Throws RUN_HELD, which says who is. */
export async function takeLease(
  store: ObjectStore,
  run: string,
  timing: LeaseTiming = defaultTiming,
): Promise<HeldLease> {
  const since = new Date().toISOString();
  const holder = randomUUID();
  const body = (released: boolean): string => {
    const expiresAt = new Date(Date.now() + timing.lifeMilliseconds).toISOString();
    const lease: Lease = { version: 1, holder, process: thisProcess(), since, expiresAt, released };
    return JSON.stringify(lease);
  };
  const found = await readLease(store, run);
  if (found !== undefined && isHeld(found.lease, new Date())) throw held(run, holderWords(found.lease));
  const key = leaseKey(run);
  const written =
    found === undefined
      ? await store.create(key, body(false))
      : await store.replace(key, found.version, body(false));
  if (written === undefined) {
    const winner = await readLease(store, run);
    throw held(run, winner === undefined ? "another process" : holderWords(winner.lease));
  }
  return keep(store, run, written.version, body, holder, timing);
}

const held = (run: string, who: string): PawlError =>
  new PawlError("RUN_HELD", `run ${run} is being trained by ${who}`, {
    next: `Wait until it ends, or stop it with 'pawl stop ${run}'; what it has committed is kept.`,
    details: { run, holder: who },
  });

function keep(
  store: ObjectStore,
  run: string,
  firstVersion: string,
  body: (released: boolean) => string,
  holder: string,
  timing: LeaseTiming,
): HeldLease {
  const key = leaseKey(run);
  const lost = new AbortController();
  let version = firstVersion;
  let writing: Promise<void> = Promise.resolve();
  const renew = async (released: boolean): Promise<void> => {
    if (lost.signal.aborted) return;
    const written = await store.replace(key, version, body(released));
    if (written !== undefined) {
      version = written.version;
      return;
    }
    // A write whose answer was lost has changed the version too: then it is still ours.
    const found = await readLease(store, run);
    if (found?.lease.holder === holder) {
      version = found.version;
      if (released && !found.lease.released) await store.replace(key, version, body(true));
      return;
    }
    clearInterval(timer);
    const who = found === undefined ? "somebody" : holderWords(found.lease);
    lost.abort(held(run, who));
  };
  const write = (released: boolean) => {
    // A store that fails now may be back at the next turn; whoever takes the run over meanwhile is seen then.
    writing = writing.then(() => renew(released)).catch(() => {});
    return writing;
  };
  const timer = setInterval(() => void write(false), timing.renewMilliseconds);
  timer.unref();
  return {
    holder,
    lost: lost.signal,
    async release() {
      clearInterval(timer);
      await write(true);
    },
  };
}
