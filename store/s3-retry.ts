import { setTimeout as sleep } from "node:timers/promises";
import { type Failure, failureOf } from "./s3-failures.ts";

/** Time and chance, so that tests can have their own. */
export interface Clock {
  /** Milliseconds, of any origin. */
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
  /** At least 0, less than 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: async (milliseconds, signal) => {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  },
  random: () => Math.random(),
};

/** How long a request is tried again, and how the waits between two tries grow. */
export interface Patience {
  /** No try begins later than this after the first one began, or after the last progress. */
  readonly totalMilliseconds: number;
  readonly firstWaitMilliseconds: number;
  readonly longestWaitMilliseconds: number;
}

/** Outlasts a restart of a server, and S3's own slowing down. */
export const defaultPatience: Patience = {
  totalMilliseconds: 60_000,
  firstWaitMilliseconds: 100,
  longestWaitMilliseconds: 10_000,
};

export interface RetryOptions {
  readonly clock: Clock;
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** What an error means; S3's own table where nothing is said. */
  readonly meaning?: (error: unknown) => Failure;
}

/** What is known of the tries before this one. */
export interface Tries {
  /** An earlier try failed in a way that leaves open whether the server did what was asked. */
  readonly doubtful: boolean;
  /** To be called when a try has got further than any before it: the patience begins anew. */
  progress(): void;
}

/**
 * The one retry policy: exponential waits with full jitter (each anywhere between 0 and twice as much as before), bounded
 * in time. Which errors are tried again is said by `meaning`; the others, and the last, are thrown as they came.
 */
export async function retrying<Result>(
  { clock, patience, signal, meaning = failureOf }: RetryOptions,
  work: (tries: Tries) => Promise<Result>,
): Promise<Result> {
  let began = clock.now();
  let doubtful = false;
  let failures = 0;
  const seen = new Map<Failure, number>();
  const progress = () => {
    began = clock.now();
    failures = 0;
  };
  for (;;) {
    let failure: Failure;
    try {
      return await work({ doubtful, progress });
    } catch (error) {
      signal?.throwIfAborted();
      failure = meaning(error);
      const alike = (seen.get(failure) ?? 0) + 1;
      seen.set(failure, alike);
      if (!failure.again || alike === failure.tries) throw error;
      const ceiling = Math.min(
        patience.longestWaitMilliseconds,
        patience.firstWaitMilliseconds * 2 ** failures,
      );
      const wait = ceiling * clock.random();
      if (clock.now() + wait - began > patience.totalMilliseconds) throw error;
      await clock.sleep(wait, signal);
    }
    doubtful ||= failure.doubtful;
    failures += 1;
  }
}
