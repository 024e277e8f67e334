import { PawlError } from "../core/errors.ts";
import { isUnderWay } from "../core/standing.ts";
import { type HeldLease, takeLease } from "../local/lease.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Console } from "./commands.ts";
import { whoDrives } from "./standing.ts";

/** Whether a store cannot be written to: its disk is full, it is read-only, or that is not allowed. */
export const isUnwritable = (error: unknown): error is PawlError =>
  error instanceof PawlError && ["STORE_FULL", "STORE_UNWRITABLE", "STORE_DENIED"].includes(error.code);

/**
 * `work` while nobody trains `run` in either store. A source that cannot be written to is believed to stay as it is; who
 * trains there all the same is seen by `copyRun`. Throws RUN_HELD where somebody trains it.
 */
export async function holdingBoth<Result>(
  run: string,
  from: ObjectStore,
  to: ObjectStore,
  console: Console,
  work: (lost: readonly AbortSignal[]) => Promise<Result>,
): Promise<Result> {
  const leases: HeldLease[] = [];
  try {
    const source = await take(from, run).catch((error: unknown) => {
      if (!isUnwritable(error)) throw error;
      console.err(
        `note: ${from.address} cannot be written to, so nobody is kept from training ${run} there meanwhile`,
      );
      return undefined;
    });
    if (source !== undefined) leases.push(source);
    leases.push(await take(to, run));
    for (const store of [from, to]) await checkIdle(store, run);
    return await work(leases.map(({ lost }) => lost));
  } finally {
    for (const lease of leases) await lease.release();
  }
}

const take = (store: ObjectStore, run: string): Promise<HeldLease> =>
  takeLease(store, run).catch((error: unknown) => {
    if (!(error instanceof PawlError) || error.code !== "RUN_HELD") throw error;
    throw held(store, error.message, error.details, error);
  });

const held = (store: ObjectStore, message: string, from: PawlError["details"], cause?: unknown): PawlError =>
  new PawlError("RUN_HELD", `${message}, in ${store.address}`, {
    next: "Wait until it ends, or stop it, and copy then.",
    details: { ...from, store: store.address },
    cause,
  });

/** An execution on AWS holds no lease. */
async function checkIdle(store: ObjectStore, run: string): Promise<void> {
  const state = (await openJournal(store).newest(run))?.state;
  if (state === undefined || !isUnderWay(state)) return;
  const { alive, who } = await whoDrives(store, state);
  if (alive) throw held(store, `run ${run} is being trained by ${who}`, { run, holder: who });
}
