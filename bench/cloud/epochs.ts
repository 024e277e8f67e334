import { join } from "node:path";
import { readJobFile } from "../../cli/job-file.ts";
import type { TrainingJobInput } from "../../core/job.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { trainLocally } from "../../local/training.ts";
import { openStore } from "../../store/open-store.ts";
import { type CountingProxy, type Counts, since } from "./counting-proxy.ts";

/** What an epoch took of the control plane and of the store, on average over a run's steady part. */
export interface EpochCounts {
  readonly epochs: number;
  /** States that were entered, as Step Functions bills them. */
  readonly transitions: number;
  /** Decisions by their kind: each is one call of a function. */
  readonly decisions: Readonly<Record<string, number>>;
  /** By part of the store and class: `journal PUT`. */
  readonly requests: Readonly<Record<string, number>>;
}

interface Moment {
  readonly epoch: number;
  readonly states: number;
  readonly entries: readonly JournalEntry[];
  readonly requests: Counts;
}

/** So many epochs at either end are left out: the first fill what later ones empty, the last end the run. */
const edge = 3;

/**
 * Trains the job in `folder` to its end with the embedded runner, the real agents and the real store behind `proxy`, and
 * counts from the commit of one early epoch to that of a late one.
 */
export async function countEpochs(
  folder: string,
  proxy: CountingProxy,
  bucket: string,
): Promise<EpochCounts> {
  const file = await readJobFile(join(folder, "pawl.yaml"));
  const run = `${file.job.name}-1`;
  // At the bucket's root, so that keys begin with their kind.
  const store = await openStore(`s3://${bucket}`);
  const moments: Moment[] = [];
  const entries: JournalEntry[] = [];
  let states = 0;
  const input: TrainingJobInput = file.input;
  const { result } = await trainLocally({
    store,
    run,
    job: input,
    source: { folder },
    acceptChanges: false,
    interrupt: new AbortController().signal,
    onMessage: (message) => {
      if (message.code === "state.entered") states += 1;
      if (message.code !== "journal.entry") return;
      entries.push(message.entry);
      const epoch = message.entry.state.progress.epoch;
      if (epoch > (moments.at(-1)?.epoch ?? 0))
        moments.push({ epoch, states, entries: [...entries], requests: proxy.counts() });
    },
  });
  if (result !== "finished") throw new Error(`the run ${run} has ${result}`);
  const [first, last] = [moments[edge], moments.at(-1 - edge)];
  if (first === undefined || last === undefined) throw new Error(`the run ${run} has too few epochs`);
  return between(first, last);
}

function between(first: Moment, last: Moment): EpochCounts {
  const epochs = last.epoch - first.epoch;
  const kinds = last.entries.slice(first.entries.length).map(({ decision }) => decision.kind);
  const decisions = Object.fromEntries(
    [...new Set(kinds)].map((kind) => [kind, kinds.filter((each) => each === kind).length / epochs]),
  );
  const requests = Object.fromEntries(
    [...since(first.requests, last.requests)].map(([kind, number]) => [kind, number / epochs]),
  );
  return { epochs, transitions: (last.states - first.states) / epochs, decisions, requests };
}
