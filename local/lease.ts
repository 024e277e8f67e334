import { randomUUID } from "node:crypto";
import * as z from "zod";
import { PawlError } from "../core/errors.ts";
import { leaseKey } from "../core/keys.ts";
import { Moment } from "../core/names.ts";
import type { Driver } from "../core/run-state.ts";
import type { Liveness } from "../lambdas/ports.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isAlive, ProcessIdentity, thisProcess } from "../store/process-identity.ts";

/** Who drives a run on this or another machine. A released lease is kept: it says who had it last. */
const Lease = z.strictObject({
  version: z.literal(1),
  holder: z.string(),
  process: ProcessIdentity,
  since: Moment,
  expiresAt: Moment,
  released: z.boolean(),
});
type Lease = z.infer<typeof Lease>;

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

const localId = /^local:([^:]+):/;

/** The id of an execution that runs in the process that holds the lease `holder`. */
export const localExecutionId = (holder: string, execution: string): string => `local:${holder}:${execution}`;

/** A process that can be looked at is believed; one on another host, or from before a reboot, by its lease's time. */
function isHeld(lease: Lease, now: Date): boolean {
  if (lease.released) return false;
  return isAlive(lease.process) ?? Date.parse(lease.expiresAt) > now.getTime();
}

const describe = (lease: Lease): string =>
  `process ${lease.process.pid} on ${lease.process.host} since ${lease.since}`;

async function readLease(
  store: ObjectStore,
  run: string,
): Promise<{ lease: Lease; version: string } | undefined> {
  const object = await store.read(leaseKey(run));
  if (object === undefined) return undefined;
  try {
    const lease = Lease.parse(JSON.parse(Buffer.from(object.bytes).toString("utf8")));
    return { lease, version: object.version };
  } catch (cause) {
    const key = leaseKey(run);
    throw new PawlError("STORE_FAILED", `the lease of run ${run} (${key}) cannot be read`, {
      next: `See that nobody trains ${run}, also with a newer version of pawl; then remove ${key} from the store.`,
      details: { key },
      cause,
    });
  }
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
  if (found !== undefined && isHeld(found.lease, new Date())) throw held(run, describe(found.lease));
  const key = leaseKey(run);
  const written =
    found === undefined
      ? await store.create(key, body(false))
      : await store.replace(key, found.version, body(false));
  if (written === undefined) {
    const winner = await readLease(store, run);
    throw held(run, winner === undefined ? "another process" : describe(winner.lease));
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
    const who = found === undefined ? "somebody" : describe(found.lease);
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

/** Liveness of drivers that are processes: by their lease. */
export function leaseLiveness(store: ObjectStore): Liveness {
  return {
    async check(run: string, driver: Driver) {
      const holder = localId.exec(driver.id)?.[1];
      const found = await readLease(store, run);
      if (found === undefined || found.lease.holder !== holder)
        return { alive: false, who: driver.execution };
      return { alive: isHeld(found.lease, new Date()), who: describe(found.lease) };
    },
  };
}
