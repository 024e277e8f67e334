import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { exitCodes, PawlError } from "../core/errors.ts";
import { leaseKey } from "../core/keys.ts";
import { Name } from "../core/names.ts";
import { type PruneItem, type PruneReason, planPrune, type WholeRuns } from "../core/prune.ts";
import { isUnderWay } from "../core/standing.ts";
import { takeLease } from "../local/lease.ts";
import { scratchFolder, sweepScratch } from "../local/scratch.ts";
import { unusedCode } from "../store/code-in-use.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { removeItem, runsWithObjects, surveyRun, wantedByOthers } from "../store/prune.ts";
import type { CommandRun, Console } from "./commands.ts";
import { count, size, table } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { wholeRuns } from "./prune-options.ts";
import { checkRunName, openStoreToRead, runNotFound } from "./runs.ts";
import { whoDrives } from "./standing.ts";
import { storeAddress } from "./store-address.ts";

/** What attempts on this machine left in their working folders; of the same form as what is in the store. */
type Scratch = {
  readonly kind: "scratch";
  readonly run: string;
  readonly objects: number;
  readonly sizeBytes: number;
};

/** Packed code that no run would unpack. */
type Code = {
  readonly kind: "code";
  readonly key: string;
  readonly objects: number;
  readonly sizeBytes: number;
};

/** What belongs to one run. */
type OfRun = PruneItem | Scratch;

type Item = OfRun | Code;

interface Skipped {
  readonly run: string;
  readonly why: string;
}

interface Pruning {
  readonly store: ObjectStore;
  readonly whole: WholeRuns | undefined;
  /** The checkpoints of each run that others begin from. */
  readonly wanted: ReadonlyMap<string, ReadonlySet<string>>;
  readonly signal: AbortSignal;
}

/** `pawl prune [name]`: the plan, and with --yes the deed. Both come from the same decision. */
export const prune: CommandRun = async ({ args, options, console }) => {
  const named = args[0] === undefined ? undefined : checkRunName(args[0]);
  const whole = wholeRuns(options, named);
  const yes = options.yes === true;
  const looking =
    named === undefined
      ? await openStore(storeAddress(options), "read")
      : await openStoreToRead(options, named);
  const runs = await runsOf(looking, named);
  const store = yes ? await openStore(storeAddress(options)) : looking;

  const interrupt = new AbortController();
  const stopped = new PawlError("INTERRUPTED", "stopped before everything was removed", {
    next: "Run the same command again; what is removed is gone, and nothing is half removed that anybody needs.",
  });
  const restore = onInterrupt(
    () => interrupt.abort(stopped),
    () => {},
  );
  const items: Item[] = [];
  const skipped: Skipped[] = [];
  try {
    const wanted = await wantedByOthers(store, named === undefined ? runs : await runsWithObjects(store));
    for (const run of runs) {
      interrupt.signal.throwIfAborted();
      try {
        items.push(...(await pruneRun({ store, whole, wanted, signal: interrupt.signal }, run, yes)));
      } catch (error) {
        const ofThisRun =
          error instanceof PawlError && (error.code === "RUN_HELD" || error.code === "JOURNAL_DAMAGED");
        if (!ofThisRun || named !== undefined) throw error;
        skipped.push({ run, why: error.message });
      }
    }
    if (named === undefined) {
      try {
        items.push(...(await pruneCode(store, items, interrupt.signal, yes)));
      } catch (error) {
        if (!(error instanceof PawlError) || error.code !== "JOURNAL_DAMAGED") throw error;
        console.err(`left alone: packed code, since a run whose journal is damaged may need it`);
      }
    }
  } finally {
    restore();
  }
  const objects = items.reduce((sum, item) => sum + item.objects, 0);
  const sizeBytes = items.reduce((sum, item) => sum + item.sizeBytes, 0);
  for (const { run, why } of skipped) console.err(`left alone: ${run}: ${why}`);
  if (named !== undefined && whole !== undefined && !items.some(({ kind }) => kind === "run")) {
    const states = whole.states.join(" or ");
    console.err(`the run itself stays: it is not ${states}, not old enough, or another run begins from it`);
  }
  if (options.json === true) {
    console.out(JSON.stringify({ store: store.address, removed: yes, items, objects, sizeBytes, skipped }));
  } else {
    render(console, items, { objects, sizeBytes, yes });
  }
  return exitCodes.done;
};

/** The packed code that no run needs once `items` are removed. */
async function pruneCode(
  store: ObjectStore,
  items: readonly Item[],
  signal: AbortSignal,
  yes: boolean,
): Promise<Code[]> {
  const gone = new Set(items.flatMap((item) => (item.kind === "run" ? [item.run] : [])));
  const unused = await unusedCode(store, gone);
  for (const { key } of yes ? unused : []) {
    signal.throwIfAborted();
    await store.remove(key);
  }
  return unused.map(({ key, sizeBytes }) => ({ kind: "code", key, objects: 1, sizeBytes }));
}

async function runsOf(store: ObjectStore, named: string | undefined): Promise<string[]> {
  const found = new Set(await runsWithObjects(store));
  for (const run of await readdir(scratchFolder(store)).catch(() => [])) {
    if (Name.safeParse(run).success) found.add(run);
  }
  if (named === undefined) return [...found].sort();
  if (!found.has(named)) throw await runNotFound(openJournal(store), named, store.address);
  return [named];
}

/** What is to be removed of a run, and with `yes` is removed then. Throws RUN_HELD where somebody trains it. */
async function pruneRun(pruning: Pruning, run: string, yes: boolean, isRoomMade = false): Promise<OfRun[]> {
  const planned = await plan(pruning, run);
  if (!yes || planned.length === 0) return planned;
  const { store, signal } = pruning;
  const lease = await takeLease(store, run).catch((error: unknown) => {
    // Room is made once: what cannot be removed makes none, however often.
    if (isRoomMade || !(error instanceof PawlError) || error.code !== "STORE_FULL") throw error;
    return undefined;
  });
  if (lease === undefined)
    return [...(await makeRoom(pruning, run, planned)), ...(await pruneRun(pruning, run, yes, true))];
  try {
    // What was seen before the lease was ours may have changed.
    const wanted = await wantedByOthers(store, await runsWithObjects(store));
    const items = await plan({ ...pruning, wanted }, run);
    const stopping = AbortSignal.any([signal, lease.lost]);
    for (const item of items) {
      if (item.kind === "scratch") await sweepScratch(join(scratchFolder(store), run));
      else await removeItem(store, item, stopping);
    }
    // Of a run that is no more nobody asks who had it. Whoever takes it from here on makes a lease of their own.
    const isGone = items.some(({ kind }) => kind === "run") || !(await isThere(store, run));
    if (isGone && !lease.lost.aborted) await store.remove(leaseKey(run));
    return items;
  } finally {
    await lease.release();
  }
}

/**
 * Where the disk has no room even for a lease, nobody else can take one either. What a run that goes on can never need is
 * removed then, and the rest with a lease. Throws STORE_FULL where there is no such thing.
 */
async function makeRoom(
  { store, signal }: Pruning,
  run: string,
  planned: readonly OfRun[],
): Promise<OfRun[]> {
  const removed: OfRun[] = [];
  for (const item of planned) {
    if (item.kind === "scratch") await sweepScratch(join(scratchFolder(store), run));
    else if (item.kind === "checkpoint" && item.why !== "unknown") await removeItem(store, item, signal);
    else continue;
    removed.push(item);
  }
  if (removed.length === 0) await (await takeLease(store, run)).release();
  return removed;
}

const isThere = async (store: ObjectStore, run: string): Promise<boolean> =>
  (await openJournal(store).newest(run)) !== undefined;

async function plan({ store, whole, wanted }: Pruning, run: string): Promise<OfRun[]> {
  const survey = await surveyRun(store, run, new Date());
  const { state } = survey;
  if (state !== undefined && isUnderWay(state)) {
    const { alive, who } = await whoDrives(store, state);
    if (alive) {
      throw new PawlError("RUN_HELD", `run ${run} is being trained by ${who}`, {
        next: "Wait until it ends, or stop it, and prune then.",
        details: { run, holder: who },
      });
    }
  }
  const scratch = await scratchOf(store, run);
  return [...planPrune(survey, wanted.get(run), whole), ...scratch];
}

async function scratchOf(store: ObjectStore, run: string): Promise<Scratch[]> {
  const folder = join(scratchFolder(store), run);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let [objects, sizeBytes] = [0, 0];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    objects += 1;
    sizeBytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  }
  return entries.length === 0 ? [] : [{ kind: "scratch", run, objects, sizeBytes }];
}

const reasons: Readonly<Record<PruneReason, string>> = {
  dropped: "the run has dropped it",
  incomplete: "incomplete, and its attempt has ended",
  uncommitted: "never committed, and its attempt has ended",
  unknown: "of an attempt that the run does not have",
};

function words(item: Item): [string, string] {
  switch (item.kind) {
    case "checkpoint":
      return [`checkpoint ${item.name}`, reasons[item.why]];
    case "records":
      return ["attempts", "there is no such run"];
    case "scratch":
      return ["working folders", "left on this machine by attempts that were killed"];
    case "run":
      return ["the whole run", `${item.status}, with its journal`];
    case "code":
      return [`code ${item.key.slice("code/".length, "code/".length + 12)}…`, "no run needs it"];
  }
}

function render(
  console: Console,
  items: readonly Item[],
  sum: { objects: number; sizeBytes: number; yes: boolean },
) {
  const amount = `${size(sum.sizeBytes)} in ${count(sum.objects, "object")}`;
  if (items.length === 0) return console.out("there is nothing that nobody needs");
  console.out(
    table(
      items.map((item) => {
        const [what, why] = words(item);
        return ["run" in item ? item.run : "", what, size(item.sizeBytes), why];
      }),
    ),
  );
  console.out(sum.yes ? `freed ${amount}` : `${amount} would be freed: nothing is removed without --yes`);
}
