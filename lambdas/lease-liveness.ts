import * as z from "zod";
import { PawlError } from "../core/errors.ts";
import { leaseKey } from "../core/keys.ts";
import { Moment } from "../core/names.ts";
import type { Driver } from "../core/run-state.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isAlive, ProcessIdentity } from "../store/process-identity.ts";
import type { Liveness } from "./ports.ts";

/** Who drives a run on this or another machine. A released lease is kept: it says who had it last. */
const Lease = z.strictObject({
  version: z.literal(1),
  holder: z.string(),
  process: ProcessIdentity,
  since: Moment,
  expiresAt: Moment,
  released: z.boolean(),
});
export type Lease = z.infer<typeof Lease>;

const localId = /^local:([^:]+):/;

/** The id of an execution that runs in the process that holds the lease `holder`. */
export const localExecutionId = (holder: string, execution: string): string => `local:${holder}:${execution}`;

export const isLocalExecution = (id: string): boolean => localId.test(id);

/** A process that can be looked at is believed; one on another host, or from before a reboot, by its lease's time. */
export function isHeld(lease: Lease, now: Date): boolean {
  if (lease.released) return false;
  return isAlive(lease.process) ?? Date.parse(lease.expiresAt) > now.getTime();
}

export const holderWords = (lease: Lease): string =>
  `process ${lease.process.pid} on ${lease.process.host} since ${lease.since}`;

/** The newest lease of a run; `undefined` where there never was one. Errors: STORE_FAILED; the store's. */
export async function readLease(
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

/** Liveness of drivers that are processes: by their lease. */
export function leaseLiveness(store: ObjectStore): Liveness {
  return {
    async check(run: string, driver: Driver) {
      const holder = localId.exec(driver.id)?.[1];
      const found = await readLease(store, run);
      if (found === undefined || found.lease.holder !== holder)
        return { alive: false, who: driver.execution };
      return { alive: isHeld(found.lease, new Date()), who: holderWords(found.lease) };
    },
  };
}
