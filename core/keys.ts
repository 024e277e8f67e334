/** Where everything is in a store. Keys begin with their kind, so that policies and lifecycle rules can name them. */

export const journalPrefix = "journal/";

const runJournalPrefix = (run: string): string => `${journalPrefix}${run}/`;

/** Sequences count from 1, without gaps. */
export const journalKey = (run: string, sequence: number): string =>
  `${runJournalPrefix(run)}${String(sequence).padStart(10, "0")}.json`;

export const codePrefix = "code/";

/** Packed code, named by its content: what is there is never uploaded again. */
export const codeKey = (digest: string): string => `${codePrefix}${digest}.tar.gz`;

export const codeKeyPattern = /^code\/[0-9a-f]{64}\.tar\.gz$/;

/** All checkpoints of a run, by their name. */
export const checkpointsPrefix = (run: string): string => `checkpoints/${run}/`;

export const checkpointPrefix = (run: string, name: string): string => `${checkpointsPrefix(run)}${name}/`;

export const manifestKey = (run: string, name: string): string =>
  `${checkpointPrefix(run, name)}manifest.json`;

/** Of the end of `epoch`, or of its middle where a `step` is given. */
export const checkpointName = (epoch: number, attempt: number, step?: number): string =>
  step === undefined ? `${epoch}-${attempt}` : `${epoch}-${attempt}-${step}`;

/** All that a run's attempts left beside their checkpoints, by their number. */
export const attemptsPrefix = (run: string): string => `attempts/${run}/`;

/** What the Batch jobs of one attempt left, by their id. */
export const attemptJobsPrefix = (run: string, attempt: number): string =>
  `${attemptsPrefix(run)}${attempt}/`;

/** One attempt number can have two Batch jobs (a submission repeated after a lost answer): each has its own record. */
const attemptPrefix = (run: string, attempt: number, batchJobId: string): string =>
  `${attemptJobsPrefix(run, attempt)}${batchJobId}/`;

export const outcomeKey = (run: string, attempt: number, batchJobId: string): string =>
  `${attemptPrefix(run, attempt, batchJobId)}outcome.json`;

export const logPrefix = (run: string, attempt: number, batchJobId: string): string =>
  `${attemptPrefix(run, attempt, batchJobId)}log/`;

export const logKey = (run: string, attempt: number, batchJobId: string, part: number): string =>
  `${logPrefix(run, attempt, batchJobId)}${String(part).padStart(10, "0")}.txt`;

/** The number of the part of a log that `key` is; `undefined` for what is no part. */
export function logPart(key: string): number | undefined {
  const digits = /\/log\/(\d{10,})\.txt$/.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Runs that Sweep knows to be at rest, so that it need not read them again. */
export const restingKey = "sweep/resting.json";

export const leasesPrefix = "leases/";

export const leaseKey = (run: string): string => `${leasesPrefix}${run}.json`;
