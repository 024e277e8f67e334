/** Where everything is in a store. Keys begin with their kind, so that policies and lifecycle rules can name them. */

export const journalPrefix = "journal/";

const runJournalPrefix = (run: string): string => `${journalPrefix}${run}/`;

/** Sequences count from 1, without gaps. */
export const journalKey = (run: string, sequence: number): string =>
  `${runJournalPrefix(run)}${String(sequence).padStart(10, "0")}.json`;

export const checkpointPrefix = (run: string, name: string): string => `checkpoints/${run}/${name}/`;

export const manifestKey = (run: string, name: string): string =>
  `${checkpointPrefix(run, name)}manifest.json`;

export const checkpointName = (epoch: number, attempt: number): string => `${epoch}-${attempt}`;

/** One attempt number can have two Batch jobs (a submission repeated after a lost answer): each has its own record. */
const attemptPrefix = (run: string, attempt: number, batchJobId: string): string =>
  `attempts/${run}/${attempt}/${batchJobId}/`;

export const outcomeKey = (run: string, attempt: number, batchJobId: string): string =>
  `${attemptPrefix(run, attempt, batchJobId)}outcome.json`;

const logPrefix = (run: string, attempt: number, batchJobId: string): string =>
  `${attemptPrefix(run, attempt, batchJobId)}log/`;

export const logKey = (run: string, attempt: number, batchJobId: string, part: number): string =>
  `${logPrefix(run, attempt, batchJobId)}${String(part).padStart(10, "0")}.txt`;

export const leaseKey = (run: string): string => `leases/${run}.json`;
