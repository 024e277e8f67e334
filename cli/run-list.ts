import * as z from "zod";
import { bestCheckpoint } from "../core/decisions/progress.ts";
import { Duration } from "../core/duration.ts";
import { exitCodes, isStoreWide, PawlError } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import { journalPrefix } from "../core/keys.ts";
import { Metrics } from "../core/report.ts";
import { isUnderWay } from "../core/standing.ts";
import { readHead } from "../lambdas/journalled.ts";
import { inParallel } from "../store/checkpoints-parallel.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { type Colour, paintOut } from "./colour.ts";
import { type CommandRun, type OptionValues, runStates } from "./commands.ts";
import { age, metric, metricWords, table } from "./format.ts";
import { standing, whoDrives } from "./standing.ts";
import { storeAddress } from "./store-address.ts";

/** So many runs are read at a time. */
const atATime = 8;

/** So many metrics are shown in the table. */
const shownMetrics = 2;

const RunStatus = z.enum(runStates);
type RunStatus = z.infer<typeof RunStatus>;

/** What cannot be read of a damaged run is absent. */
const ListedRun = z.strictObject({
  run: z.string(),
  status: RunStatus,
  job: z.string().optional(),
  /** The last committed epoch, of how many. */
  epoch: z.int().optional(),
  epochs: z.int().optional(),
  /** Of the last committed epoch. */
  metrics: Metrics.optional(),
  best: z.strictObject({ metric: z.string(), value: z.number(), epoch: z.int() }).optional(),
  startedAt: z.string().optional(),
  /** When its newest decision was journalled. */
  changedAt: z.string().optional(),
  recoveries: z.int().optional(),
  /** What is damaged. */
  message: z.string().optional(),
});
type ListedRun = z.infer<typeof ListedRun>;

/** What `runs --json` prints. */
export const RunList = z.strictObject({ store: z.string(), runs: z.array(ListedRun) });
export type RunList = z.infer<typeof RunList>;

/** `pawl runs`. */
export const runs: CommandRun = async ({ options, console }) => {
  const now = Date.now();
  const wanted = filterOf(options, now);
  const store = await openStore(storeAddress(options), "read");
  const names: string[] = [];
  for await (const name of openJournal(store).runs()) names.push(name);
  const all = await inParallel(names, { concurrency: atATime }, (name) => readListed(store, name));
  const found = all
    .filter((run) => run !== undefined)
    .filter(wanted)
    .sort(newestFirst);
  if (names.length === 0) console.err(`there is no run in ${store.address}`);
  else if (found.length === 0) console.err(`none of the runs in ${store.address} is like that`);
  if (options.json === true) {
    console.out(JSON.stringify({ store: store.address, runs: found } satisfies RunList));
  } else if (found.length > 0) {
    console.out(renderRuns(found, now));
  }
  return exitCodes.done;
};

/** `undefined` for a run that is gone meanwhile. */
async function readListed(store: ObjectStore, run: string): Promise<ListedRun | undefined> {
  try {
    const journal = openJournal(store);
    const newest = await journal.newest(run);
    const head = newest && (await readHead({ journal }, run, newest.sequence));
    if (newest === undefined || head === undefined) return await withoutBeginning(store, run);
    const { state } = head;
    const job = TrainingJob.parse(head.job);
    const driven = isUnderWay(state) && (await whoDrives(store, state)).alive;
    const goal = job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined;
    const best = goal && bestCheckpoint(goal, state.kept);
    return {
      run,
      status: standing(state, driven),
      job: job.name,
      epoch: state.progress.epoch,
      epochs: job.epochs,
      metrics: state.recent.at(-1)?.report.metrics ?? {},
      ...(goal === undefined || best?.bestValue === undefined
        ? {}
        : { best: { metric: goal.metric, value: best.bestValue, epoch: best.epoch } }),
      startedAt: state.startedAt,
      changedAt: newest.at,
      recoveries: state.recoveries,
    };
  } catch (error) {
    // A store that cannot be reached is no matter of one run.
    const ofOneRun = error instanceof PawlError && !isStoreWide(error);
    if (!ofOneRun && !(error instanceof z.ZodError)) throw error;
    return { run, status: "damaged", message: error.message.split("\n")[0] ?? "" };
  }
}

/** Removed meanwhile; or its journal has lost its first entry, and with it all that can be found from there. */
async function withoutBeginning(store: ObjectStore, run: string): Promise<ListedRun | undefined> {
  for await (const { key } of store.list(`${journalPrefix}${run}/`))
    return { run, status: "damaged", message: `its journal has no first entry; it has ${key}` };
  return undefined;
}

function filterOf(options: OptionValues, now: number): (run: ListedRun) => boolean {
  const states = typeof options.state === "string" ? statesOf(options.state) : undefined;
  const newer = secondsOf(options.newerThan, "--newer-than");
  const older = secondsOf(options.olderThan, "--older-than");
  return ({ status, job, changedAt }) => {
    // How old a damaged run is nobody knows.
    const seconds = changedAt === undefined ? Number.NaN : (now - Date.parse(changedAt)) / 1000;
    return (
      (states === undefined || states.has(status)) &&
      (options.job === undefined || job === options.job) &&
      (newer === undefined || seconds <= newer) &&
      (older === undefined || seconds >= older)
    );
  };
}

function statesOf(given: string): Set<string> {
  const states = given.split(",").map((state) => state.trim());
  for (const state of states) {
    if (RunStatus.safeParse(state).success) continue;
    const known = runStates.join(", ");
    throw new PawlError("USAGE", `--state ${given}: ${JSON.stringify(state)} is no state of a run`, {
      next: `Name one of ${known}; or several, with commas between.`,
      details: { option: "--state", value: state, allowed: runStates },
    });
  }
  return new Set(states);
}

function secondsOf(given: string | boolean | undefined, option: string): number | undefined {
  if (given === undefined) return undefined;
  const parsed = Duration.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new PawlError("USAGE", `${option} ${given}: must be a time such as 90min, 12h or 2d`, {
    next: `Correct ${option}.`,
    details: { option, value: given },
  });
}

/** Damaged ones, whose time is unknown, come first: they need looking at. */
function newestFirst(a: ListedRun, b: ListedRun): number {
  const [first, second] = [a.startedAt ?? "~", b.startedAt ?? "~"];
  if (first !== second) return first < second ? 1 : -1;
  return a.run < b.run ? 1 : -1;
}

const colours: Partial<Record<RunStatus, Colour>> = {
  training: "cyan",
  waiting: "yellow",
  interrupted: "yellow",
  finished: "green",
  failed: "red",
  damaged: "red",
};

function renderRuns(found: readonly ListedRun[], now: number): string {
  const head = ["run", "job", "state", "epochs", "changed", "recoveries", "metrics"];
  const rows = found.map((listed) => {
    const { run, job = "", status, epoch, epochs, changedAt, recoveries, message } = listed;
    return [
      run,
      job,
      status,
      epoch === undefined ? "" : `${epoch}/${epochs}`,
      changedAt === undefined ? "" : `${age((now - Date.parse(changedAt)) / 1000)} ago`,
      recoveries === undefined ? "" : String(recoveries),
      message ?? metricsOf(listed),
    ];
  });
  return table([head, ...rows], (cell, row, column) => {
    if (row === 0) return paintOut("dim", cell);
    const colour = column === 2 ? colours[found[row - 1]?.status ?? "training"] : undefined;
    return colour === undefined ? cell : paintOut(colour, cell);
  });
}

/** The best value first, and the newest metrics: the one that the best is of before the others. */
function metricsOf({ metrics = {}, best }: ListedRun): string {
  const names = Object.keys(metrics).sort((a, b) => Number(b === best?.metric) - Number(a === best?.metric));
  const shown = names.slice(0, shownMetrics).map((name) => {
    const words = metricWords({ [name]: metrics[name] ?? 0 });
    return name === best?.metric ? `${words} (best ${metric(best.value)} at epoch ${best.epoch})` : words;
  });
  return shown.join("  ");
}
